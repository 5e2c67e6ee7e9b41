"""A file to download, and what is there afterwards."""

import hashlib
import random
import socket

import pytest

from mpssl.common.errors import UserError
from mpssl.config.downloads import Download
from mpssl.data.download import fetch

NAME = "data.tgz"
BODY = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(len(BODY))
HALF = len(BODY) // 2
SHORT = 50_000
PIECE = 5_000  # what is lost at most where a connection breaks; in earnest 1 MiB


def wanted(*urls, body=BODY, **changes):
    known = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    known["md5"] = hashlib.md5(body).hexdigest()
    return Download(**{"file": NAME, "urls": list(urls)} | known | changes)


def partial(folder, content):
    folder.mkdir(exist_ok=True)
    path = folder / f".{NAME}.0.part"
    path.write_bytes(content)
    return path


def whole(folder, body=BODY):
    """The file is there, and nothing else that anybody sees."""
    assert [path.name for path in folder.iterdir() if path.name[0] != "."] == [NAME]
    assert not (folder / f".{NAME}.0.part").exists()
    return (folder / NAME).read_bytes() == body


def fails(tmp_path, file, *texts, waits_s=()):
    """The error of a download, which leaves nothing under the final name."""
    with pytest.raises(UserError) as caught:
        fetch(file, tmp_path, waits_s=waits_s)
    assert not (tmp_path / NAME).exists()
    message = str(caught.value)
    for text in (*texts, f"fetch it yourself and put it at {tmp_path / NAME}"):
        assert str(text) in message
    return message


def refused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]

"""Downloads from a local server with every fault."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from mpssl.common.errors import UserError
from mpssl.data import download
from mpssl.data.download import fetch, prepare
from tests.support.commands import mpssl
from tests.support.downloads import (
    BODY,
    NAME,
    OTHER,
    SHORT,
    fails,
    refused_port,
    wanted,
    whole,
)
from tests.support.local_server import Answer, without_proxies

pytestmark = pytest.mark.usefixtures("no_proxies_and_small_pieces")


# ----------------------------------------------------------------------------------- whole files


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("known", [{}, {"sha256": None}, {"bytes": None, "md5": None}])
def test_downloads_a_file_once(server, tmp_path, known, length):
    file = wanted(server.serve("/a", Answer(BODY, length=length)), **known)
    assert fetch(file, tmp_path / "new", waits_s=()) == tmp_path / "new" / NAME
    assert whole(tmp_path / "new")
    assert fetch(file, tmp_path / "new", waits_s=()) == tmp_path / "new" / NAME
    assert [(r.range, r.served) for r in server.requests] == [(None, len(BODY))]
    assert server.requests[0].agent.startswith("Mozilla/5.0")


def test_a_present_file_is_not_downloaded(server, tmp_path):
    (tmp_path / NAME).write_bytes(BODY)
    assert fetch(wanted(server.serve("/a", OTHER)), tmp_path) == tmp_path / NAME
    assert server.requests == []
    assert whole(tmp_path)


@pytest.mark.parametrize("body", [OTHER, BODY[:SHORT]], ids=["wrong", "cut"])
def test_a_wrong_file_put_there_by_hand_is_refused(tmp_path, body):
    """Or one of the same name of another data set: all share one folder."""
    (tmp_path / NAME).write_bytes(body)
    with pytest.raises(UserError, match=NAME):
        fetch(wanted("http://127.0.0.1:9/never-asked"), tmp_path, waits_s=())


def test_a_host_name_that_cannot_be_is_passed_over(server, tmp_path):
    fetch(wanted("http://a..b/data.tgz", server.serve("/a", BODY)), tmp_path, waits_s=())


def test_follows_a_redirect_and_keeps_the_query(server, tmp_path):
    server.serve("/b?download=1", BODY)
    moved = Answer(status=302, location=f"{server.url}/b?download=1")
    fetch(wanted(server.serve("/a?download=1", moved)), tmp_path, waits_s=())
    assert whole(tmp_path)
    assert server.paths() == ["/a?download=1", "/b?download=1"]


@pytest.mark.parametrize(
    ("body", "known", "texts"),
    [
        (OTHER, {}, ["has sha256", "expected " + hashlib.sha256(BODY).hexdigest()]),
        (OTHER, {"sha256": None}, ["has md5", "expected " + hashlib.md5(BODY).hexdigest()]),
        (BODY[:SHORT], {}, [f"has {SHORT} bytes, expected {len(BODY)}"]),
        (BODY[:SHORT], {"bytes": None}, ["has sha256"]),
        (b"", {}, [f"has 0 bytes, expected {len(BODY)}"]),
        (BODY + b"x", {}, ["more than 300000 bytes"]),
    ],
)
def test_a_wrong_file_is_refused(server, tmp_path, body, known, texts):
    file = wanted(server.serve("/a", body), **known)
    fails(tmp_path, file, server.url, *texts)
    # and is no hindrance to the right one
    server.serve("/a", BODY)
    fetch(file, tmp_path, waits_s=(0.0,))
    assert whole(tmp_path)


def test_a_wrong_file_is_removed(server, tmp_path):
    fails(tmp_path, wanted(server.serve("/a", OTHER)))
    assert {path.name for path in tmp_path.iterdir()} <= {f".{NAME}.lock"}


# --------------------------------------------------------------------------------------- mirrors

FAULTS = {
    "missing": Answer(status=404),
    "forbidden": Answer(b"<html>", status=403),
    "broken server": Answer(status=500),
    "wrong file": Answer(OTHER),
    "short file": Answer(BODY[:SHORT]),
    "web page": Answer(b"<html>log in</html>"),
    "breaks": Answer(BODY, stop_after=SHORT),
    "breaks without length": Answer(BODY, stop_after=SHORT, length=False),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_next_mirror_is_asked(server, tmp_path, fault):
    file = wanted(server.serve("/first", fault), server.serve("/second", BODY))
    fetch(file, tmp_path, waits_s=())
    assert whole(tmp_path)
    assert server.paths() == ["/first", "/second"]


def test_a_mirror_that_is_not_there_is_passed_over(server, tmp_path):
    nobody = [f"http://127.0.0.1:{refused_port()}/a", "not a url", "ftp://127.0.0.1/a"]
    fetch(wanted(*nobody, server.serve("/a", BODY)), tmp_path, waits_s=())
    assert whole(tmp_path)


def test_the_first_good_mirror_is_enough(server, tmp_path):
    file = wanted(server.serve("/first", BODY), server.serve("/second", BODY))
    fetch(file, tmp_path, waits_s=())
    assert server.paths() == ["/first"]


def test_a_mirror_that_sends_too_much_does_not_hide_the_next(server, tmp_path):
    file = wanted(server.serve("/first", BODY + b"x"), server.serve("/second", BODY))
    fetch(file, tmp_path, waits_s=(0.0, 0.0))
    assert whole(tmp_path)


def test_a_wrong_mirror_that_breaks_does_not_hide_the_next(server, tmp_path):
    file = wanted(
        server.serve("/first", Answer(OTHER, stop_after=SHORT)), server.serve("/second", BODY)
    )
    fetch(file, tmp_path, waits_s=(0.0, 0.0))
    assert whole(tmp_path)


def test_the_error_has_the_reason_of_every_mirror(server, tmp_path):
    nobody = f"http://127.0.0.1:{refused_port()}/a"
    urls = [server.serve("/missing", Answer(status=404)), server.serve("/wrong", OTHER), nobody]
    urls.append(server.serve("/broken", Answer(status=503)))
    message = fails(tmp_path, wanted(*urls), "cannot download data.tgz", *urls)
    reasons = message.split("; ")
    for reason, text in zip(reasons, ("404", "has sha256", "refused", "503"), strict=False):
        assert text in reason
    assert server.paths() == ["/missing", "/wrong", "/broken"]


def test_each_wait_is_another_round(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    urls = [server.serve(path, Answer(status=500)) for path in ("/a", "/b")]
    fails(tmp_path, wanted(*urls), waits_s=(1, 4))
    assert server.paths() == ["/a", "/b"] * 3
    assert waits == [0, 1, 4]


# ------------------------------------------------------------------------------ several at once


def test_threads_at_once_download_once(server, tmp_path):
    file = wanted(server.serve("/a", Answer(BODY, stall_s=0.2)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch(file, tmp_path, waits_s=()), range(4)))
    assert set(found) == {tmp_path / NAME}
    assert whole(tmp_path)
    assert len(server.requests) == 1


def test_processes_at_once_download_once(server, tmp_path):
    file = wanted(server.serve("/a", Answer(BODY, stall_s=0.5, length=False)))
    code = (
        "import sys; from pathlib import Path\n"
        "from mpssl.config.downloads import Download; from mpssl.data.download import fetch\n"
        "fetch(Download.model_validate_json(sys.argv[1]), Path(sys.argv[2]), waits_s=())"
    )
    command = [sys.executable, "-c", code, file.model_dump_json(), str(tmp_path)]
    processes = [subprocess.Popen(command, env=without_proxies(os.environ)) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert whole(tmp_path)
    assert len(server.requests) == 1


# --------------------------------------------------------------------------------------- proxies


def test_the_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    server.serve("/a.tgz", BODY)
    fetch(wanted("http://nowhere.invalid/a.tgz"), tmp_path, waits_s=())
    assert whole(tmp_path)
    assert server.paths() == ["http://nowhere.invalid/a.tgz"]


def test_no_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{refused_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetch(wanted(server.serve("/a", BODY)), tmp_path, waits_s=())
    assert server.paths() == ["/a"]


def test_a_failed_download_makes_no_folder(tmp_path, server, monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    file = wanted(server.serve("/a", Answer(status=404)))
    with pytest.raises(UserError, match="cannot download"):
        prepare([file], tmp_path / "archives", tmp_path / "data/set.json")
    assert not (tmp_path / "data").exists() or list((tmp_path / "data").iterdir()) == []


# ---------------------------------------------------------------------------------- command line


def test_weights_are_fetched_by_name(tmp_path, server, content):
    file = wanted(server.serve("/weights", BODY), file="pytorch_model.bin")
    content["foundation"]["generator"] = {
        "kind": "pretrained",
        "path": "biggan",
        "downloads": [file.model_dump()],
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    command = ["fetch-weights", "--config", "config.yaml"]
    assert mpssl(*command, "pytorch_model.bin", cwd=tmp_path).returncode == 0
    assert (tmp_path / "biggan/pytorch_model.bin").read_bytes() == BODY
    content["foundation"]["generator"]["downloads"][0]["sha256"] = None
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    unpinned = mpssl(*command, "pytorch_model.bin", cwd=tmp_path)
    assert hashlib.sha256(BODY).hexdigest() in unpinned.stdout
    result = mpssl(*command, "other.bin", cwd=tmp_path)
    assert result.returncode == 2
    assert "no download of weights named other.bin" in result.stderr
    assert [path.name for path in (tmp_path / "biggan").glob("[!.]*")] == ["pytorch_model.bin"]


def test_data_by_request_only_cannot_be_fetched(tmp_path, content):
    content["datasets"]["chaoyang"] = {"adapter": "chaoyang", "title": "Chaoyang"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    result = mpssl("fetch", "--config", "config.yaml", "chaoyang", cwd=tmp_path)
    assert result.returncode == 2
    assert "Chaoyang cannot be downloaded; docs/data.md says how to get it" in result.stderr

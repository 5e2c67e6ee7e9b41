"""Writing files so that a final name always holds a whole file, and reading them verified."""

import csv
import hashlib
import io
import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from mpssl.common.errors import UserError

CHECKSUM = "checksum"  # the key of a made JSON file, and of a weights file's metadata


def refuse_undecodable(path: Path) -> None:
    """Raise UserError if a path is no UTF-8, which neither a list nor a configuration can hold."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise UserError(
            f"the name {shown} is not UTF-8; rename it, as convmv -f latin1 -t utf8 -r does for a "
            "whole folder"
        ) from None


def make_folder(path: Path) -> None:
    """Make a folder that a person named, and those above it, unless it is there.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {path} cannot be made: {error.strerror}") from None


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    On any error the temporary file is removed and `path` is left as it was. What a killed process
    of this host left of the same file is removed first.

    Raises:
        OSError: of the block; the file's name is added where it has none.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays at the end: savers such as matplotlib and numpy choose the format by it.
    start, end = f".{path.stem}.{socket.gethostname()}.", f".tmp{path.suffix}"
    _remove_orphans(path.parent, start, end)
    temporary = path.with_name(f"{start}{os.getpid()}{end}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _remove_orphans(folder: Path, start: str, end: str) -> None:
    """Remove temporary files of processes that no longer live."""
    for name in os.listdir(folder):
        pid = name.removeprefix(start).removesuffix(end)
        if name == f"{start}{pid}{end}" and pid.isdecimal() and not psutil.pid_exists(int(pid)):
            (folder / name).unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text)


def csv_text(rows: list[dict[str, Any]], columns: Iterable[str] = ()) -> str:
    """Rows as CSV: first the columns named, then all other keys in the order of their first use."""
    text = io.StringIO()
    columns = dict.fromkeys([*columns, *(key for row in rows for key in row)])
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_json(path: Path | str, content: Any, indent: int | None = 1) -> None:
    """Write `content` as JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(content, indent=indent, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


def write_made(path: Path | str, content: dict[str, Any], indent: int | None = 1) -> None:
    """Write `content` as JSON with a checksum of it, for `read_made`."""
    write_json(path, {**content, CHECKSUM: json_digest(content)}, indent)


def read_made(path: Path | str) -> dict[str, Any]:
    """Read a JSON file of `write_made`, without its checksum.

    Raises:
        UserError: it is missing or damaged, or was edited.
    """
    try:
        return verified(read_json(path))
    except (OSError, ValueError, RecursionError):
        raise UserError(
            f"{path} is missing or damaged; delete it if it is there and run snakemake again"
        ) from None


def verified(content: Any) -> dict[str, Any]:
    """The content of a file of `write_made`, without its checksum.

    Raises:
        ValueError: the checksum is missing or not that of the content.
    """
    if not isinstance(content, dict) or CHECKSUM not in content:
        raise ValueError("no checksum")
    rest = {key: value for key, value in content.items() if key != CHECKSUM}
    if json_digest(rest) != content[CHECKSUM]:
        raise ValueError("wrong checksum")
    return rest


def as_json(content: Any) -> Any:
    """Plain data as it comes back from a JSON file: lists for tuples, text for keys."""
    return json.loads(json.dumps(content, allow_nan=False))


def json_digest(content: Any) -> str:
    """A short sha256 of plain data, the same before and after a way through a JSON file."""
    text = json.dumps(as_json(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(*paths: Path | str) -> str:
    """A short sha256 of the content of files."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]

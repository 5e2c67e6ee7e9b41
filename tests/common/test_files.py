"""A final name always holds a whole file."""

import errno
import json
import os
import socket
import subprocess

import pytest

from mpssl.common.errors import UserError
from mpssl.common.files import (
    atomic,
    csv_text,
    read_json,
    read_made,
    write_json,
    write_made,
    write_text,
)


def names(folder):
    return sorted(f.name for f in folder.iterdir())


def test_the_file_appears_whole_at_the_end(tmp_path):
    path = tmp_path / "a" / "b" / "table.csv"
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename across disks would not be atomic
        assert temporary.suffix == ".csv"  # savers choose the format by it
    assert path.read_text() == "new"
    assert names(path.parent) == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(error), atomic(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["table.csv"]


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="stop"), atomic(tmp_path / "a.csv") as temporary:
        temporary.write_text("half")
        raise ValueError("stop")
    assert names(tmp_path) == []


def test_a_block_that_writes_nothing_fails(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic(path):
        pass
    assert path.read_text() == "old"


def test_text_replaces_the_old(tmp_path):
    write_text(str(tmp_path / "a.txt"), "one")
    write_text(tmp_path / "a.txt", "Naïve")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "Naïve"


def test_json_round_trips(tmp_path):
    content = {"accuracy": 0.1, "classes": ["a", None], "deep": {"on": True}}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    assert (tmp_path / "a.json").read_text().endswith("}\n")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), object()])
def test_json_refuses_what_is_not_json(tmp_path, bad):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a.json", {"new": bad})
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": 1}
    assert names(tmp_path) == ["a.json"]


def test_a_made_file_comes_back_or_is_refused(tmp_path):
    path = tmp_path / "a.json"
    content = {"accuracy": 0.1, "grid": {1: (1, 2)}, "name": "Naïve"}
    write_made(path, content)
    assert read_made(path) == {"accuracy": 0.1, "grid": {"1": [1, 2]}, "name": "Naïve"}
    whole = path.read_bytes()
    for length in range(len(whole) - 1):  # without the last newline it says the same
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"a\.json is missing or damaged; delete it"):
            read_made(path)
    path.write_bytes(whole.replace(b"0.1", b"0.2"))
    with pytest.raises(UserError, match="damaged"):
        read_made(path)
    write_json(path, content)
    with pytest.raises(UserError, match="damaged"):
        read_made(path)


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "a.csv"
    dead = subprocess.Popen(["true"])
    dead.wait()
    host = socket.gethostname()
    kept = [f".a.{host}.{os.getppid()}.tmp.csv", f".a.elsewhere.{dead.pid}.tmp.csv", ".a.csv"]
    for name in [*kept, f".a.{host}.{dead.pid}.tmp.csv"]:
        (tmp_path / name).write_text("half")
    write_text(path, "whole")
    assert names(tmp_path) == sorted([*kept, "a.csv"])


def test_an_error_of_the_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"No space.*a\.csv"), atomic(tmp_path / "a.csv"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_csv_columns_are_those_named_and_then_those_met():
    rows = [{"b": 1, "c": "x,y"}, {"a": 2, "d": None}]
    assert csv_text(rows, ["a"]) == 'a,b,c,d\n,1,"x,y",\n2,,,\n'
    assert csv_text([], ["a", "b"]) == "a,b\n"

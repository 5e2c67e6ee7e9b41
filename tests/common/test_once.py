"""Things that are made once, by whoever comes first."""

import multiprocessing
import time

import pytest

from mpssl.common.once import DONE, make_once


def test_what_is_there_is_not_made_again(tmp_path):
    folder, made = tmp_path / "kind/name", []

    def make():
        folder.mkdir(parents=True)
        (folder / "last").touch()
        made.append(1)

    make_once(folder, folder / "last", make)
    assert (folder / DONE).exists()
    (folder / DONE).unlink()  # as Snakemake does before it starts a job
    make_once(folder, folder / "last", make)
    assert made == [1] and (folder / DONE).exists()


def test_what_fails_is_not_done_and_may_be_tried_again(tmp_path):
    folder = tmp_path / "kind/name"

    def fail():
        folder.mkdir(parents=True, exist_ok=True)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            make_once(folder, folder / "last", fail)
    assert not (folder / DONE).exists()


def _make(folder, path):
    def make():
        with open(path, "a") as file:
            file.write("made\n")
        time.sleep(0.3)
        folder.mkdir(parents=True)
        (folder / "last").touch()

    make_once(folder, folder / "last", make)


def test_of_several_processes_one_makes_it_and_the_others_wait(tmp_path):
    folder, path = tmp_path / "kind/name", tmp_path / "log"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_make, args=(folder, path)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert path.read_text() == "made\n"

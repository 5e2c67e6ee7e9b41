"""Whether compute nodes see the disk: the job that looks, and what is said of its outcome."""

import subprocess

import pytest

from mpssl.tools import shared_disk, slurm


@pytest.fixture
def node(monkeypatch):
    """A node that is this machine: a job runs when it is submitted. Facts of jobs may be set."""
    facts = {"BatchHost": "n1", "Partition": "gpu"}
    monkeypatch.setattr(shared_disk, "LOOK_S", 0)
    monkeypatch.setattr(shared_disk, "PATIENCE_S", 0.1)
    monkeypatch.setattr(shared_disk, "SEES", shared_disk.SEES.replace("sleep 2", "true"))

    def ask(command, *words):
        if command == "sbatch":
            script = next(w.removeprefix("--wrap=") for w in words if w.startswith("--wrap="))
            facts["script"] = facts.get("before", "") + script
            code = subprocess.run(["sh", "-c", facts["script"]], stderr=subprocess.DEVNULL)
            state = "FAILED" if code.returncode else "COMPLETED"
            facts.setdefault("JobState", state)
            facts["ExitCode"] = f"{code.returncode}:0"
            return 0, "12"
        facts["last"] = (command, *words)
        return 0, ""

    monkeypatch.setattr(slurm, "ask", ask)
    monkeypatch.setattr(slurm, "facts", lambda kind, name: facts)
    return facts


def test_a_node_that_sees_all(node, tmp_path):
    file = tmp_path / "it's.npy"
    file.touch()
    seen = shared_disk.look(["-pgpu"], [tmp_path], [file])
    assert seen.well and seen.line.startswith(f"n1 of partition gpu sees {tmp_path}, {file} and")
    assert list(tmp_path.iterdir()) == [file]  # no marker stays


def test_a_folder_of_the_same_name_is_not_the_same(node, tmp_path):
    node["before"] = f"rm -f {tmp_path}/.preflight-*\n"
    seen = shared_disk.look([], [tmp_path], [])
    assert not seen.well
    assert seen.line == (
        f"n1 of partition gpu does not see {tmp_path}; put it on a disk that all nodes share"
    )


def test_a_file_that_the_node_does_not_have(node, tmp_path):
    assert "does not see /absent/x" in shared_disk.look([], [tmp_path], ["/absent/x"]).line


def test_an_environment_that_the_node_does_not_have(node, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_disk.sys, "executable", "/absent/python")
    seen = shared_disk.look([], [tmp_path], [])
    assert not seen.well and "cannot import mpssl with /absent/python" in seen.line


def test_a_job_that_waits_is_cancelled_and_nothing_is_claimed(node, tmp_path):
    node |= {"JobState": "PENDING", "Reason": "Resources"}
    seen = shared_disk.look([], [tmp_path], [])
    assert not seen.well and "not known whether nodes see the disk" in seen.line
    assert "PENDING (Resources)" in seen.line and node["last"] == ("scancel", "12")


def test_a_job_that_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "ask", lambda *_: (1, "sbatch: error: no"))
    assert shared_disk.look([], [tmp_path], []).line == "no job could look at the disk: no"


def test_one_place_stands_for_a_disk(tmp_path):
    paths = [tmp_path / "runs/a/metrics.json", tmp_path / "runs/b/metrics.json", tmp_path]
    assert shared_disk.one_a_disk(paths) == [tmp_path]
    assert shared_disk.one_a_disk(paths, known=[tmp_path]) == []
    assert "/proc" in map(str, shared_disk.one_a_disk([*paths, shared_disk.Path("/proc/absent")]))

"""Which GPU a job gets: simulated devices, real locks and processes."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections import Counter

import pytest
import torch

from mpssl.common.errors import UserError
from mpssl.machine import devices
from mpssl.machine.devices import claim, claimed_device, parse_listing, select_visible

FORK = multiprocessing.get_context("fork")  # torch is slow to import
GPUS = [["GPU-aa1"], ["GPU-bb2"], ["GPU-cc3"]]
LISTING = """\
GPU 0: NVIDIA A100 (UUID: GPU-aa1)
GPU 1: NVIDIA A100 (UUID: GPU-bb2)
  MIG 1g.5gb      Device  0: (UUID: MIG-b0)
  MIG 1g.5gb      Device  1: (UUID: MIG-b1)
GPU 2: NVIDIA A100 (UUID: GPU-cc3)
"""


class Holder:
    """A process that claims a slot, says which, and holds it until it is killed."""

    def __init__(self, folder, per_gpu, *gpus):
        self.answers, answer = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=self._hold, args=(answer, gpus, per_gpu, folder))
        self.process.start()
        self.pid = self.process.pid

    @staticmethod
    def _hold(answer, gpus, per_gpu, folder):
        with claim(list(gpus), per_gpu, folder, poll_seconds=0.05) as gpu:
            answer.send(gpu)
            time.sleep(600)

    def claimed(self, within_s):
        """The GPU that it holds; None if it has none after that time."""
        return self.answers.recv() if self.answers.poll(within_s) else None


@pytest.fixture
def holders():
    """Processes that are killed at the end of the test."""
    processes = []
    yield processes
    for process in processes:
        process.process.kill()
        process.process.join()


def test_a_listing_names_gpus_or_their_slices():
    assert parse_listing(LISTING) == [["GPU-aa1"], ["MIG-b0", "MIG-b1"], ["GPU-cc3"]]
    assert parse_listing("No devices were found\n") == []


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["GPU-aa1", "GPU-bb2", "GPU-cc3"]),
        ("2,0", ["GPU-cc3", "GPU-aa1"]),
        ("GPU-bb2", ["GPU-bb2"]),
        ("GPU-b, 0", ["GPU-bb2", "GPU-aa1"]),
        ("1,1", ["GPU-bb2"]),
        ("1,-1,2", ["GPU-bb2"]),  # as CUDA: nothing after an entry that is none
        ("1,9,2", ["GPU-bb2"]),
        ("GPU-zz", []),
        ("", []),
        ("NoDevFiles", []),  # SLURM, for a job without a GPU
    ],
)
def test_visible_devices(visible, expected):
    assert select_visible(GPUS, visible) == expected


def test_a_number_of_a_cut_gpu_means_its_slices():
    assert select_visible(parse_listing(LISTING), "1") == ["MIG-b0", "MIG-b1"]
    assert select_visible(parse_listing(LISTING), "MIG-b1") == ["MIG-b1"]


def test_without_nvidia_smi_names_are_taken_on_trust():
    assert select_visible([], "3,GPU-x") == ["3", "GPU-x"]
    assert select_visible([], "-1") == []


def test_the_least_claimed_is_taken_and_a_slot_is_given_back(tmp_path):
    with contextlib.ExitStack() as stack:
        order = [stack.enter_context(claim(["a", "b"], 2, tmp_path)) for _ in range(4)]
        assert order == ["a", "b", "a", "b"]
    with claim(["a", "b"], 2, tmp_path) as gpu:
        assert gpu == "a"


def test_claims_under_a_larger_limit_count(tmp_path):
    with (
        claim(["a"], 3, tmp_path),
        claim(["a"], 3, tmp_path),
        claim(["b", "a"], 1, tmp_path) as gpu,
    ):
        assert gpu == "b"
        assert devices._try_claim(["a"], 2, tmp_path) is None
        gpu, lock = devices._try_claim(["a", "b"], 3, tmp_path)
        assert gpu == "b"
        lock.release()


def test_many_at_once_never_share_beyond_the_limit(tmp_path, holders):
    holders += [Holder(tmp_path, 2, "a", "b") for _ in range(6)]
    deadline, got = time.monotonic() + 60, []
    while len(got) < 4 and time.monotonic() < deadline:
        got += [gpu for holder in holders if (gpu := holder.claimed(0.02))]
    got += [gpu for holder in holders if (gpu := holder.claimed(0.1))]  # a fifth would claim now
    assert Counter(got) == {"a": 2, "b": 2}


def test_kill_9_frees_a_slot_and_waiting_is_one_line(tmp_path, holders, capfd):
    holders += [Holder(tmp_path, 1, "a")]
    assert holders[0].claimed(60) == "a"
    holders += [Holder(tmp_path, 1, "a")]
    assert holders[1].claimed(0.5) is None
    os.kill(holders[0].pid, signal.SIGKILL)
    assert holders[1].claimed(60) == "a"
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("waiting for a GPU: 1 visible, each with runs_per_gpu: 1")


def test_no_gpu_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", list)
    with pytest.raises(UserError, match="no GPU here; set device: auto or cpu"):
        claimed_device("cuda", 1).__enter__()
    with claimed_device("auto", 1) as device:
        assert device == torch.device("cpu")


def test_the_process_sees_only_the_claimed_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "gpu_claims", lambda: tmp_path)
    monkeypatch.setattr(devices, "visible_gpus", lambda: ["GPU-aa1", "GPU-bb2"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with claim(["GPU-aa1"], 1, tmp_path), claimed_device("auto", 1) as device:
        assert device == torch.device("cuda")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-bb2"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="torch cannot use the GPU GPU-aa1"):
        claimed_device("cuda", 1).__enter__()


def test_the_machines_gpus_are_asked_for(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] && cat <<'E'\n{LISTING}E\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert devices.visible_gpus() == ["GPU-aa1", "GPU-cc3"]

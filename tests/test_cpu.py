"""A job's threads and its memory."""

import subprocess
import sys

import pytest
import torch

from mpssl.cpu import keep_freed_memory, prepare_cpu

FAULTS = """
import resource, sys, torch
from mpssl.cpu import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def work():
    for _ in range(5):
        [torch.ones(2**20) for _ in range(20)]  # 80 MiB at a time, then all of it is freed
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", FAULTS, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted as Linux does")
def test_freed_memory_is_used_again():
    assert faults("keep") < 2000  # of 5 x 20 x 1024 pages
    assert faults("default") > 10_000


def test_another_malloc_is_left_alone(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    keep_freed_memory()


def test_threads_are_set():
    before = torch.get_num_threads()
    try:
        prepare_cpu(before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)

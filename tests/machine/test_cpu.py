"""A job's threads and its memory."""

import ctypes
import sys
from types import SimpleNamespace

import pytest
import torch

from mpssl.machine.cpu import keep_freed_memory, prepare_cpu


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_glibc_takes_both_thresholds(monkeypatch):
    real, results = ctypes.CDLL(None).mallopt, {}

    def mallopt(parameter: int, value: int) -> int:
        results[parameter, value] = real(parameter, value)
        return results[parameter, value]

    monkeypatch.setattr("ctypes.CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    keep_freed_memory()
    # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h; 1 is success
    assert results == {(-1, 2**30): 1, (-3, 2**25): 1}


def test_another_malloc_is_left_alone(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    keep_freed_memory()


def test_a_job_has_its_threads_and_keeps_memory(monkeypatch):
    kept = []
    monkeypatch.setattr("mpssl.machine.cpu.keep_freed_memory", lambda: kept.append(True))
    before = torch.get_num_threads()
    try:
        prepare_cpu(before + 1)
        assert torch.get_num_threads() == before + 1
        assert kept
    finally:
        torch.set_num_threads(before)

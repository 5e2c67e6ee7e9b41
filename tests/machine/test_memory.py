"""The memory that a run may take: of the CPU, and of a GPU whose numbers are faked."""

import os

import pytest
import torch

from mpssl.machine.memory import free_memory

GB = 10**9


def test_a_cpu_is_shared_by_a_job_for_each_core():
    found = free_memory(torch.device("cpu")) * os.cpu_count()
    assert found == pytest.approx(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1, 50), (0.5, 36)],  # 30 free and 20 kept; half of 80, of which 4 are taken
)
def test_kept_memory_counts_as_free_and_a_share_is_a_bound(monkeypatch, share, expected):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (30 * GB, 80 * GB))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 4 * GB)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 24 * GB)
    assert free_memory(torch.device("cuda"), share) == expected * GB

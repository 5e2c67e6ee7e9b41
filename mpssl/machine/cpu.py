"""How a job uses the CPU: its threads, and the memory that it frees."""

import ctypes
from contextlib import suppress

import torch

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEEP = {_TRIM_THRESHOLD: 2**30, _MMAP_THRESHOLD: 2**25}  # 32 MiB is the most glibc takes


def prepare_cpu(threads: int) -> None:
    """Set up this process for training with so many threads."""
    torch.set_num_threads(threads)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors, up to 1 GiB, where it would give it back.

    A training step frees and takes the same sizes again and again; each time the system would map
    and clear the pages anew. Values do not change. Without glibc nothing happens.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _KEEP.items():
            mallopt(parameter, value)

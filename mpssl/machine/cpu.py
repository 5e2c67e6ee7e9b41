"""How a job uses the CPU: its threads, and the memory that it frees."""

import ctypes
from contextlib import suppress

import torch

# Parameters of mallopt in glibc's malloc.h; values are bytes, the second at most 32 MiB.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEEP = {_TRIM_THRESHOLD: 2**30, _MMAP_THRESHOLD: 2**25}


def prepare_cpu(threads: int) -> None:
    """Set up this process for training with `threads` threads."""
    torch.set_num_threads(threads)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors, up to 1 GiB, instead of returning it.

    A training step frees and allocates the same sizes again and again, and each time the system
    would map and clear the pages again. Values do not change. Without glibc nothing happens.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _KEEP.items():
            mallopt(parameter, value)

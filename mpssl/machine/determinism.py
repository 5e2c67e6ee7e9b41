"""Make training on a GPU repeat bit for bit, at a price in time; on the CPU it always does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mpssl.common.errors import UserError
from mpssl.compat.repeatable import Repeatable


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Allow only operations that repeat bit for bit inside the block, if `wanted`.

    Raises:
        UserError: PyTorch has no repeatable form of an operation.
    """
    if not wanted:
        yield
        return
    # cuBLAS reads this when CUDA starts; with other workspaces its sums do not repeat.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # slow, and nothing here reads it
    try:
        with Repeatable():
            yield
    except RuntimeError as error:
        operation, found, _ = str(error).partition(" does not have a deterministic implementation")
        if not found:
            raise
        raise UserError(
            f"training.deterministic: PyTorch cannot repeat {operation} on this device; leave out "
            "the augmentation that needs it, or set training.deterministic: false"
        ) from None
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = filled

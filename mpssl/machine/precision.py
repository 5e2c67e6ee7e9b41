"""What float32 means on a GPU: PyTorch lets convolutions round their inputs to TF32 by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

IEEE, TF32 = "ieee", "tf32"  # PyTorch's names: 24 bits of mantissa, and 11


@contextmanager
def arithmetic(precision: str, autotune: bool = False) -> Iterator[None]:
    """Inside the block a GPU computes float32 as `training.precision` says.

    Args:
        precision: with `tf32` matrix products and convolutions in float32 round their inputs to
            TF32; with every other one they are float32's own.
        autotune: whether cuDNN times its kernels for every shape, and takes the fastest.
    """
    cudnn = torch.backends.cudnn
    parts = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    before, tuned = [part.fp32_precision for part in parts], cudnn.benchmark
    try:
        for part in parts:
            part.fp32_precision = TF32 if precision == "tf32" else IEEE
        cudnn.benchmark = autotune
        yield
    finally:
        for part, value in zip(parts, before, strict=True):
            part.fp32_precision = value
        cudnn.benchmark = tuned

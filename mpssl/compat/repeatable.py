"""Two operations whose backward pass on a GPU does not repeat bit for bit, done by others that do.

Delete when: pytorch/pytorch issue 68959 (grid_sample) is closed, and the antialiased interpolation
repeats too, for which no upstream issue is known: `python -m benchmarks.determinism` says so.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._decomp.decompositions import grid_sampler_2d
from torch.overrides import TorchFunctionMode


class Repeatable(TorchFunctionMode):
    """A mode that replaces the two operations whose CUDA backward pass does not repeat.

    Both are on the way to the images' gradient. Indexing and matrix products, which repeat, replace
    them; values differ by rounding.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Replace the two operations and call all others."""
        kwargs = kwargs or {}
        if func is F.grid_sample and args[0].ndim == 4:
            return sample(*args, **kwargs)
        if func is F.interpolate and kwargs.get("antialias"):
            return resize(*args, **kwargs)
        return func(*args, **kwargs)


def sample(
    images: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Compute `F.grid_sample` of images [N, C, H, W] by indexing."""
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    return grid_sampler_2d(
        images, grid, modes.index(mode), paddings.index(padding_mode), bool(align_corners)
    )


def resize(images: Tensor, **how) -> Tensor:
    """Compute `F.interpolate` of images [N, C, H, W] as products with a matrix for each side."""
    height, width = how.pop("size") if isinstance(how["size"], tuple) else (how.pop("size"),) * 2
    return _weights(images, images.shape[2], height, how) @ (
        images @ _weights(images, images.shape[3], width, how).T
    )


@torch.no_grad()
def _weights(images: Tensor, old: int, new: int, how: dict) -> Tensor:
    """Return the weight of each of `old` pixels of a line in each of `new`: [new, old]."""
    lines = torch.eye(old, dtype=images.dtype, device=images.device)[None, None]
    return F.interpolate(lines, size=(new, old), **how)[0, 0]

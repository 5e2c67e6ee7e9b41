"""Images as one picture."""

from pathlib import Path

from PIL import Image
from torch import Tensor

from mpssl.common.files import atomic


def write_grid(path: Path, images: Tensor) -> None:
    """Write images [rows, columns, 3, S, S] in [0, 1] as one PNG."""
    rows, columns, _, side, _ = images.shape
    grid = images.permute(0, 3, 1, 4, 2).reshape(rows * side, columns * side, 3)
    pixels = (grid * 255).round().byte().cpu().numpy()
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary)

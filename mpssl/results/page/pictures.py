"""Pictures inside the page."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

LARGEST = 128  # side of a thumbnail in pixels


def data_uri(png: bytes) -> str:
    """A picture as the address of itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def of_file(path: Path) -> str:
    """The address of a PNG file."""
    return data_uri(path.read_bytes())


def of_pixels(pixels: np.ndarray) -> str:
    """The address of a picture of uint8 [H, W, 3], no larger than a thumbnail."""
    image = Image.fromarray(pixels)
    if max(image.size) > LARGEST:
        image.thumbnail((LARGEST, LARGEST))
    return _encoded(image)


def of_values(values: np.ndarray, largest: float) -> str:
    """The address of a strip, a pixel a value, from dark blue (0) to yellow (`largest`)."""
    from matplotlib import colormaps  # slow

    colours = colormaps["cividis"](np.clip(values / max(largest, 1e-12), 0, 1), bytes=True)
    return _encoded(Image.fromarray(np.atleast_3d(colours[None])[..., :3]))


def _encoded(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "png")
    return data_uri(file.getvalue())

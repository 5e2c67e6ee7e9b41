"""Pictures as a person has them, in folders of classes."""

from pathlib import Path

import numpy as np
from PIL import Image


def draw_classes(folder: Path, names=("cat", "dog"), count=10, side=12) -> Path:
    """Write `count` different pictures of noise for each class, as FOLDER/CLASS/NUMBER.png."""
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder

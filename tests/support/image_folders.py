"""Folders of pictures, and how the data set that they are is read."""

import numpy as np
from PIL import Image

from mpssl.config.data import ImageFolder
from mpssl.data.folder import list_images

PIXELS = np.random.default_rng(0)


def fill(folder, *names):
    """Files of these names; pictures hold noise, so that none are equal."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg", ".gif"):
            Image.fromarray(PIXELS.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
        else:
            path.write_text("nothing")
    return folder


def of(path, **more):
    return ImageFolder(adapter="folder", title="T", path=path, **more)


def counts(dataset) -> dict[str, tuple[int, int]]:
    """Training and test files by class."""
    train, test = list_images(dataset)[:2]
    return {name: (len(train.get(name, [])), len(test.get(name, []))) for name in train | test}


def pictures(*folders, count=5):
    return [f"{folder}/{i}.png" for folder in folders for i in range(count)]

"""Images in folders, one folder a class."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mpssl.config import Packing
from mpssl.data.store import Reading
from mpssl.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
# What Pillow raises for damaged, truncated and absurdly large images.
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def read_folder(path: Path, packing: Packing) -> Reading:
    """PATH/train/CLASS/* is the pool, PATH/test/CLASS/* the test split.

    Raises:
        UserError: a folder is missing or empty, or a test class is not a training class.
    """
    train, test = _class_folders(path / "train"), _class_folders(path / "test")
    unknown = sorted(set(test) - set(train))
    if unknown:
        raise UserError(f"{path}/test has the class '{unknown[0]}', {path}/train has not")
    classes = sorted(train)
    files: list[Path] = []
    labels: list[int] = []
    for part in (train, test):
        for label, name in enumerate(classes):
            files += part.get(name, [])
            labels += [label] * len(part.get(name, []))
    pool = sum(len(images) for images in train.values())
    return Reading(read_images(files, packing), np.array(labels), classes, pool)


def _class_folders(path: Path) -> dict[str, list[Path]]:
    """Image files by class folder, both sorted."""
    if not path.is_dir():
        raise UserError(f"the image folder {path} does not exist; expected {path}/CLASS/IMAGE.jpg")
    folders = {
        folder.name: sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)
        for folder in sorted(path.iterdir())
        if folder.is_dir()
    }
    found = {name: files for name, files in folders.items() if files}
    if not found:
        raise UserError(f"the image folder {path} has no images; expected {path}/CLASS/IMAGE.jpg")
    return found


def read_images(files: list[Path], packing: Packing) -> Iterator[np.ndarray]:
    """Each image as uint8 [size, size, 3], upright and in RGB.

    Raises:
        UserError: a file is missing or cannot be decoded.
    """
    for file in files:
        try:
            with Image.open(file) as image:
                yield np.asarray(_square(_rgb(ImageOps.exif_transpose(image)), packing))
        except FileNotFoundError:
            raise UserError(f"the image {file} does not exist") from None
        except UNREADABLE as error:
            raise UserError(
                f"the image {file} is corrupt ({error}); repair it or take it away"
            ) from None


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as 8-bit RGB. Pillow's own conversion cuts 16-bit and float values off at 255."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
    elif image.mode == "F":
        pixels = np.asarray(image)
        scale = 255 if pixels.max() <= 1 else 1
        image = Image.fromarray((pixels * scale).round().clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def _square(image: Image.Image, packing: Packing) -> Image.Image:
    size = (packing.size, packing.size)
    if packing.resize == "squash":
        return image.resize(size, Image.Resampling.BILINEAR)
    return ImageOps.fit(image, size, Image.Resampling.BILINEAR)

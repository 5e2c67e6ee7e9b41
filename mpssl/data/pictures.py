"""Open a picture of any kind as upright 8-bit RGB, and bring it to the packed square."""

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from mpssl.common.errors import UserError
from mpssl.config.data import Packing
from mpssl.data.dicom import is_dicom, open_dicom

with suppress(ImportError):  # iPhones' format, which Pillow leaves to this package
    import pillow_heif

    pillow_heif.register_heif_opener()

Result = TypeVar("Result")
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".gif", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".avifs"),
    *(".heic", ".heif", ".hif", ".dcm", ".dicom", ".ima"),
}
# Formats by content, not by suffix. Pillow's others start programs (EPS) or hold no pictures.
FORMATS = (
    *("JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "JPEG2000", "PPM"),
    *(("AVIF",) if features.check("avif") else ()),
    *(("HEIF",) if "HEIF" in Image.OPEN else ()),
)
READERS, READ_AHEAD = 2, 16  # threads, as the rule `pack_images` has; images
MOST_PIXELS = 90_000_000  # about Pillow's own bound, 270 MB as RGB
FULL_RANGE = (0, 65535)  # of integers wider than 8 bits
DARK = 1 / 8  # part of a range that is too little of it
# What a file that Pillow cannot open begins with, and what helps.
KNOWN = [
    ((b"%!PS", b"%PDF"), "a PDF or PostScript file: export it as PNG"),
    ((b"<svg", b"<?xml"), "an SVG or XML file: export it as PNG"),
    ((b"<!DOCTYPE", b"<html", b"<HTML"), "a web page, not a picture: download it again"),
    ((b"version https://git-lfs",), "a pointer of Git LFS: run git lfs pull"),
]
# The same of formats that may be in FORMATS, or not.
OPTIONAL = {
    "HEIF": (
        (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"),
        "a HEIC picture: pip install pillow-heif, or export it as JPEG",
    ),
    "AVIF": ((b"ftypavif", b"ftypavis"), "an AVIF picture: pip install --upgrade pillow"),
}


def read_images(files: list[Path], packing: Packing) -> Iterator[np.ndarray]:
    """Read images in their order, each as `read_image` does, some ahead of their use."""
    return ahead(lambda file: read_image(file, packing), files)


def ahead(work: Callable[[Path], Result], files: Iterable[Path]) -> Iterator[Result]:
    """The work on each file, in their order, done in threads and some files ahead.

    Pillow decodes and resizes without Python's lock, so threads share the work.
    """
    pool, waiting = ThreadPoolExecutor(READERS), deque()
    try:
        for file in files:
            waiting.append(pool.submit(work, file))
            if len(waiting) == READ_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def read_image(file: Path, packing: Packing) -> np.ndarray:
    """Read an image as uint8 [size, size, 3], upright and in RGB.

    Raises:
        UserError: the file is missing or cannot be decoded, or its values need a range.
    """
    return np.asarray(square(to_rgb(open_upright(file), packing, file), packing))


def open_upright(file: Path) -> Image.Image:
    """Open an image at its own size and in its own mode, upright; of several frames the first.

    Raises:
        UserError: the file is missing, not a regular file, too large, or cannot be decoded.
    """
    try:
        if file.exists() and not file.is_file():
            raise UserError(f"the image {file} is not a regular file; remove it")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return _opened(file)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"the image {file} does not exist") from None
    except Image.DecompressionBombError:
        raise UserError(
            f"the image {file} has more than {2 * Image.MAX_IMAGE_PIXELS} pixels; make it smaller "
            "or remove it"
        ) from None
    except UnidentifiedImageError:
        if is_dicom(file):
            return open_dicom(file)
        raise UserError(f"the image {file} {_unidentified(file)}") from None
    except Exception as error:  # Pillow has many exceptions for damaged files
        if isinstance(error, OSError) and error.errno is not None:
            raise UserError(f"the image {file} cannot be read: {error.strerror}") from None
        raise UserError(
            f"the image {file} is corrupt ({one_sentence(error)}); repair or remove it"
        ) from None


def _opened(file: Path) -> Image.Image:
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise UserError(
                f"the image {file} has {image.width} x {image.height} pixels, more than "
                f"{MOST_PIXELS}; make it smaller or remove it"
            )
        if image.format == "PNG":
            with Image.open(file, formats=["PNG"]) as again:
                again.verify()  # checksums, which the decoder does not check
        image.load()
        ImageOps.exif_transpose(image, in_place=True)  # without a copy of an upright image
        return image


def one_sentence(error: Exception) -> str:
    """What an exception says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _unidentified(file: Path) -> str:
    with open(file, "rb") as opened:
        head = opened.read(200)
    if not head:
        return "is empty; remove it"
    absent = [known for name, known in OPTIONAL.items() if name not in FORMATS]
    for marks, words in KNOWN + absent:
        if any(mark in head for mark in marks):
            return f"is {words}; or remove it"
    if file.suffix.lower() not in SUFFIXES:
        return "is no picture; leave it out"
    return "is corrupt (no known kind of picture); repair or remove it"


def has_alpha(image: Image.Image) -> bool:
    """Whether a part of the image may be transparent."""
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def is_wide(image: Image.Image) -> bool:
    """Whether the image has integers of more than 8 bits, or real numbers."""
    return image.mode.startswith(("I", "F"))


def values_of(image: Image.Image, file: Path) -> np.ndarray:
    """The values of a wide image, float64 [H, W].

    Raises:
        UserError: a value is not a finite number.
    """
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise UserError(
            f"the image {file} is corrupt (a pixel is not a finite number); repair or remove it"
        )
    return values


def to_rgb(image: Image.Image, packing: Packing, file: Path) -> Image.Image:
    """An image of any mode as 8-bit RGB.

    Transparent parts show `packing.background`. Wide values go from black at the lower end of
    `packing.values` to white at the upper end; without it integers have all of 16 bits, and an
    image that uses little of them is refused, as it has fewer.

    Raises:
        UserError: without `packing.values` the range is not known, or a value is no number.
    """
    if is_wide(image):
        values = values_of(image, file)
        low, high = packing.values or FULL_RANGE
        least, most = values.min(), values.max()
        fits = image.mode != "F" and least >= low and (not most or DARK * high <= most <= high)
        if packing.values is None and not fits:
            raise UserError(
                f"the image {file} has values from {least:g} to {most:g}; say in "
                "packing.values: [low, high] which are black and white, as `mpssl init` does"
            )
        grey = 255 * (values - low) / (high - low)
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if has_alpha(image):
        picture = image.convert("RGBA")
        below = Image.new("RGBA", picture.size, packing.background)
        return Image.alpha_composite(below, picture).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def square(image: Image.Image, packing: Packing) -> Image.Image:
    """An RGB image as a square of `packing.size`, by bilinear filtering with antialiasing."""
    size, filtered = (packing.size, packing.size), Image.Resampling.BILINEAR
    if packing.resize == "squash":
        return image.resize(size, filtered)
    if packing.resize == "pad":
        return ImageOps.pad(image, size, filtered, color=packing.background)
    return ImageOps.fit(image, size, filtered)

"""DICOM files as pictures, if the package pydicom is installed."""

from pathlib import Path

import numpy as np
from PIL import Image

from mpssl.common.errors import UserError

AT, MARK = 128, b"DICM"  # where its mark is, after a preamble


def is_dicom(file: Path) -> bool:
    """Whether a file has the mark of DICOM."""
    try:
        with open(file, "rb") as opened:
            return opened.read(AT + len(MARK))[AT:] == MARK
    except OSError:
        return False


def open_dicom(file: Path) -> Image.Image:
    """The first frame of a DICOM file: RGB, or a grey image of its stored values.

    Values are as the file's slope and intercept say, such as Hounsfield units, and grow with
    brightness.

    Raises:
        UserError: pydicom is not installed, or cannot read the file.
    """
    try:
        import pydicom
        from pydicom.pixels import apply_color_lut, apply_modality_lut
    except ImportError:
        raise UserError(
            f"the image {file} is a DICOM file: pip install pydicom, or export it as PNG or TIFF"
        ) from None
    try:
        content = pydicom.dcmread(file)
        pixels = content.pixel_array
        kind = content.PhotometricInterpretation
        pixels = pixels[0] if int(content.get("NumberOfFrames", 1)) > 1 else pixels
        if kind == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, content)
        elif pixels.ndim == 2:
            pixels = apply_modality_lut(pixels, content)
            if kind == "MONOCHROME1":  # the least value is white
                ends = np.array(_stored_range(content), dtype=pixels.dtype)
                pixels = apply_modality_lut(ends, content).sum() - pixels
            return _grey(pixels)
    except (AttributeError, ImportError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UserError(
            f"the image {file} is a DICOM file that pydicom cannot read ({_short(error)}); export "
            "it as PNG or TIFF"
        ) from None
    return Image.fromarray((pixels >> 8 if pixels.dtype.itemsize > 1 else pixels).astype(np.uint8))


def _stored_range(content) -> tuple[int, int]:
    """The least and greatest value that the file can store."""
    bits = int(content.BitsStored)
    return (
        (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if content.PixelRepresentation
        else (0, 2**bits - 1)
    )


def _grey(values: np.ndarray) -> Image.Image:
    """Values as integers if they are whole, else as real numbers."""
    whole = np.array_equal(values, np.round(values)) and abs(values).max(initial=0) < 2**31
    return Image.fromarray(values.astype(np.int32 if whole else np.float32))


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.partition(". ")[0][:200] or type(error).__name__

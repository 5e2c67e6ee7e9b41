"""Pictures as a person has them, in folders of classes."""

from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def draw_classes(folder: Path, names=("cat", "dog"), count=10, side=12) -> Path:
    """Write `count` different pictures of noise for each class, as FOLDER/CLASS/NUMBER.png."""
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def picture(seed, size=(40, 30)) -> Image.Image:
    """Soft blobs of colour: no two are near."""
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def put(folder: Path, **classes) -> Path:
    """A picture for each number, as CLASS/NUMBER.png."""
    for name, numbers in classes.items():
        for number in numbers:
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(number).save(path)
    return folder


def dicom(path, pixels, *, kind="MONOCHROME2", bits=None, slope=1, intercept=0, frames=1):
    """Write a DICOM file of these pixels, [H, W], [frames, H, W] or [H, W, 3]."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    content.SOPClassUID, content.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    content.PhotometricInterpretation = kind
    content.SamplesPerPixel = 3 if kind == "RGB" else 1
    if kind == "RGB":
        content.PlanarConfiguration = 0
    content.Rows, content.Columns = pixels.shape[-3:-1] if kind == "RGB" else pixels.shape[-2:]
    if frames > 1:
        content.NumberOfFrames = frames
    content.BitsAllocated = 8 * pixels.dtype.itemsize
    content.BitsStored = bits or content.BitsAllocated
    content.HighBit = content.BitsStored - 1
    content.PixelRepresentation = int(pixels.dtype.kind == "i")
    content.RescaleSlope, content.RescaleIntercept = slope, intercept
    content.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    content.save_as(path, enforce_file_format=True)
    return path

"""Packed data sets: one uint8 array a data set, read whole batches at a time."""

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mpssl.errors import UserError
from mpssl.files import atomic, read_json, write_json


@dataclass(frozen=True)
class Packed:
    """A packed data set.

    images: uint8 [N, H, W, 3], memory-mapped; labels: int64 [N] in [0, K).
    The first `pool` rows are the training pool, then comes the test split, then `unlabeled` rows
    of unlabeled images, whose label is -1.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: list[str]
    pool: int
    digest: str
    unlabeled: int = 0

    @property
    def test(self) -> np.ndarray:
        """Row numbers of the test split."""
        return np.arange(self.pool, len(self.labels) - self.unlabeled)


@dataclass(frozen=True)
class Reading:
    """A data set as its adapter reads it: images one by one, in the order of `Packed`.

    images: N arrays uint8 [size, size, 3]; labels: int [N].
    """

    images: Iterable[np.ndarray]
    labels: np.ndarray
    classes: list[str]
    pool: int
    unlabeled: int = 0


def save(folder: Path, reading: Reading, size: int) -> None:
    """Write a packed data set in one pass; meta.json comes last, so it marks a whole one.

    Raises:
        UserError: the disk has too little space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(reading.labels), size, size, 3)
    needed, free = int(np.prod(shape)), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"packing into {folder} needs {needed / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB "
            "free; free some space and run again"
        )
    digest = hashlib.sha256()
    labels = np.asarray(reading.labels, dtype=np.int64)
    with atomic(folder / "images.npy") as images_path, atomic(folder / "labels.npy") as path:
        array = np.lib.format.open_memmap(images_path, mode="w+", dtype=np.uint8, shape=shape)
        images = tqdm(reading.images, total=shape[0], disable=None)
        for row, image in zip(range(shape[0]), images, strict=True):
            array[row] = image
            digest.update(np.ascontiguousarray(image))
        array.flush()
        del array
        np.save(path, labels)
        digest.update(labels)
        (folder / "meta.json").unlink(missing_ok=True)  # from here on the old set is gone
    meta = {
        "classes": reading.classes,
        "pool": reading.pool,
        "unlabeled": reading.unlabeled,
        "digest": digest.hexdigest()[:16],
    }
    write_json(folder / "meta.json", meta)


def load(folder: Path) -> Packed:
    """Open a packed data set.

    Raises:
        UserError: a file is missing, or the files do not belong together.
    """
    remedy = "delete that folder and run snakemake again"
    try:
        meta = read_json(folder / "meta.json")
        images = np.load(folder / "images.npy", mmap_mode="r")
        labels = np.load(folder / "labels.npy")
        parts = (meta[key] for key in ("classes", "pool", "digest", "unlabeled"))
        packed = Packed(images, labels, *parts)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(
            f"the packed data set {folder} is missing or damaged ({error}); {remedy}"
        ) from None
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) != len(labels):
        raise UserError(f"the packed data set {folder} is damaged; {remedy}")
    return packed

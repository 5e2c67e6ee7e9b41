"""Packed data sets: each is one uint8 array, from which whole batches are read.

meta.json has the digest of all pixels and labels. The first process that opens the set hashes them;
later ones do so only if the file system says that a file has changed since.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mpssl.common.errors import UserError
from mpssl.common.files import atomic, read_json, read_made, verified, write_json, write_made

IMAGES, LABELS, META, VERIFIED = "images.npy", "labels.npy", "meta.json", "verified.json"
HASHED_BYTES = 1 << 24  # bytes that are read and hashed at once


@dataclass(frozen=True)
class Packed:
    """A packed data set.

    images: uint8 [N, H, W, 3], memory-mapped; labels: int64 [N] in [0, K).
    The first `pool` rows are the training pool, of which the last `validation` are D_val (0: it is
    drawn); the test split follows, then `unlabeled` rows of unlabeled images, whose label is -1.
    groups: int64 [N], the same number for images that belong together; None if none do.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: list[str]
    pool: int
    digest: str
    unlabeled: int = 0
    groups: np.ndarray | None = None
    validation: int = 0

    @property
    def test(self) -> np.ndarray:
        """The row numbers of the test split."""
        return np.arange(self.pool, len(self.labels) - self.unlabeled)


@dataclass(frozen=True)
class Reading:
    """A data set as its adapter reads it, in the order of `Packed`.

    images: N arrays uint8 [size, size, 3], which may be read one by one; labels: int [N]; groups:
    int [N], or None.
    """

    images: Iterable[np.ndarray]
    labels: np.ndarray
    classes: list[str]
    pool: int
    unlabeled: int = 0
    groups: np.ndarray | None = None
    validation: int = 0


def save(folder: Path, reading: Reading, size: int) -> None:
    """Write a packed data set in one pass; meta.json is written last and marks a complete one.

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
    with atomic(folder / IMAGES) as images_path, atomic(folder / LABELS) as path:
        images = tqdm(reading.images, total=shape[0], disable=None)
        # With a memory map a full disk would end the process without a message.
        with open(images_path, "wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for _, image in zip(range(shape[0]), images, strict=True):
                pixels = _pixels(image, shape[1:])
                file.write(pixels)
                digest.update(pixels)
        np.save(path, labels)
        digest.update(labels)
        (folder / META).unlink(missing_ok=True)  # the old set is no longer complete
    meta = _meta(reading)
    write_made(folder / META, meta | {"digest": _seal(digest, **meta)})


def load(folder: Path) -> Packed:
    """Open a packed data set, verified.

    Raises:
        UserError: a file is missing or damaged, or the files do not belong together.
    """
    try:
        meta = verified(read_json(folder / META))
        images = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / LABELS, allow_pickle=False)
        parts = (meta[key] for key in ("classes", "pool", "digest", "unlabeled"))
        groups = np.array(meta["groups"], dtype=np.int64) if "groups" in meta else None
        packed = Packed(images, labels, *parts, groups, meta.get("validation", 0))
        fits = images.ndim == 4 and images.dtype == np.uint8 and labels.dtype == np.int64
        if not fits or labels.shape != images.shape[:1]:
            raise ValueError("arrays do not belong together")
        _verify(folder, packed)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(
            f"the packed data set {folder} is missing or damaged ({error}); delete that folder and "
            "run snakemake again"
        ) from None
    return packed


def stored_digest(folder: Path) -> str | None:
    """Return the digest in a packed data set's meta.json, or None if there is no such file.

    Raises:
        UserError: meta.json is damaged.
    """
    path = folder / META
    return read_made(path)["digest"] if path.exists() else None


def _pixels(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    pixels = np.ascontiguousarray(image)
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise ValueError(f"image of {pixels.shape} {pixels.dtype}, expected {shape} uint8")
    return pixels


def _meta(data: Packed | Reading) -> dict:
    """What meta.json holds beside the digest."""
    meta = {"classes": data.classes, "pool": data.pool, "unlabeled": data.unlabeled}
    if data.groups is not None:
        meta["groups"] = data.groups.tolist()
    return meta | ({"validation": data.validation} if data.validation else {})


def _seal(pixels_and_labels, **meta) -> str:
    """Return the digest of pixels, labels and whatever else tells two data sets apart."""
    pixels_and_labels.update(json.dumps(meta, sort_keys=True).encode())
    return pixels_and_labels.hexdigest()[:16]


def _verify(folder: Path, packed: Packed) -> None:
    """Hash the arrays, unless their files have not changed since they were last hashed.

    Raises:
        ValueError: they are not those that were packed.
    """
    files = [(folder / name).stat() for name in (IMAGES, LABELS)]
    stamp = [[s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns] for s in files]
    known = {"digest": packed.digest, "stamp": stamp}
    with suppress(OSError, ValueError):
        if read_json(folder / VERIFIED) == known:
            return
    digest, step = hashlib.sha256(), max(1, HASHED_BYTES // max(1, packed.images[:1].nbytes))
    for start in range(0, len(packed.images), step):
        digest.update(np.ascontiguousarray(packed.images[start : start + step]))
    digest.update(packed.labels)
    if _seal(digest, **_meta(packed)) != packed.digest:
        raise ValueError("wrong checksum")
    with suppress(OSError):  # if the folder is read-only, every process hashes
        write_json(folder / VERIFIED, known)

"""What the official layouts of the paper's data sets are made of: images, lists and archives.

The colour of an image is its class (and whether it is of the test split), so that pixels can be
checked against labels.
"""

import functools
import gzip
import io
import random
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

A_CLASS = 10  # images of a class in the pool, of which 10 % is one; and one in the test split
IN_TEST = 500  # added to the class that the colour of a test image encodes
SIZES = ((8, 8), (12, 10), (10, 12), (12, 9))  # width, height


@dataclass(frozen=True)
class Official:
    """A data set as its authors publish it.

    files: content by path below the folder into which the archives are unpacked; `root` is the
    folder among them that holds the data set. archives: path prefixes by the archive (or single
    file) that holds them. pool, test: number of images a class.
    """

    adapter: str
    classes: list[str]
    files: dict[str, bytes]
    archives: dict[str, tuple[str, ...]] = field(default_factory=dict)
    root: str = ""
    pool: int = A_CLASS
    test: int = 1


# ------------------------------------------------------------------------------------- images


def colour(number: int) -> tuple[int, int, int]:
    """A colour for a number below 1000, one digit a channel, which JPEG does not blur."""
    return tuple(20 + 22 * (number // 10**place % 10) for place in range(3))


def number_of(image: np.ndarray) -> int:
    """The number that the colour of a uint8 [H, W, 3] image encodes."""
    digits = np.round((image.reshape(-1, 3).mean(axis=0) - 20) / 22).astype(int)
    return int(digits @ [1, 10, 100])


@functools.cache
def encoded(number: int, form: str = "JPEG", mode: str = "RGB") -> bytes:
    """A small image of the number's colour, as a file."""
    image = Image.new("RGB", SIZES[number % len(SIZES)], colour(number)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, form, **({"quality": 95, "subsampling": 0} if form == "JPEG" else {}))
    return buffer.getvalue()


def jpeg(label: int, test: bool = False) -> bytes:
    return encoded(label + IN_TEST if test else label)


# ------------------------------------------------------------------------------ lists, archives


def lines(rows: Iterable[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def mat(compress: bool = True, **variables) -> bytes:
    """A MATLAB 5 file, compressed as MATLAB writes it."""
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=compress)
    return buffer.getvalue()


def cells(names: list[str]) -> np.ndarray:
    """A 1 x K MATLAB cell array of strings."""
    array = np.empty((1, len(names)), dtype=object)
    array[0, :] = names
    return array


def structs(fields: list[str], rows: list[tuple]) -> np.ndarray:
    """A 1 x N MATLAB struct array."""
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in fields])
    for i, row in enumerate(rows):
        array[0, i] = tuple(np.uint16(v) if isinstance(v, int) else v for v in row)
    return array


def words(text: str) -> list[str]:
    return text.split()


def mixed(rows: Iterable, seed: int = 0) -> list:
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    return rows


def write(data: Official, folder: Path, images: bool = True) -> Path:
    """Write the files below `folder`, or only the lists; returns the data set's own folder."""
    made = set()
    for name, content in data.files.items():
        path = folder / name
        if not images and path.suffix.lower() in (".jpg", ".jpeg"):
            continue
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_bytes(content)
    return folder / data.root


def tar(members: dict[str, bytes], compress: bool = True) -> bytes:
    """A tar archive with entries for its folders, plain or in gzip.

    The gzip does not shrink: an archive of few colours would shrink as only a bomb does.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folders = {str(p) for name in members for p in Path(name).parents} - {"."}
        for name in sorted(folders):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    plain = buffer.getvalue()
    return gzip.compress(plain, compresslevel=0, mtime=0) if compress else plain


def packed(data: Official, plain: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The official archives and single files by name; those of `plain` as tar without gzip."""
    found = {}
    for archive, prefixes in data.archives.items():
        members = {n: c for n, c in data.files.items() if n.startswith(prefixes)}
        if list(members) == [archive]:
            found[archive] = members[archive]
        else:
            found[archive] = tar(members, compress=archive not in plain)
    return found

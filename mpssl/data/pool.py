"""A pool: images that a generator made, listed, packed, and compared with test images."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from mpssl.common.errors import UserError, nearest
from mpssl.config.data import Packing
from mpssl.config.generators import ImagePool
from mpssl.data import listing
from mpssl.data.excluded import excluded_files
from mpssl.data.parts import FilesByClass
from mpssl.data.pictures import read_images
from mpssl.data.store import Packed, Reading

MADE, SHEET = "generator.json", "sheet.png"  # what `mpssl generate` writes beside the images
FLAT = ""  # the one class of images without classes


def list_pool(pool: ImagePool) -> FilesByClass:
    """The files of a pool by its folders, numbers in their order; all are `FLAT` without folders.

    Raises:
        UserError: the folder, or a class in it, has no images, or folders and images are mixed.
    """
    if not pool.path.is_dir():
        raise UserError(
            f"the pool {pool.path} does not exist; foundation.generator.path is a folder of images"
        )
    excluded = {file.absolute() for file in excluded_files(pool.exclude)}
    folders = listing.folders_in(pool.path)
    beside = [f for f in listing.pictures_in(pool.path) if f.name != SHEET]
    if folders and beside:
        raise UserError(
            f"the pool {pool.path} has images beside its folders, such as {beside[0].name}; move "
            "them into the folder of a class"
        )
    numbered = all(folder.name.isdecimal() for folder in folders)
    folders.sort(key=lambda f: (int(f.name) if numbered else 0, f.name))
    found = {f.name: listing.list_files(f).pictures for f in folders} or {FLAT: beside}
    for name, files in found.items():
        found[name] = [file for file in files if file.absolute() not in excluded]
        if not found[name]:
            raise UserError(f"{pool.path / name} of the pool has no images; fill it or remove it")
    return found


def read_pool(pool: ImagePool, packing: Packing, size: int) -> Reading:
    """List the images of a pool; they are opened one by one later, and brought to `size`.

    Images without classes have the label -1.

    Raises:
        UserError: as `list_pool`.
    """
    files, labels, classes = kept_files(pool)
    images = read_images(files, packing.model_copy(update={"size": size}))
    if not classes:
        return Reading(images, np.full(len(files), -1), [], 0, unlabeled=len(files))
    return Reading(images, np.array(labels), classes, len(files))


def kept_files(pool: ImagePool) -> tuple[list[Path], list[int], list[str]]:
    """The files of a pool, the folder of each by its place, and the folders' names.

    Of equal files the first is taken, of equal files in two folders none.

    Raises:
        UserError: as `list_pool`.
    """
    listed = list_pool(pool)
    labels = {file: k for k, files in enumerate(listed.values()) for file in files}
    files = distinct(labels)
    if left_out := len(labels) - len(files):
        print(f"left out: {left_out} files that equal others", flush=True)
    return files, [labels[file] for file in files], [name for name in listed if name != FLAT]


def distinct(labels: dict[Path, int]) -> list[Path]:
    """The files without those that have the bytes of another, in their order."""
    sizes, equal = defaultdict(list), defaultdict(list)
    for file in labels:
        sizes[file.stat().st_size].append(file)
    for files in sizes.values():
        for file in files if len(files) > 1 else []:
            with open(file, "rb") as opened:
                equal[hashlib.file_digest(opened, "sha256").digest()].append(file)
    dropped = set()
    for files in equal.values():
        agree = len({labels[file] for file in files}) == 1
        dropped |= set(files[1:] if agree else files)
    return [file for file in labels if file not in dropped]


def leaks(pool: Packed, data: Packed) -> list[tuple[int, int]]:
    """Rows of a pool that show a test image of the data, in any size or format, and its row."""
    from mpssl.data.near import near, print_of  # slow

    def prints(images: np.ndarray) -> list:
        return [print_of(Image.fromarray(image)) for image in images]

    found = near(prints(pool.images), prints(data.images[data.test]))
    return [(row, int(data.test[place])) for row, place in found]


def class_numbers(names: list[str]) -> list[int]:
    """The numbers of a pool's classes: their names if all are numbers, else their places."""
    if all(name.isdecimal() for name in names):
        return [int(name) for name in names]
    return list(range(len(names)))


def classes_by_name(
    made: list[str], data: list[str], numbers: Iterable[int]
) -> dict[str, list[int]]:
    """The number of the generated class of the same name, for each class of the data.

    Args:
        made: names of the generated classes.
        data: names of the data's classes.
        numbers: of the generated classes, in their order.

    Raises:
        UserError: a class of the one is none of the other.
    """
    for name in data:
        if name not in made:
            raise UserError(
                f"there are no generated images for the class {name}{nearest(name, made)}; add its "
                "folder or prompt, or say in foundation.class_map which classes look like it"
            )
    for name in made:
        if name not in data:
            raise UserError(
                f"the generated class {name} is none of the data{nearest(name, data)}; rename or "
                "remove it, or say in foundation.class_map which classes look like one"
            )
    return {name: [number] for name, number in zip(made, numbers, strict=True)}

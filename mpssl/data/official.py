"""Read the paper's data sets from their official files, after verifying that none is missing."""

import zlib
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy.io.matlab import MatReadError

from mpssl.common.errors import UserError
from mpssl.config.data import ImageNet, Packing, PaperData
from mpssl.data.layouts import LISTINGS, LabeledFiles, Listing, OfficialFolder
from mpssl.data.pictures import read_images
from mpssl.data.store import Reading

SHOWN = 3  # missing images that an error names
# Exceptions that a damaged list can raise, in this package and in scipy.
DAMAGED = (OSError, ValueError, KeyError, IndexError, TypeError, NotImplementedError)
DAMAGED += (zlib.error, MatReadError)
REMEDY = "name their folder as its `path:` (docs/data.md lists them)"


def read_official(dataset: PaperData | ImageNet, packing: Packing, root: Path) -> Reading:
    """Read a data set from the folder `root` with its official files.

    Raises:
        UserError: the folder, a list or an image is missing or damaged, or the copy is partial.
    """
    listing = list_complete(dataset, root)
    images = listing.pool + listing.test
    return Reading(
        images=read_images([path for path, _ in images], packing),
        labels=np.array([label for _, label in images]),
        classes=listing.classes,
        pool=len(listing.pool),
    )


def list_files(dataset: PaperData | ImageNet, root: Path) -> Listing:
    """List the images that the official lists in the folder `root` name; none is opened.

    Raises:
        UserError: the folder or a list is missing or damaged.
    """
    folder = OfficialFolder(root)
    try:
        listing = LISTINGS[dataset.adapter](folder)
    except FileNotFoundError as error:
        raise UserError(
            f"{dataset.title}: {error.filename} does not exist; put the official files in {root}, "
            f"or {REMEDY}"
        ) from None
    except DAMAGED as error:
        raise UserError(
            f"{dataset.title}: a list in {root} is damaged: {folder.last} ({error}); "
            "fetch the official files again"
        ) from None
    for path, label in listing.pool + listing.test:
        if not 0 <= label < len(listing.classes):
            raise UserError(
                f"{dataset.title}: {path} has class number {label}, outside 0 to "
                f"{len(listing.classes) - 1}: a list in {root} is damaged; "
                "fetch the official files again"
            )
    if isinstance(dataset, ImageNet) and dataset.images_per_class is not None:
        pool = _first_of_each(listing.pool, dataset.images_per_class)
        return Listing(listing.classes, pool, listing.test)
    return listing


def list_complete(dataset: PaperData | ImageNet, root: Path) -> Listing:
    """List the images of a complete data set and refuse a partial one.

    Raises:
        UserError: sizes are wrong, or an image does not exist.
    """
    listing = list_files(dataset, root)
    problems = wrong_sizes(dataset, listing)
    files = [path for path, _ in listing.pool + listing.test]
    missing = [path for path in files if not path.is_file()]
    if missing:
        names = ", ".join(str(path.relative_to(root)) for path in missing[:SHOWN])
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        problems.append(f"{len(missing)} of {len(files)} images are missing: {names}{more}")
    if not files:
        problems.append("no images")
    if problems:
        raise UserError(
            f"{dataset.title}: {'; '.join(problems)}; files are missing from {root}: put the "
            f"official files there, or {REMEDY}"
        )
    return listing


def found_sizes(listing: Listing) -> dict[str, int]:
    """Return the numbers of pool images, test images and classes of a listing."""
    return {part: len(getattr(listing, part)) for part in ("pool", "test", "classes")}


def wrong_sizes(dataset: PaperData | ImageNet, listing: Listing) -> list[str]:
    """Name each size that is not that of the whole data set: found and expected."""
    expected = asdict(dataset.sizes())
    return [
        f"{part}: {count} found, {expected[part]} expected"
        for part, count in found_sizes(listing).items()
        if expected[part] not in (None, count)
    ]


def check(dataset: PaperData | ImageNet, root: Path) -> str:
    """Verify a folder without opening an image.

    Returns:
        The sizes that were found, and whether they are the expected ones, in words.

    Raises:
        UserError: something is missing.
    """
    listing = list_complete(dataset, root)
    expected = asdict(dataset.sizes())
    sizes = ", ".join(
        f"{part} {count} ({'as expected' if expected[part] is not None else 'expected: unknown'})"
        for part, count in found_sizes(listing).items()
    )
    total = len(listing.pool) + len(listing.test)
    return f"{dataset.title} in {root}: {sizes}; all {total} images are there"


def _first_of_each(pool: LabeledFiles, count: int) -> LabeledFiles:
    """Return the first `count` images of each class."""
    seen: Counter[int] = Counter()
    kept = []
    for file, label in pool:
        seen[label] += 1
        if seen[label] <= count:
            kept.append((file, label))
    return kept

"""Split a data set into D, D_val and D_u at one label fraction (Sec. 4.1)."""

from pathlib import Path

import numpy as np

from mpssl.common.errors import UserError
from mpssl.common.files import json_digest, read_made, write_made
from mpssl.config.data import Split
from mpssl.data.store import Packed


def split_pool(
    labels: np.ndarray,
    *,
    fraction: int,
    validation_fraction: float,
    seed: int | list[int],
    stratified: bool = False,
) -> dict[str, list[int]]:
    """Split the training pool into labeled, validation and unlabeled rows.

    First, `fraction` percent of each class is labeled and the rest is D_u. Then the labeled part is
    split into D and D_val: by class, or at random, because D_val can be smaller than the number of
    classes.

    Args:
        labels: int [N], the classes of the pool.
        fraction: labeled part of the pool in percent, 1 to 100.
        validation_fraction: part of the labeled images that goes to D_val, in (0, 1).
        seed: seed of the split; a list of numbers is one too.
        stratified: take D_val by class, and never the last image of one.

    Returns:
        Sorted row numbers under `labeled`, `validation` and `unlabeled`: disjoint and covering.

    Raises:
        UserError: a class would have no labeled image, or D or D_val would be empty.
    """
    rng = np.random.default_rng(seed)
    classes = np.unique(labels)
    by_class = [rng.permutation(np.flatnonzero(labels == label)) for label in classes]
    counts = _largest_remainders([len(rows) * fraction / 100 for rows in by_class])
    if min(counts) == 0:
        poorest = classes[int(np.argmin(counts))]
        raise UserError(
            f"too few samples: {fraction} % of the pool leaves class {poorest} without a labeled "
            f"image; use a larger label fraction or more images of that class"
        )
    labeled = np.concatenate([rows[:n] for rows, n in zip(by_class, counts, strict=True)])
    unlabeled = np.concatenate([rows[n:] for rows, n in zip(by_class, counts, strict=True)])
    n_validation = round(len(labeled) * validation_fraction)
    if n_validation == 0 or n_validation == len(labeled):
        raise UserError(
            f"too few samples: {len(labeled)} labeled images cannot be split into training and "
            f"validation by {validation_fraction}; use a larger label fraction"
        )
    labeled = rng.permutation(labeled)
    if stratified:
        labeled = _validation_first(labeled, labels)
    return {
        "labeled": sorted(labeled[n_validation:].tolist()),
        "validation": sorted(labeled[:n_validation].tolist()),
        "unlabeled": sorted(unlabeled.tolist()),
    }


def _validation_first(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Order rows so that the first of them hold the classes in proportion.

    The last row of each class comes after all others, so that rows taken from the front leave each
    class one as long as possible.
    """
    place = np.empty(len(rows))
    for label in np.unique(labels[rows]):
        members = np.flatnonzero(labels[rows] == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
        place[members[-1]] = 1
    return rows[np.argsort(place, kind="stable")]


def _largest_remainders(shares: list[float]) -> list[int]:
    """Return the whole numbers nearest to `shares` that keep their rounded sum."""
    shares_ = np.asarray(shares)
    floors = np.floor(shares_).astype(int)
    short = round(shares_.sum()) - floors.sum()
    order = np.argsort(-(shares_ - floors), kind="stable")
    floors[order[:short]] += 1
    return floors.tolist()


def write_split(path: Path, packed: Packed, fraction: int, settings: Split, seed: int = 0) -> None:
    """Split a packed data set's pool and write the rows as JSON, with a digest of them.

    `seed` is that of the runs; it counts if they have splits of their own.

    Raises:
        UserError: too few images for the split.
    """
    parts = split_pool(
        packed.labels[: packed.pool],
        fraction=fraction,
        validation_fraction=settings.validation_fraction,
        seed=settings.seed if settings.drawn_for == "experiment" else [settings.seed, seed],
        stratified=settings.validation == "stratified",
    )
    first = len(packed.labels) - packed.unlabeled
    parts["unlabeled"] += range(first, len(packed.labels))
    digest = json_digest([packed.digest, parts])
    write_made(path, {"data": packed.digest, "digest": digest, **parts}, indent=None)


def read_split(path: Path, packed: Packed) -> dict:
    """Read the split of a packed data set, verified.

    Returns:
        Row numbers under `labeled`, `validation` and `unlabeled`, and the split's `digest`.

    Raises:
        UserError: the file is missing or damaged, or belongs to another packed data set.
    """
    split = read_made(path)
    if split["data"] != packed.digest:
        raise UserError(
            f"{path} is a split of other data (digest {split['data']}, packed is {packed.digest}); "
            "delete it and run snakemake again"
        )
    return split

"""Split a data set into D, D_val and D_u at one label fraction (Sec. 4.1)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mpssl.common.errors import UserError
from mpssl.common.files import json_digest, read_made, write_made
from mpssl.config.data import Split
from mpssl.data.groups import take_whole
from mpssl.data.store import Packed


def split_pool(
    labels: np.ndarray,
    *,
    fraction: int,
    validation_fraction: float | None,
    seed: int | list[int],
    stratified: bool = False,
    groups: np.ndarray | None = None,
) -> dict[str, list[int]]:
    """Split the training pool into labeled, validation and unlabeled rows.

    First, `fraction` percent of each class is labeled and the rest is D_u. Then the labeled part is
    split into D and D_val: by class, or at random, because D_val can be smaller than the number of
    classes. The last image of a class goes to D_val only if D_val is random and nothing else is
    left. Groups stay whole; then the parts are only about as large, and D_val is taken by class.

    Args:
        labels: int [N], the classes of the pool.
        fraction: labeled part of the pool in percent, 1 to 100.
        validation_fraction: part of the labeled images that goes to D_val, in (0, 1); None: D_val
            is given and not in the pool.
        seed: seed of the split; a list of numbers is one too.
        stratified: take D_val by class.
        groups: int [N], the same number for rows that belong together.

    Returns:
        Sorted row numbers under `labeled`, `validation` and `unlabeled`: disjoint and covering.

    Raises:
        UserError: a class would have no labeled image, or D or D_val would be empty.
    """
    rng = np.random.default_rng(seed)
    labeled = _labeled(labels, fraction, groups, rng)
    validation = np.array([], dtype=np.int64)
    if validation_fraction is not None:
        validation = _validation(labels, labeled, validation_fraction, stratified, groups, rng)
    return {
        "labeled": np.setdiff1d(labeled, validation).tolist(),
        "validation": np.sort(validation).tolist(),
        "unlabeled": np.setdiff1d(np.arange(len(labels)), labeled).tolist(),
    }


def _labeled(
    labels: np.ndarray, fraction: int, groups: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """The rows that are labeled: `fraction` percent of each class."""
    classes, labels = np.unique(labels, return_inverse=True)
    by_class = [np.flatnonzero(labels == label) for label in range(len(classes))]
    counts = _largest_remainders([len(rows) * fraction / 100 for rows in by_class])
    if min(counts) == 0:
        poorest = classes[int(np.argmin(counts))]
        raise UserError(
            f"too few samples: {fraction} % of the pool leaves class {poorest} without a labeled "
            f"image; use a larger label fraction or more images of that class"
        )
    if groups is None:
        orders = [rng.permutation(rows) for rows in by_class]
        return np.concatenate([rows[:n] for rows, n in zip(orders, counts, strict=True)])
    if fraction == 100:
        return np.arange(len(labels))
    taken = take_whole(labels, groups, np.array(counts), rng.permutation, leave_one=False)
    return np.flatnonzero(taken)


def _validation(
    labels: np.ndarray,
    labeled: np.ndarray,
    fraction: float,
    stratified: bool,
    groups: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """The labeled rows that are for validation."""
    classes, of_labeled = np.unique(labels[labeled], return_inverse=True)
    count, kept = round(len(labeled) * fraction), len(classes) if stratified else 0
    count = min(count, len(labeled) - kept)
    if count == 0 or count == len(labeled):
        one_each = f", of which training keeps {kept}, one a class," if kept else ""
        raise UserError(
            f"too few samples: {len(labeled)} labeled images{one_each} cannot be split into "
            f"training and validation by {fraction}; use a larger label fraction or more images"
        )
    if groups is None:
        return _validation_first(rng.permutation(labeled), labels, stratified)[:count]
    wanted = np.array(_largest_remainders(np.bincount(of_labeled) * fraction))
    taken = take_whole(of_labeled, groups[labeled], wanted, rng.permutation)
    if not taken.any():
        raise UserError(
            f"too few groups: the {len(labeled)} labeled images cannot be split into training and "
            "validation by whole groups, as training keeps one of each class; use a larger label "
            "fraction or smaller groups"
        )
    return labeled[taken]


def _validation_first(rows: np.ndarray, labels: np.ndarray, stratified: bool) -> np.ndarray:
    """Order rows so that those for validation come first, and the last of each class at the end.

    If `stratified`, the first rows hold the classes in proportion; else they are as they come.
    """
    place = np.zeros(len(rows))
    for label in np.unique(labels[rows]):
        members = np.flatnonzero(labels[rows] == label)
        if stratified:
            place[members] = (np.arange(len(members)) + 0.5) / len(members)
        place[members[-1]] = 1
    return rows[np.argsort(place, kind="stable")]


def _largest_remainders(shares: Sequence[float]) -> list[int]:
    """Return the whole numbers nearest to `shares` that keep their rounded sum."""
    shares_ = np.asarray(shares)
    floors = np.floor(shares_).astype(int)
    short = round(shares_.sum()) - floors.sum()
    order = np.argsort(-(shares_ - floors), kind="stable")
    floors[order[:short]] += 1
    return floors.tolist()


def write_split(path: Path, packed: Packed, fraction: int, settings: Split, seed: int = 0) -> None:
    """Split a packed data set's pool and write the rows as JSON, with a digest of them.

    If D_val is given, the other rows of the pool are split into D and D_u. `seed` is that of the
    runs; it counts if they have splits of their own.

    Raises:
        UserError: too few images for the split.
    """
    drawn = packed.pool - packed.validation
    parts = split_pool(
        packed.labels[:drawn],
        fraction=fraction,
        validation_fraction=None if packed.validation else settings.validation_fraction,
        seed=settings.seed if settings.drawn_for == "experiment" else [settings.seed, seed],
        stratified=settings.validation == "stratified",
        groups=None if packed.groups is None else packed.groups[:drawn],
    )
    parts["validation"] += range(drawn, packed.pool)
    parts["unlabeled"] += _more_unlabeled(packed, parts["validation"])
    digest = json_digest([packed.digest, parts])
    write_made(path, {"data": packed.digest, "digest": digest, **parts}, indent=None)


def _more_unlabeled(packed: Packed, validation: list[int]) -> list[int]:
    """Rows of the data set's own unlabeled images, without those in a group of D_val."""
    rows = np.arange(len(packed.labels) - packed.unlabeled, len(packed.labels))
    if packed.groups is not None:
        rows = rows[~np.isin(packed.groups[rows], packed.groups[validation])]
    return rows.tolist()


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

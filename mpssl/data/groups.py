"""Pictures that belong together, as those of one patient: no split divides them."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from mpssl.common.errors import UserError

Groups = dict[Path, str]  # the group of each file that has one


def named_by(pattern: str, files: Iterable[Path], folder: Path) -> Groups:
    """The group of each file: what a regular expression finds in its path below `folder`.

    Of an expression with parentheses, the groups are what these find.
    """
    expression, found = re.compile(pattern), {}
    for file in files:
        match = expression.search(_below(file, folder))
        parts = (match.groups() or (match.group(),)) if match else ()
        if any(parts):
            found[file] = "/".join(part or "" for part in parts)
    return found


def _below(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.as_posix()


def refuse_nameless(pattern: str, files: list[Path], groups: Groups) -> None:
    """Raise UserError if the expression finds nothing in a labeled file's path."""
    nameless = [file for file in files if file not in groups]
    if nameless:
        raise UserError(
            f"group_by: '{pattern}' finds nothing in {len(nameless)} of {len(files)} paths, such "
            f"as {nameless[0]}; mend the expression"
        )


def numbered(files: list[Path], groups: Groups) -> np.ndarray | None:
    """The groups of files as numbers, int64 [N]; a file without one is a group of its own.

    None if no file has a group.
    """
    if not groups:
        return None
    numbers: dict[str | Path, int] = {}
    keys = keys_of(files, groups)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def keys_of(files: list[Path], groups: Groups) -> list[str | Path]:
    """The group of each file; a file without one is a group of its own."""
    return [groups.get(file, file) for file in files]


def take_whole(
    labels: np.ndarray,
    groups: np.ndarray,
    wanted: np.ndarray,
    order_of: Callable[[int], Sequence[int]],
    leave_one: bool = True,
) -> np.ndarray:
    """Choose whole groups that have about as many rows of each class as wanted.

    Groups come in an order, and one is taken if it brings the numbers nearer to the wanted
    ones. A class of which one is wanted and none was taken then gets its smallest group.

    Args:
        labels, groups: int [N], numbers from 0.
        wanted: int [K], rows of each class.
        order_of: puts so many groups into an order, as a generator's `permutation` does.
        leave_one: never take a group that has the last rows of a class.

    Returns:
        bool [N], whether a row is taken.
    """
    _, groups = np.unique(groups, return_inverse=True)
    rows = np.zeros((groups.max(initial=-1) + 1, len(wanted)), dtype=np.int64)
    np.add.at(rows, (groups, labels), 1)
    taken = np.zeros(len(rows), dtype=bool)
    short, left = np.array(wanted, dtype=np.int64), rows.sum(axis=0)

    def may_go(group: int) -> bool:
        return not leave_one or bool((left - rows[group])[rows[group] > 0].all())

    def take(group: int) -> None:
        taken[group] = True
        short[:], left[:] = short - rows[group], left - rows[group]

    order = order_of(len(rows))
    for group in order:
        if abs(short - rows[group]).sum() < abs(short).sum() and may_go(group):
            take(group)
    for label in np.flatnonzero(wanted):
        if rows[taken, label].any():
            continue
        free = [g for g in order if rows[g, label] and not taken[g] and may_go(g)]
        if free:
            take(min(free, key=lambda group: rows[group].sum()))
    return taken[groups]

"""The list of images to leave out: excluded.csv, with paths that start at the data's folders."""

import os
from collections.abc import Iterable
from pathlib import Path

from mpssl.common.errors import UserError, one_line
from mpssl.common.files import csv_text, write_text
from mpssl.config.data import ImageFolder
from mpssl.data import lists

COLUMNS = ("file", "place", "reason")


def same(file: Path) -> str:
    """What two paths of one file share."""
    return os.path.abspath(file)


def folders(dataset: ImageFolder) -> dict[str, Path]:
    """The folders that relative paths start at, by the key that names them.

    Raises:
        UserError: the data set has a root, but no list whose paths start there.
    """
    root = dataset.root
    places = {"path": dataset.path, "test": dataset.test, "unlabeled": dataset.unlabeled}
    places = {key: place for key, place in places.items() if place is not None}
    if root is not None and not any(map(lists.is_list, places.values())):
        raise UserError(f"the root {root} is for the paths of a CSV; {dataset.path} is none")
    return {
        key: root or place.parent if lists.is_list(place) else place
        for key, place in places.items()
    }


def read_excluded(dataset: ImageFolder) -> dict[str, str]:
    """What `same` gives for the files to leave out, each with the line that says so.

    Raises:
        UserError: the list cannot be read, or a line names a place that the data set has not.
    """
    path, found, places = dataset.exclude, {}, folders(dataset)
    if path is None:
        return found
    for number, row in enumerate(lists.rows(path, {"file"}), start=2):
        place = (row.get("place") or "").strip() or "path"
        if place not in places:
            found = f"{path}, line {number}: the place is '{place}'"
            raise UserError(one_line(f"{found}; this data set has {', '.join(places)}"))
        found[same(places[place] / row["file"])] = f"{path}, line {number}: {row['file']}"
    return found


def excluded_files(path: Path | None) -> set[Path]:
    """The files that a list of files to leave out names, which starts nowhere.

    Raises:
        UserError: the list cannot be read.
    """
    return set() if path is None else {Path(row["file"]) for row in lists.rows(path, {"file"})}


def refuse_unknown(excluded: dict[str, str], listed: Iterable[Path], dataset: ImageFolder) -> None:
    """Raise UserError if a line of the list matches no file of the data set."""
    unknown = set(excluded) - {same(file) for file in listed} if excluded else ()
    if unknown:
        line = next(line for file, line in excluded.items() if file in unknown)
        where = ", ".join(f"{key} at {folder}" for key, folder in folders(dataset).items())
        wrong = f"{line} is no image of {dataset.title} ({where}); mend or remove the line"
        raise UserError(one_line(wrong))


def add_excluded(path: Path, dataset: ImageFolder, reasons: dict[Path, str]) -> None:
    """Add files and the reasons to leave them out to the list; it is made if it is not there."""
    old = lists.rows(path, {"file"}) if path.exists() else []
    new = [_row(file, reason, folders(dataset)) for file, reason in reasons.items()]
    write_text(path, csv_text(old + new, COLUMNS))


def _row(file: Path, reason: str, places: dict[str, Path]) -> dict[str, str]:
    inside = [key for key, folder in places.items() if file.is_relative_to(folder)]
    if not inside:
        return {"file": str(file.absolute()), "place": "path", "reason": reason}
    return {"file": str(file.relative_to(places[inside[0]])), "place": inside[0], "reason": reason}

"""Lists of files, such as CSVs of path and label, separated by commas, semicolons or tabs."""

import csv
from dataclasses import dataclass
from pathlib import Path

from mpssl.common.errors import UserError, one_line
from mpssl.data import listing


@dataclass(frozen=True)
class Line:
    """A labeled file of a list."""

    file: Path
    label: str
    part: str | None
    """Of `listing.PARTS`; None if the list has no column `split`, or nothing in it."""
    group: str | None
    """Name that the files share which belong together; None if the list does not say one."""


def is_list(path: Path) -> bool:
    """Whether a place is a list of files, not a folder."""
    return path.suffix.lower() in (".csv", ".tsv")


def labeled_lines(path: Path, root: Path) -> list[Line]:
    """The lines of a list of path and label; relative paths start at `root`.

    Raises:
        UserError: a line or a column is missing, or no file of the list is there.
    """
    found = []
    named = {name: part for part, names in listing.PARTS.items() for name in names}
    for number, row in enumerate(rows(path, {"path", "label"}), start=2):
        label, word = (row["label"] or "").strip(), (row.get("split") or "").strip().lower()
        if not row["path"] or not label:
            raise UserError(f"{path}, line {number}: a path or a label is empty")
        if word and word not in named:
            wrong = f"{path}, line {number}: the split is '{word}'"
            raise UserError(one_line(f"{wrong}; expected train, test or validation"))
        group = (row.get("group") or "").strip() or None
        found.append(Line(_file_of(root, row["path"]), label, named.get(word), group))
    _some_are_there(path, root, [line.file for line in found])
    return found


def listed_files(path: Path, root: Path) -> list[Path]:
    """The files of a list with the column `path`, in its order; relative paths start at `root`.

    Raises:
        UserError: the column is missing, or no file of the list is there.
    """
    files = [_file_of(root, row["path"]) for row in rows(path, {"path"})]
    _some_are_there(path, root, files)
    return files


def _file_of(root: Path, name: str) -> Path:
    """The file that a line of a list names; Windows writes its paths with backslashes."""
    file = root / name.strip()
    if "\\" in name and not file.exists():
        return root / name.strip().replace("\\", "/")
    return file


def _some_are_there(path: Path, root: Path, files: list[Path]) -> None:
    """Raise UserError if no file of a list exists; single ones are named when they are read."""
    if files and not any(file.exists() for file in files):
        reason = "is a web address" if ":/" in str(files[0]) else "is not there"
        wrong = f"none of the {len(files)} files of {path} exists; the first, {files[0]}, {reason}"
        raise UserError(one_line(f"{wrong}; relative paths start at {root}"))


def rows(path: Path, columns: set[str]) -> list[dict[str, str]]:
    """Read the lines of a list, and check that it has the columns.

    Raises:
        UserError: it cannot be read, or a column is missing, in all lines or in one.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            separator = max(",;\t", key=first.count)
            reader = csv.DictReader(file, delimiter=separator)
            names = list(reader.fieldnames or [])
            found = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    missing = sorted(columns - set(names))
    if missing:
        raise UserError(one_line(_without_column(path, missing[0], names, found)))
    for number, row in enumerate(found, start=2):
        if any(row[column] is None for column in columns):
            raise UserError(f"{path}, line {number}: a column is missing")
    return found


def _without_column(path: Path, missing: str, names: list[str], lines: list[dict]) -> str:
    found = f"{path} has no column '{missing}' in its first line"
    if names:
        found += f"; its columns are {', '.join(names)}"
    flags = [
        n for n in names if lines and all((row[n] or "").strip() in ("0", "1") for row in lines)
    ]
    if missing == "label" and len(flags) > 1:
        found += f"; {', '.join(flags)} say by 0 and 1 which classes hold: write one label a line"
    return found

"""Lists of files, such as CSVs of path and label, separated by commas, semicolons or tabs."""

import csv
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mpssl.common.errors import UserError, one_line
from mpssl.data import listing

REASONS = 3  # why files are not there, that are named


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
    found: list[Line] = []
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
    _some_are_there(path, root)
    _one_label_a_line(path, {line.label for line in found})
    return found


def listed_files(path: Path, root: Path) -> list[Path]:
    """The files of a list with the column `path`, in its order; relative paths start at `root`.

    Raises:
        UserError: the column is missing, or no file of the list is there.
    """
    files = [_file_of(root, row["path"]) for row in rows(path, {"path"})]
    _some_are_there(path, root)
    return files


def _file_of(root: Path, name: str) -> Path:
    """The file that a line of a list names; Windows writes its paths with backslashes."""
    file = root / name.strip()
    if "\\" in name and not file.exists():
        file = root / name.strip().replace("\\", "/")
    return Path(os.path.normpath(file))  # two ways to name a file are one file


def _some_are_there(path: Path, root: Path) -> None:
    """Raise UserError if no file of a list exists; single ones are named when they are read."""
    lines = rows(path, {"path"})
    if any(_file_of(root, row["path"]).exists() for row in lines):
        return
    if not lines:
        raise UserError(f"{path} has no lines below the first")
    reasons = Counter(_why_absent(root, row["path"].strip()) for row in lines)
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(REASONS))
    wrong = f"none of the {len(lines)} files of {path} exists: {why}; the first is "
    wrong += f"'{lines[0]['path']}', relative paths start at {root}"
    raise UserError(one_line(f"{wrong}, and the columns are {', '.join(filter(None, lines[0]))}"))


def _why_absent(root: Path, name: str) -> str:
    """Why a file of a list is not there, and what helps."""
    name = name.replace("\\", "/")
    if "://" in name:
        return "are web addresses (download them)"
    if re.match("[A-Za-z]:/", name):
        return "are paths of Windows (remove the drive, say --root)"
    bases = [] if os.path.isabs(name) else [*root.absolute().parents, Path.cwd()]
    for base in bases:
        if (base / name).exists():
            return f"are there below {base} (--root {base})"
    first, _, rest = name.partition("/")
    if rest and (root / rest).exists():
        return f"are there without '{first}/' in front (remove it)"
    for suffix in sorted(listing.SUFFIXES) if not Path(name).suffix else ():
        if (root / f"{name}{suffix}").exists():
            return f"are without extension (add {suffix})"
    return "are not there"


def _one_label_a_line(path: Path, labels: set[str]) -> None:
    """Raise UserError if a label is several others."""
    for label in sorted(labels):
        parts = [part.strip() for part in re.split("[|;,]", label) if part.strip()]
        if len(parts) > 1 and labels.issuperset(parts):
            wrong = f"{path}: the label '{label}' is {' and '.join(parts)}; write one label a line"
            raise UserError(one_line(wrong))


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
            reader.fieldnames = names = [name.strip() for name in reader.fieldnames or []]
            found = list(reader)
    except UnicodeDecodeError:
        raise UserError(f"cannot read {path}: it is not UTF-8; save it as UTF-8") from None
    except (OSError, csv.Error) as error:
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

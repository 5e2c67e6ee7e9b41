"""Read the user's own images: one folder for each class, or a CSV of paths and labels."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from mpssl.common.errors import UserError, nearest
from mpssl.config.data import ImageFolder, Packing
from mpssl.data import listing
from mpssl.data.pictures import read_images
from mpssl.data.store import Reading

FilesByClass = dict[str, list[Path]]  # classes and files are sorted


def read_folder(dataset: ImageFolder, packing: Packing) -> Reading:
    """List the pool, the test split and the unlabeled images; they are opened one by one later.

    Raises:
        UserError: as `list_images`, or there is one class only.
    """
    train, test, unlabeled = list_images(dataset)
    classes = sorted(train)
    if len(classes) < 2:
        raise UserError(f"{dataset.title} has the class '{classes[0]}' only; two are needed")
    files: list[Path] = []
    labels: list[int] = []
    for part in (train, test):
        for label, name in enumerate(classes):
            files += part.get(name, [])
            labels += [label] * len(part.get(name, []))
    files, labels = files + unlabeled, labels + [-1] * len(unlabeled)
    pool = sum(map(len, train.values()))
    return Reading(read_images(files, packing), np.array(labels), classes, pool, len(unlabeled))


def list_images(dataset: ImageFolder) -> tuple[FilesByClass, FilesByClass, list[Path]]:
    """List training files and test files by class, and the unlabeled files.

    Raises:
        UserError: files are missing, none are left for training or for the test, or a test class is
            not a training class.
    """
    excluded = excluded_files(dataset.exclude)
    train, test = list_parts(dataset)
    if test is None:
        train, test = hold_out(_without(train, excluded), dataset.test_fraction, dataset.seed)
    train, test = _without(train, excluded), _without(test, excluded)
    for name, part in (("training", train), ("test", test)):
        if not part:
            raise UserError(f"{dataset.title}: no image is left for {name}; more are needed")
    unknown = sorted(set(test) - set(train))
    if unknown:
        raise UserError(
            f"{dataset.title}: no training image has the test class '{unknown[0]}'"
            f"{nearest(unknown[0], train)}"
        )
    unlabeled = []
    if dataset.unlabeled is not None:
        labeled = {f.absolute() for part in (train, test) for files in part.values() for f in files}
        listed = list_unlabeled(dataset.unlabeled)
        unlabeled = [f for f in listed if f not in excluded and f.absolute() not in labeled]
    return train, test, unlabeled


def layout(dataset: ImageFolder) -> str:
    """How the folders were understood, in one line; nothing if they are folders of classes."""
    if is_list(dataset.path):
        return ""
    parts = listing.parts_of(dataset.path)
    if not parts:
        return ""
    names = {part: folder.name for part, folder in parts.items()}
    said = [f"training: {names['train']}"]
    if dataset.test is None:
        test = names.get("test") or names.get("validation")
        said.append(f"test: {test or 'held out of ' + names['train']}")
        if "validation" in names and "test" in names:
            said[0] += f" and {names['validation']}"
    return "; ".join(said)


def other_files(dataset: ImageFolder) -> Counter:
    """The number of files in the data set's folders that are no pictures, by suffix."""
    places = (dataset.path, dataset.test, dataset.unlabeled)
    folders = [place for place in places if place is not None and place.is_dir()]
    return sum((listing.list_files(folder).others for folder in folders), Counter())


def list_parts(dataset: ImageFolder) -> tuple[FilesByClass, FilesByClass | None]:
    """List training and test files by class; no test files if these are to be held out.

    A folder of validation images holds the test images if there are no others; else they are for
    training.

    Raises:
        UserError: there is no such folder or file, or no image in it.
    """
    parts = {} if is_list(dataset.path) else listing.parts_of(dataset.path)
    if dataset.test is not None:
        return list_labeled(parts.get("train", dataset.path)), list_labeled(dataset.test)
    if is_list(dataset.path):
        return from_list(dataset.path)
    if not parts:
        return list_labeled(dataset.path), None
    return _train_and_test({part: list_labeled(folder) for part, folder in parts.items()})


def _train_and_test(parts: dict[str, FilesByClass]) -> tuple[FilesByClass, FilesByClass | None]:
    """Training and test files of the parts of `listing.PARTS`; no test files if none are given."""
    test = parts.pop("test", None) or parts.pop("validation", None)
    train: FilesByClass = defaultdict(list)
    for files in parts.values():
        for name in files:
            train[name] += files[name]
    # A file that is listed twice with one label is one file.
    whole = [{n: sorted(set(part[n])) for n in sorted(part)} for part in (train, test or {})]
    return whole[0], whole[1] or None


def hold_out(files: FilesByClass, fraction: float, seed: int) -> tuple[FilesByClass, FilesByClass]:
    """Split each class at random into training and test files.

    A class of two or more images has at least one of them in each part; a single image is for
    training.
    """
    rng = np.random.default_rng(seed)
    train, test = {}, {}
    for name in sorted(files):
        order = rng.permutation(len(files[name]))
        count = min(max(1, round(len(order) * fraction)), len(order) - 1)
        train[name] = sorted(files[name][i] for i in order[count:])
        test[name] = sorted(files[name][i] for i in order[:count])
    return train, {name: part for name, part in test.items() if part}


def list_labeled(path: Path) -> FilesByClass:
    """List image files by class, from a folder of class folders or from a CSV.

    Raises:
        UserError: there is no such folder or file, or no image in it.
    """
    if is_list(path):
        train, test = from_list(path)
        if test is not None:
            raise UserError(f"{path} has test images of its own in the column split")
        return train
    found = {f.name: listing.list_files(f).pictures for f in listing.class_folders(path)}
    found = {name: files for name, files in found.items() if files}
    if not found:
        raise UserError(f"the image folder {path} has no images; expected {path}/CLASS/IMAGE.jpg")
    return found


def list_unlabeled(path: Path) -> list[Path]:
    """List the image files at any depth of a folder, sorted.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    files = listing.list_files(path).pictures if path.is_dir() else []
    if not files:
        raise UserError(f"the folder of unlabeled images {path} does not exist or has no images")
    return files


def is_list(path: Path) -> bool:
    """Whether a place is a list of files, not a folder."""
    return path.suffix.lower() in (".csv", ".tsv")


def from_list(path: Path) -> tuple[FilesByClass, FilesByClass | None]:
    """List the training and test files of a CSV, whose relative paths start at its own folder.

    Without a column `split` there are no test files. Its validation images are for training if
    there are test images, else they are the test images.

    Raises:
        UserError: a line or a column is missing, or no file of the list is there.
    """
    found: dict[str, FilesByClass] = defaultdict(lambda: defaultdict(list))
    named = {name: part for part, names in listing.PARTS.items() for name in names}
    for number, row in enumerate(_rows(path, {"path", "label"}), start=2):
        if not row["path"] or not (row["label"] or "").strip():
            raise UserError(f"{path}, line {number}: a path or a label is empty")
        word = (row.get("split") or "train").strip().lower()
        if word not in named:
            raise UserError(
                f"{path}, line {number}: the split is '{word}'; expected train, test or validation"
            )
        found[named[word]][row["label"].strip()].append(_file_of(path, row["path"]))
    _some_are_there(path, [f for part in found.values() for files in part.values() for f in files])
    return _train_and_test(found)


def listed_files(path: Path) -> list[Path]:
    """The files of a list with the column `path`, in its order.

    Raises:
        UserError: the column is missing, or no file of the list is there.
    """
    files = [_file_of(path, row["path"]) for row in _rows(path, {"path"})]
    _some_are_there(path, files)
    return files


def _file_of(path: Path, name: str) -> Path:
    """The file that a line of a list names; Windows writes its paths with backslashes."""
    file = path.parent / name.strip()
    if "\\" in name and not file.exists():
        return path.parent / name.strip().replace("\\", "/")
    return file


def _some_are_there(path: Path, files: list[Path]) -> None:
    """Raise UserError if no file of a list exists; single ones are named when they are read."""
    if files and not any(file.exists() for file in files):
        reason = "is a web address" if ":/" in str(files[0]) else "is not there"
        raise UserError(
            f"none of the {len(files)} files of {path} exists; the first, {files[0]}, {reason}; "
            f"relative paths start at {path.parent}"
        )


def excluded_files(path: Path | None) -> set[Path]:
    """The files that a list of files to leave out names.

    Raises:
        UserError: the list cannot be read.
    """
    return set() if path is None else {Path(row["file"]) for row in _rows(path, {"file"})}


def _rows(path: Path, columns: set[str]) -> list[dict[str, str]]:
    """Read the lines of a list, separated by commas, semicolons or tabs, and check the columns."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            separator = max(",;\t", key=first.count)
            reader = csv.DictReader(file, delimiter=separator)
            names = list(reader.fieldnames or [])
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    missing = sorted(columns - set(names))
    if missing:
        raise UserError(_without_column(path, missing[0], names, rows))
    for number, row in enumerate(rows, start=2):
        if any(row[column] is None for column in columns):
            raise UserError(f"{path}, line {number}: a column is missing")
    return rows


def _without_column(path: Path, missing: str, names: list[str], rows: list[dict]) -> str:
    found = f"{path} has no column '{missing}' in its first line"
    if names:
        found += f"; its columns are {', '.join(names)}"
    flags = [n for n in names if rows and all((row[n] or "").strip() in ("0", "1") for row in rows)]
    if missing == "label" and len(flags) > 1:
        found += f"; {', '.join(flags)} say by 0 and 1 which classes hold: write one label a line"
    return found


def _without(files: FilesByClass, excluded: set[Path]) -> FilesByClass:
    kept = {name: [f for f in part if f not in excluded] for name, part in files.items()}
    return {name: part for name, part in kept.items() if part}

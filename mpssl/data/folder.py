"""Read the user's own images: one folder for each class, or a CSV of paths and labels."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from mpssl.common.errors import UserError
from mpssl.config.data import ImageFolder, Packing
from mpssl.data.pictures import SUFFIXES, read_images
from mpssl.data.store import Reading

FilesByClass = dict[str, list[Path]]  # classes and files are sorted


def read_folder(dataset: ImageFolder, packing: Packing) -> Reading:
    """List the pool, the test split and the unlabeled images; they are opened one by one later.

    Raises:
        UserError: files are missing, or a test class is not a training class.
    """
    train, test, unlabeled = list_images(dataset)
    unknown = sorted(set(test) - set(train))
    if unknown:
        raise UserError(f"{dataset.title}: no training image has the test class '{unknown[0]}'")
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
        UserError: files are missing, or none are left for training or for the test.
    """
    excluded = _excluded(dataset.exclude)
    parts = [dataset.path / name for name in ("train", "test")]
    if dataset.test is not None:
        train, test = list_labeled(dataset.path), list_labeled(dataset.test)
    elif any(_has_class_folders(part) for part in parts):
        train, test = map(list_labeled, parts)
    else:
        whole = _without(list_labeled(dataset.path), excluded)
        train, test = hold_out(whole, dataset.test_fraction, dataset.seed)
    train, test = _without(train, excluded), _without(test, excluded)
    for name, part in (("training", train), ("test", test)):
        if not part:
            raise UserError(f"{dataset.title}: no image is left for {name}; more are needed")
    unlabeled = []
    if dataset.unlabeled is not None:
        unlabeled = [f for f in list_unlabeled(dataset.unlabeled) if f not in excluded]
    return train, test, unlabeled


def _has_class_folders(path: Path) -> bool:
    return path.is_dir() and any(inner.is_dir() for inner in path.iterdir())


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
    found = _from_csv(path) if path.suffix.lower() == ".csv" else _from_folders(path)
    if not found:
        raise UserError(f"the image folder {path} has no images; expected {path}/CLASS/IMAGE.jpg")
    return {name: sorted(found[name]) for name in sorted(found)}


def list_unlabeled(path: Path) -> list[Path]:
    """List the image files at any depth of a folder, sorted.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"the folder of unlabeled images {path} does not exist or has no images")
    return files


def _from_folders(path: Path) -> FilesByClass:
    if not path.is_dir():
        raise UserError(f"the image folder {path} does not exist; expected {path}/CLASS/IMAGE.jpg")
    folders = {
        folder.name: [f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES]
        for folder in path.iterdir()
        if folder.is_dir()
    }
    return {name: files for name, files in folders.items() if files}


def _from_csv(path: Path) -> FilesByClass:
    """List the files of a CSV, whose relative paths start at its own folder."""
    found: FilesByClass = defaultdict(list)
    for number, row in enumerate(_rows(path, {"path", "label"}), start=2):
        if not row["path"] or not (row["label"] or "").strip():
            raise UserError(f"{path}, line {number}: a path or a label is empty")
        found[row["label"].strip()].append(path.parent / row["path"])
    return found


def _excluded(path: Path | None) -> set[Path]:
    return set() if path is None else {Path(row["file"]) for row in _rows(path, {"file"})}


def _rows(path: Path, columns: set[str]) -> list[dict[str, str]]:
    """Read the lines of a CSV and check that each has these columns."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = sorted(columns - set(reader.fieldnames or []))
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    if missing:
        raise UserError(f"{path} has no column '{missing[0]}' in its first line")
    for number, row in enumerate(rows, start=2):
        if any(row[column] is None for column in columns):
            raise UserError(f"{path}, line {number}: a column is missing")
    return rows


def _without(files: FilesByClass, excluded: set[Path]) -> FilesByClass:
    kept = {name: [f for f in part if f not in excluded] for name, part in files.items()}
    return {name: part for name, part in kept.items() if part}

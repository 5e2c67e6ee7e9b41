"""Which files below a folder are pictures, which are of another kind, and which are nobody's."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.files import refuse_undecodable
from mpssl.data.dicom import is_dicom
from mpssl.data.pictures import SUFFIXES

# What systems leave behind; so do all names that begin with a dot (.DS_Store, ._*, checkpoints).
LEFT_BEHIND = {
    *("__macosx", "@eadir", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini", "dicomdir"),
    *("$recycle.bin", "system volume information", "__pycache__"),
}
KINDS = 5  # of files that are named
ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"}
PARTS = {
    "train": ("train", "training"),
    "test": ("test", "testing", "tests"),
    "validation": ("val", "valid", "validation"),
}
UNLABELED = ("unlabeled", "unlabelled")


@dataclass(frozen=True)
class Listing:
    """The files below a folder, without what systems leave behind."""

    pictures: list[Path]
    """Sorted."""
    others: Counter
    """Number of other files by suffix, in lower case; empty for names without one."""


def nobodys(name: str) -> bool:
    """Whether a file or folder of this name is no person's: never a picture, never a class."""
    return name.startswith(".") or name.lower() in LEFT_BEHIND


def called_unlabeled(folder: Path) -> bool:
    """Whether a folder's name says that its images have no labels."""
    return re.sub("[_-]", "", folder.name.lower()) in UNLABELED


def list_files(folder: Path, without: Path | None = None) -> Listing:
    """All files at any depth, but for those in the folder `without`.

    A folder that several links lead to is entered once.
    """
    found, others = [], Counter()
    for file in _files(folder, {os.path.realpath(without)} if without else set()):
        suffix = file.suffix.lower()
        if suffix in SUFFIXES or (not suffix and is_dicom(file)):
            found.append(file)
        else:
            others[suffix] += 1
    return Listing(sorted(found), others)


def _files(folder: Path, entered: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in entered:
        return
    entered.add(real)
    for inner in sorted(folder.iterdir()):
        if nobodys(inner.name):
            continue
        refuse_undecodable(inner)
        if inner.is_dir() and inner.suffix.lower() not in SUFFIXES:
            yield from _files(inner, entered)
        else:
            yield inner


def in_words(others: Counter) -> str:
    """Numbers of files by suffix: 15 .txt, 3 without suffix and 2 other kinds."""
    found = [f"{n} {suffix or 'without suffix'}" for suffix, n in others.most_common(KINDS)]
    more = len(others) - KINDS
    return ", ".join(found) + (f" and {more} other kinds" if more > 0 else "")


def folders_in(path: Path) -> list[Path]:
    """The folders in a folder, sorted, without what systems leave behind."""
    if not path.is_dir():
        return []
    found = [f for f in path.iterdir() if f.is_dir() and not nobodys(f.name)]
    for folder in found:
        refuse_undecodable(folder)
    return sorted(found)


def labeled_folders(path: Path, unlabeled: Path | None) -> list[Path]:
    """The folders in a folder that may be parts or classes.

    Others are called unlabeled, or are `unlabeled`, the folder that is named so.
    """
    named = unlabeled and os.path.realpath(unlabeled)
    folders = [f for f in folders_in(path) if not called_unlabeled(f)]
    return [f for f in folders if os.path.realpath(f) != named]


def pictures_in(path: Path) -> list[Path]:
    """The pictures in a folder itself, not in folders of it, sorted."""
    return sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES and not nobodys(f.name))


def has_pictures(path: Path) -> bool:
    """Whether pictures are in a folder itself, not in folders of it."""
    return bool(pictures_in(path))


def data_folder(path: Path, unlabeled: Path | None) -> Path:
    """The folder that holds classes or parts: one given, or the only one in it, at any depth.

    The folder `unlabeled` is not counted, nor is one that is called so.

    Raises:
        UserError: there is no such folder.
    """
    refuse_no_folder(path, "CLASS/IMAGE.jpg")
    folders = labeled_folders(path, unlabeled)
    while len(folders) == 1 and not has_pictures(path) and not has_pictures(folders[0]):
        inner = labeled_folders(folders[0], unlabeled)
        if not inner or _part(folders[0]):
            break
        path, folders = folders[0], inner
    return path


def refuse_no_folder(path: Path, expected: str) -> None:
    """Raise UserError if a path is no folder, which says what it is; `expected` is in one."""
    if path.is_dir():
        return
    suffix = path.suffix.lower()
    if not path.exists():
        raise UserError(f"the image folder {path} does not exist; expected {path}/{expected}")
    if suffix in ARCHIVES:
        raise UserError(f"{path} is an archive; unpack it and name the folder")
    if suffix in SUFFIXES:
        raise UserError(f"{path} is one picture; name the folder of all, {path.parent}?")
    raise UserError(f"{path} is no folder of images and no list; expected {expected} or a CSV")


def _part(folder: Path) -> str | None:
    """Which of PARTS a folder is by its name."""
    return next((part for part, names in PARTS.items() if folder.name.lower() in names), None)


def parts_of(path: Path, unlabeled: Path | None) -> dict[str, Path]:
    """The folders of training, test and validation images, if a folder holds such parts.

    A class may be called train: its folder holds pictures, a part holds folders of classes.

    Raises:
        UserError: there is no folder of training images, or there are others beside the parts.
    """
    found, others = {}, []
    for folder in labeled_folders(path, unlabeled):
        part = _part(folder)
        if part is not None and folders_in(folder) and part not in found:
            found[part] = folder
        else:
            others.append(folder)
    if not found or ("train" in found and not others):
        return found
    train, flat = found.get("train"), next((f for f in others if _part(f)), None)
    if train and flat and has_pictures(flat):
        raise UserError(
            f"{flat} holds pictures, but no folder for each class; to train on {train.name} alone: "
            f"--images {train} --unlabeled {flat}"
        )
    held = found.get("test") or found.get("validation")
    test = f" --test {held}" if held else ""
    if train is None:
        raise UserError(
            f"{path} has {_names(*found.values(), *others)}, but no labeled train/CLASS/IMAGE.jpg; "
            f"rename the folder of the training images to train, or name it: --images FOLDER{test}"
        )
    test = test or f" (and --test {others[0]} if that is the test)"
    raise UserError(
        f"{path} has {_names(*others)} beside {_names(*found.values())}; move that elsewhere, or "
        f"name what to use: --images {train}{test}"
    )


def _names(*folders: Path) -> str:
    return ", ".join(folder.name for folder in folders)


def class_folders(path: Path, unlabeled: Path | None) -> list[Path]:
    """The folders of classes in a folder, without `unlabeled` and those that are called so.

    Raises:
        UserError: there is no such folder, or it holds pictures and no folders.
    """
    path = data_folder(path, unlabeled)
    folders = labeled_folders(path, unlabeled)
    if not folders and has_pictures(path):
        raise UserError(
            f"{path} holds pictures, but no folder for each class; expected {path}/CLASS/IMAGE.jpg"
            f" (if it is a class itself, name {path.parent})"
        )
    return folders

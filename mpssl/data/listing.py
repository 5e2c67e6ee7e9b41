"""Which files below a folder are pictures, which are of another kind, and which are nobody's."""

import os
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
PARTS = {
    "train": ("train", "training"),
    "test": ("test", "testing", "tests"),
    "validation": ("val", "valid", "validation"),
}


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


def list_files(folder: Path) -> Listing:
    """All files at any depth; a folder that several links lead to is entered once."""
    found, others = [], Counter()
    for file in _files(folder, set()):
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


def pictures_in(path: Path) -> list[Path]:
    """The pictures in a folder itself, not in folders of it, sorted."""
    return sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES and not nobodys(f.name))


def has_pictures(path: Path) -> bool:
    """Whether pictures are in a folder itself, not in folders of it."""
    return bool(pictures_in(path))


def parts_of(path: Path) -> dict[str, Path]:
    """The folders of training, test and validation images, if a folder holds such parts.

    A class may be called train: its folder holds pictures, a part holds folders of classes.

    Raises:
        UserError: there is no folder of training images, or none that is known of test images.
    """
    found, named = {}, {name: part for part, names in PARTS.items() for name in names}
    others = []
    for folder in folders_in(path):
        part = named.get(folder.name.lower())
        if part is not None and folders_in(folder) and part not in found:
            found[part] = folder
        else:
            others.append(folder)
    absent = "train" if "train" not in found else "test"
    if found and (absent == "train" or others):
        beside = ", ".join(folder.name for folder in (*found.values(), *others))
        raise UserError(f"the image folder {path / absent} does not exist; {path} has {beside}")
    return found


def class_folders(path: Path) -> list[Path]:
    """The folders of classes in a folder, or in the only folder that it holds.

    Raises:
        UserError: there is no such folder, or it holds pictures and no folders.
    """
    if not path.is_dir():
        raise UserError(f"the image folder {path} does not exist; expected {path}/CLASS/IMAGE.jpg")
    folders = folders_in(path)
    if not folders and has_pictures(path):
        raise UserError(
            f"{path} holds pictures, but no folder for each class; expected {path}/CLASS/IMAGE.jpg"
            f" (if it is a class itself, name {path.parent})"
        )
    if len(folders) == 1 and not has_pictures(folders[0]) and len(folders_in(folders[0])) > 1:
        return folders_in(folders[0])
    return folders

"""Which files are for training and which for the test, by class, as folders or a list say."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mpssl.common.errors import UserError
from mpssl.config.data import ImageFolder
from mpssl.data import listing
from mpssl.data.excluded import folders
from mpssl.data.groups import Groups
from mpssl.data.lists import is_list, labeled_lines, listed_files

FilesByClass = dict[str, list[Path]]  # classes and files are sorted


def layout(dataset: ImageFolder) -> str:
    """How the folders were understood, in one line; nothing if they are folders of classes."""
    if is_list(dataset.path):
        return ""
    found = listing.data_folder(dataset.path, dataset.unlabeled)
    parts = listing.parts_of(found, dataset.unlabeled)
    if not parts:
        return "" if found == dataset.path else f"classes: those in {found}"
    names = {part: folder.name for part, folder in parts.items()}
    said = [f"training: {names['train']}"]
    validation = names.get("validation")
    if dataset.validation == "given":
        said.append(f"validation: {validation}")
    elif validation and (dataset.test or "test" in names):
        said[0] += f" and {validation}"
    if dataset.test is None:
        test = names.get("test") or validation
        said.append(f"test: {test or 'held out of ' + names['train']}")
    return "; ".join(said)


def other_files(dataset: ImageFolder) -> Counter:
    """The number of files in the data set's folders that are no pictures, by suffix."""
    places = (dataset.path, dataset.test, dataset.unlabeled)
    folders = {place for place in places if place is not None and place.is_dir()}
    folders = [folder for folder in folders if folders.isdisjoint(folder.parents)]
    return sum((listing.list_files(folder).others for folder in folders), Counter())


def parts_in(path: Path, unlabeled: Path | None) -> dict[str, Path]:
    """The folders of training, test and validation images; none if a folder holds classes.

    Raises:
        UserError: there is no such folder, or its parts are not understood.
    """
    return listing.parts_of(listing.data_folder(path, unlabeled), unlabeled)


def without_split(dataset: ImageFolder) -> int:
    """The number of lines of a list that say no split, if others do."""
    if not is_list(dataset.path):
        return 0
    lines = labeled_lines(dataset.path, folders(dataset)["path"])
    count = sum(line.part is None for line in lines)
    return count if count < len(lines) else 0


def loose_pictures(dataset: ImageFolder) -> list[Path]:
    """Pictures beside the folders of classes, which have no label."""
    if is_list(dataset.path):
        return []
    folders = [*(parts_in(dataset.path, dataset.unlabeled).values() or [dataset.path])]
    if dataset.test is not None and not is_list(dataset.test):
        folders.append(dataset.test)
    folders = [listing.data_folder(place, dataset.unlabeled) for place in folders]
    return sorted(f for folder in folders for f in listing.pictures_in(folder))


def left_aside(dataset: ImageFolder) -> list[Path]:
    """The folders of pictures that are called unlabeled, and that the data set does not use."""
    places = [place for place in (dataset.path, dataset.test) if place and not is_list(place)]
    found = set()
    for place in places:
        for part in (place, *parts_in(place, dataset.unlabeled).values()):
            inner = listing.data_folder(part, dataset.unlabeled)
            levels = [f for f in (inner, *inner.parents) if f.is_relative_to(part)]
            found |= {f for level in levels for f in listing.folders_in(level)}
    found = {f for f in found if listing.called_unlabeled(f) and listing.list_files(f).pictures}
    return sorted(found - {f for f in found if _is_used(f, dataset)})


def _is_used(folder: Path, dataset: ImageFolder) -> bool:
    """Whether the unlabeled images of a data set are in a folder."""
    named = dataset.unlabeled
    if named is None:
        return False
    if is_list(named):
        files = listed_files(named, folders(dataset)["unlabeled"])
        return any(file.is_relative_to(folder) for file in files)
    return folder.resolve().is_relative_to(named.resolve())


def nested(dataset: ImageFolder, files: list[Path]) -> list[Path]:
    """The folders inside of classes' folders that hold some of the labeled files."""
    places = [place for place in (dataset.path, dataset.test) if place and not is_list(place)]
    classes = set()
    for place in places:
        parts = [*parts_in(place, dataset.unlabeled).values()] or [place]
        for part in parts:
            classes |= set(listing.class_folders(part, dataset.unlabeled))
    inside = {file.parent for file in files if any(map(file.is_relative_to, places))}
    return sorted(inside - classes)


def empty_folders(dataset: ImageFolder, classes: list[str]) -> list[str]:
    """The folders beside those of the classes in which there is no picture."""
    if is_list(dataset.path):
        return []
    train = parts_in(dataset.path, dataset.unlabeled).get("train", dataset.path)
    others = listing.class_folders(train, dataset.unlabeled)
    others = [folder for folder in others if folder.name not in classes]
    return [folder.name for folder in others if not listing.list_files(folder).pictures]


class Parts(NamedTuple):
    """Labeled files by use and class."""

    train: FilesByClass
    """Those of `validation` too."""
    test: FilesByClass | None
    """None if they are to be held out."""
    validation: set[Path]
    """D_val; empty if it is drawn."""
    groups: Groups
    """Those that a list has in its column `group`."""


def list_parts(dataset: ImageFolder) -> Parts:
    """List training, test and validation files by class.

    A folder or a list of validation images holds the test images if there are no others; else they
    are for training, as D_val if the data set says so. What is in the folder of unlabeled images
    has no label, if that is inside of the others.

    Raises:
        UserError: there is no such folder, file, line or column, or no image in it; there are two
            sets of test images; the validation images that are D_val are not there, or the test.
    """
    base = folders(dataset)
    found, groups = _by_part(dataset.path, base["path"], dataset.unlabeled)
    if dataset.test is not None:
        others, more = _by_part(dataset.test, base["test"], dataset.unlabeled)
        test = others.get("test") or _joined(others.values())
        if found.setdefault("test", test) != test:
            raise UserError(
                f"{dataset.title}: {dataset.path} has test images, and `test` names others: "
                f"{dataset.test}; leave out the key, or name training images alone as `path`"
            )
        groups |= more
    validation = _given_validation(dataset, found) if dataset.validation == "given" else set()
    test = found.pop("test", None) or found.pop("validation", None)
    return Parts(_joined(found.values()), test, validation, groups)


def _by_part(
    path: Path, root: Path, unlabeled: Path | None
) -> tuple[dict[str, FilesByClass], Groups]:
    """Files of each part of `listing.PARTS` in a folder, or in a list whose paths start at `root`.

    Those of no part are for training. With them a list's groups.
    """
    if not is_list(path):
        parts = parts_in(path, unlabeled) or {"train": path}
        return {part: list_labeled(folder, unlabeled) for part, folder in parts.items()}, {}
    found: dict[str, FilesByClass] = defaultdict(lambda: defaultdict(list))
    groups: Groups = {}
    for line in labeled_lines(path, root):
        found[line.part or "train"][line.label].append(line.file)
        if line.group is not None:
            groups[line.file] = line.group
    return {part: _joined([files]) for part, files in found.items()}, groups


def _given_validation(dataset: ImageFolder, found: dict[str, FilesByClass]) -> set[Path]:
    where = f"{dataset.title}: validation: given, but {dataset.path} has"
    if "validation" not in found:
        raise UserError(f"{where} no validation images; remove the key, and D_val is drawn")
    if "test" not in found:
        raise UserError(
            f"{where} no test images, and its validation images are the test; name others as "
            "`test`, or remove the key"
        )
    return {file for files in found["validation"].values() for file in files}


def _joined(parts: Iterable[FilesByClass]) -> FilesByClass:
    """The files of several parts; one that is listed twice with one label is one file."""
    found = defaultdict(set)
    for files in parts:
        for name in files:
            found[name] |= set(files[name])
    return {name: sorted(found[name]) for name in sorted(found)}


def list_labeled(path: Path, unlabeled: Path | None) -> FilesByClass:
    """List image files by class, from a folder of class folders, without those in `unlabeled`.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    classes = listing.class_folders(path, unlabeled)
    found = {f.name: listing.list_files(f, without=unlabeled).pictures for f in classes}
    found = {name: files for name, files in found.items() if files}
    if not found:
        raise UserError(
            f"the image folder {path} has no images in folders of classes; expected "
            f"{path}/CLASS/IMAGE.jpg"
        )
    return found


def list_unlabeled(path: Path, root: Path) -> list[Path]:
    """List the image files at any depth of a folder, sorted, or those of a list.

    Raises:
        UserError: there is no such folder or list, or no image in it.
    """
    if is_list(path):
        return listed_files(path, root)
    listing.refuse_no_folder(path, "IMAGE.jpg")
    files = listing.list_files(path).pictures
    if not files:
        raise UserError(f"the folder of unlabeled images {path} has no images")
    return files

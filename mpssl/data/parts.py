"""Which files are for training and which for the test, by class, as folders or a list say."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

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
    found = listing.data_folder(dataset.path)
    parts = listing.parts_of(found)
    if not parts:
        return "" if found == dataset.path else f"classes: those in {found}"
    names = {part: folder.name for part, folder in parts.items()}
    said = [f"training: {names['train']}"]
    if dataset.validation == "given":
        said.append(f"validation: {names['validation']}")
    if dataset.test is None:
        test = names.get("test") or names.get("validation")
        said.append(f"test: {test or 'held out of ' + names['train']}")
        if dataset.validation == "train" and "validation" in names and "test" in names:
            said[0] += f" and {names['validation']}"
    return "; ".join(said)


def other_files(dataset: ImageFolder) -> Counter:
    """The number of files in the data set's folders that are no pictures, by suffix."""
    places = (dataset.path, dataset.test, dataset.unlabeled)
    folders = [place for place in places if place is not None and place.is_dir()]
    return sum((listing.list_files(folder).others for folder in folders), Counter())


def parts_in(path: Path) -> dict[str, Path]:
    """The folders of training, test and validation images; none if a folder holds classes.

    Raises:
        UserError: there is no such folder, or its parts are not understood.
    """
    return listing.parts_of(listing.data_folder(path))


def loose_pictures(dataset: ImageFolder) -> list[Path]:
    """Pictures beside the folders of classes, which have no label."""
    if is_list(dataset.path):
        return []
    folders = [*(parts_in(dataset.path).values() or [dataset.path])]
    if dataset.test is not None and not is_list(dataset.test):
        folders.append(dataset.test)
    return sorted(f for place in folders for f in listing.pictures_in(listing.data_folder(place)))


def nested(dataset: ImageFolder, files: list[Path]) -> list[Path]:
    """The folders inside of classes' folders that hold some of the labeled files."""
    places = [place for place in (dataset.path, dataset.test) if place and not is_list(place)]
    classes = set()
    for place in places:
        parts = [*parts_in(place).values()] or [place]
        classes |= {folder for part in parts for folder in listing.class_folders(part)}
    inside = {file.parent for file in files if any(map(file.is_relative_to, places))}
    return sorted(inside - classes)


def empty_folders(dataset: ImageFolder, classes: list[str]) -> list[str]:
    """The folders beside those of the classes in which there is no picture."""
    if is_list(dataset.path):
        return []
    train = parts_in(dataset.path).get("train", dataset.path)
    others = [folder for folder in listing.class_folders(train) if folder.name not in classes]
    return [folder.name for folder in others if not listing.list_files(folder).pictures]


def list_parts(dataset: ImageFolder) -> tuple[FilesByClass, FilesByClass | None, Groups]:
    """List training and test files by class; no test files if these are to be held out.

    The groups are those that a list has in its column `group`.

    A folder of validation images holds the test images if there are no others; else they are for
    training, those of `given_validation` too.

    Raises:
        UserError: there is no such folder or file, or no image in it.
    """
    base = folders(dataset)
    parts = {} if is_list(dataset.path) else parts_in(dataset.path)
    if dataset.test is not None:
        train, groups = _list_labeled(parts.get("train", dataset.path), base["path"])
        if dataset.validation == "given" and "validation" in parts:
            train = _joined([train, list_labeled(parts["validation"])])
        test, more = _list_labeled(dataset.test, base["test"])
        return train, test, groups | more
    if is_list(dataset.path):
        return from_list(dataset.path, base["path"])
    if not parts:
        return list_labeled(dataset.path), None, {}
    return *_train_and_test({part: list_labeled(folder) for part, folder in parts.items()}), {}


def given_validation(dataset: ImageFolder) -> set[Path]:
    """The files of `list_parts` for training that are D_val; none if D_val is drawn.

    Raises:
        UserError: there are none, or they are the test images.
    """
    if dataset.validation == "train":
        return set()
    found: dict[str, set[Path]] = defaultdict(set)
    if is_list(dataset.path):
        for line in labeled_lines(dataset.path, folders(dataset)["path"]):
            found[line.part or "train"].add(line.file)
    else:
        for part, folder in parts_in(dataset.path).items():
            found[part].update(*list_labeled(folder).values())
    where = f"{dataset.title}: validation: given, but {dataset.path} has"
    if not found["validation"]:
        raise UserError(f"{where} no validation images; remove the key, and D_val is drawn")
    if dataset.test is None and not found["test"]:
        raise UserError(
            f"{where} no test images, and its validation images are the test; name others as "
            "`test`, or remove the key"
        )
    return found["validation"]


def _train_and_test(parts: dict[str, FilesByClass]) -> tuple[FilesByClass, FilesByClass | None]:
    """Training and test files of the parts of `listing.PARTS`; no test files if none are given."""
    test = parts.pop("test", None) or parts.pop("validation", None)
    return _joined(parts.values()), _joined([test or {}]) or None


def _joined(parts: Iterable[FilesByClass]) -> FilesByClass:
    """The files of several parts; one that is listed twice with one label is one file."""
    found = defaultdict(set)
    for files in parts:
        for name in files:
            found[name] |= set(files[name])
    return {name: sorted(found[name]) for name in sorted(found)}


def _list_labeled(path: Path, root: Path) -> tuple[FilesByClass, Groups]:
    """Image files by class, of a folder or a list that holds no parts, and the list's groups."""
    if not is_list(path):
        return list_labeled(path), {}
    train, test, groups = from_list(path, root)
    if test is not None:
        raise UserError(f"{path} has test images of its own in the column split")
    return train, groups


def list_labeled(path: Path) -> FilesByClass:
    """List image files by class, from a folder of class folders.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    found = {f.name: listing.list_files(f).pictures for f in listing.class_folders(path)}
    found = {name: files for name, files in found.items() if files}
    if not found:
        raise UserError(f"the image folder {path} has no images; expected {path}/CLASS/IMAGE.jpg")
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


def from_list(path: Path, root: Path) -> tuple[FilesByClass, FilesByClass | None, Groups]:
    """List the training and test files of a CSV, whose relative paths start at `root`.

    Without a column `split` there are no test files. Its validation images are for training if
    there are test images, else they are the test images.

    Raises:
        UserError: a line or a column is missing, or no file of the list is there.
    """
    found: dict[str, FilesByClass] = defaultdict(lambda: defaultdict(list))
    groups: Groups = {}
    for line in labeled_lines(path, root):
        found[line.part or "train"][line.label].append(line.file)
        if line.group is not None:
            groups[line.file] = line.group
    return *_train_and_test(found), groups

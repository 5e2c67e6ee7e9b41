"""Read the user's own images: one folder for each class, or a CSV of paths and labels."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mpssl.common.errors import UserError, nearest
from mpssl.config.data import ImageFolder, Packing
from mpssl.data import excluded, groups
from mpssl.data.class_names import alike, refuse_alike
from mpssl.data.groups import Groups
from mpssl.data.parts import FilesByClass, list_parts, list_unlabeled
from mpssl.data.pictures import read_images
from mpssl.data.store import Reading


class Images(NamedTuple):
    """The files of a data set that are used."""

    train: FilesByClass
    test: FilesByClass
    unlabeled: list[Path]
    groups: Groups
    """Of the files that belong together with others."""
    validation: FilesByClass
    """Those that are given as D_val; empty if it is drawn from `train`."""

    @property
    def parts(self) -> dict[str, list[Path]]:
        """The files by what they are for."""
        labeled = {"test": self.test, "validation": self.validation, "training": self.train}
        listed = {part: [f for name in by for f in by[name]] for part, by in labeled.items()}
        return listed | {"unlabeled": self.unlabeled}

    @property
    def labels(self) -> dict[Path, str]:
        """The class of each labeled file."""
        labeled = (self.train, self.validation, self.test)
        return {f: n for by in labeled for n in by for f in by[n]}

    def beside_test(self) -> dict[Path, str]:
        """Other files with a test image in their group, and that group."""
        tested = {self.groups[f] for f in self.parts["test"] if f in self.groups}
        others = self.parts["training"] + self.parts["validation"] + self.unlabeled
        return {f: self.groups[f] for f in others if self.groups.get(f) in tested}

    def on_both_sides(self) -> list[str]:
        """Groups that have training images and images of a given D_val, sorted."""
        sides = (self.parts["training"], self.parts["validation"])
        found = [{self.groups[f] for f in side if f in self.groups} for side in sides]
        return sorted(set.intersection(*found))


@dataclass(frozen=True)
class Listed:
    """The files of a data set, before test images are held out."""

    dataset: ImageFolder
    classes: list[str]
    """Of the training images, also if none is left of one."""
    train: FilesByClass
    test: FilesByClass | None
    """None if they are to be held out."""
    unlabeled: list[Path]
    groups: Groups
    validation: Set[Path] = frozenset()
    """Those of `train` that are given as D_val; none if it is drawn."""

    def images(self, out: Set[Path] = frozenset()) -> Images:
        """The files for each use, without those in `out`.

        Raises:
            UserError: none are left for training, for a given D_val, for the test or of those that
                are named as unlabeled, a test or validation class is not a training class, or a
                group has training images and given validation images.
        """
        dataset, train = self.dataset, _without(self.train, out)
        if self.test is None:
            train, test = hold_out(train, dataset.test_fraction, dataset.seed, self.groups)
        else:
            test = _without(self.test, out)
        every = {file for files in train.values() for file in files}
        validation = _without(train, every - self.validation)
        train = _without(train, self.validation)
        for name, part in (("training", train), ("validation", validation), ("test", test)):
            if not part and (self.validation or name != "validation"):
                groups_ = ", or smaller groups" if self.groups else ""
                raise UserError(
                    f"{dataset.title}: no image is left for {name}; more{groups_} are needed"
                )
        for name, part in (("test", test), ("validation", validation)):
            unknown = sorted(set(part) - set(train))
            if unknown:
                lost = unknown[0] in self.classes
                raise UserError(
                    f"{dataset.title}: no training image has the {name} class '{unknown[0]}'"
                    + ("; all of them are left out" if lost else nearest(unknown[0], train))
                )
        unlabeled = [f for f in self.unlabeled if f not in out]
        if dataset.unlabeled is not None and not unlabeled:
            raise UserError(
                f"{dataset.title}: no image of {dataset.unlabeled} is left as unlabeled, all are "
                "labeled or left out; name others as `unlabeled`, or none"
            )
        images = Images(train, test, unlabeled, self.groups, validation)
        shared = images.on_both_sides()
        if shared:
            raise UserError(
                f"{dataset.title}: groups with training and validation images: {len(shared)}, such "
                f"as {shared[0]}; leave out those of one side, or remove the key `validation`"
            )
        return images


def read_folder(dataset: ImageFolder, packing: Packing) -> Reading:
    """List the pool, the test split and the unlabeled images; they are opened one by one later.

    Raises:
        UserError: as `list_images`, or there is one class only.
    """
    images = list_images(dataset)
    classes = sorted(images.train)
    if len(classes) < 2:
        raise UserError(f"{dataset.title} has the class '{classes[0]}' only; two are needed")
    files: list[Path] = []
    labels: list[int] = []
    for part in (images.train, images.validation, images.test):
        for label, name in enumerate(classes):
            files += part.get(name, [])
            labels += [label] * len(part.get(name, []))
    unlabeled = len(images.unlabeled)
    files, labels = files + images.unlabeled, labels + [-1] * unlabeled
    return Reading(
        read_images(files, packing),
        np.array(labels),
        classes,
        pool=len(images.parts["training"]) + len(images.parts["validation"]),
        unlabeled=unlabeled,
        groups=groups.numbered(files, images.groups),
        validation=len(images.parts["validation"]),
    )


def list_images(dataset: ImageFolder) -> Images:
    """List the files of a data set that are used.

    Raises:
        UserError: files are missing, none are left for training or for the test, a test class is
            not a training class, or a group has test images and others.
    """
    images = list_all(dataset).images()
    beside = images.beside_test()
    if beside:
        file, name = next(iter(beside.items()))
        raise UserError(
            f"{dataset.title}: {len(beside)} images have test images in their group, such as "
            f"{file} of {name}; `mpssl data-check --write` leaves them out"
        )
    return images


def list_all(dataset: ImageFolder) -> Listed:
    """List the files of a data set that its list of excluded files does not name.

    Raises:
        UserError: files are missing, or a line of that list matches none.
    """
    train, test, given, of_group = list_parts(dataset)
    train, test = _named(train, test, dataset)
    if test:  # what is listed for both is for the test
        train = {name: _others(files, test.get(name, ())) for name, files in train.items()}
    classes = sorted(name for name in train if not train[name] or set(train[name]) - given)
    unlabeled = []
    if dataset.unlabeled is not None:
        root = excluded.folders(dataset)["unlabeled"]
        unlabeled = list_unlabeled(dataset.unlabeled, root)
    labeled = [f for part in (train, test or {}) for files in part.values() for f in files]
    if dataset.group_by is not None:
        of_group = _grouped(dataset, labeled, unlabeled, of_group)
    if unlabeled:
        unlabeled = _others(unlabeled, labeled)
    out = excluded.read_excluded(dataset)
    excluded.refuse_unknown(out, labeled + unlabeled, dataset)
    if out:
        out = {f for f in labeled + unlabeled if excluded.same(f) in out}
        train, test = _without(train, out), test and _without(test, out)
        unlabeled = [f for f in unlabeled if f not in out]
    return Listed(dataset, classes, train, test, unlabeled, of_group, given)


def _named(
    train: FilesByClass, test: FilesByClass | None, dataset: ImageFolder
) -> tuple[FilesByClass, FilesByClass | None]:
    """Training and test files, those together whose classes are merged.

    Raises:
        UserError: two classes may be meant as one, and the data set does not say so.
    """
    counts = sum(
        (Counter({n: len(f) for n, f in part.items()}) for part in (train, test or {})), Counter()
    )
    if not dataset.merge_classes:
        refuse_alike(counts, dataset.title)
        return train, test
    names = alike(counts)

    def merged(part: FilesByClass) -> FilesByClass:
        found = defaultdict(list)
        for name, files in part.items():
            found[names.get(name, name)] += files
        return {name: sorted(set(found[name])) for name in sorted(found)}

    return merged(train), test and merged(test)


def _others(files: list[Path], of: Iterable[Path]) -> list[Path]:
    known = set(map(excluded.same, of))
    return [file for file in files if excluded.same(file) not in known]


def _without(files: FilesByClass, out: Set[Path]) -> FilesByClass:
    kept = {name: [f for f in part if f not in out] for name, part in files.items()}
    return {name: part for name, part in kept.items() if part}


def _grouped(
    dataset: ImageFolder, labeled: list[Path], unlabeled: list[Path], by_list: Groups
) -> Groups:
    """The groups that `group_by` finds in paths.

    Raises:
        UserError: a labeled file has none, or a list says the groups, too.
    """
    if by_list:
        raise UserError(f"{dataset.path} has a column group; remove it, or the key group_by")
    found: Groups = {}
    for folder in reversed(excluded.folders(dataset).values()):
        files = [f for f in labeled + unlabeled if f.is_relative_to(folder)]
        found |= groups.named_by(dataset.group_by, files, folder)
    groups.refuse_nameless(dataset.group_by, labeled, found)
    return found


def hold_out(
    files: FilesByClass, fraction: float, seed: int, of_group: Groups
) -> tuple[FilesByClass, FilesByClass]:
    """Split each class at random into training and test files, groups as a whole.

    A class of two or more images has at least one of them in each part; a single image is for
    training. So is the single group of a class.

    Images go to the test in the order of a digest of their names, or of their groups' names. So
    images that are added or removed, a folder that is moved and a class that is renamed leave the
    others where they are, but for those that the number asks for.
    """
    names = sorted(files)
    wanted = {name: max(1, round(len(files[name]) * fraction)) for name in names}
    wanted = {name: min(count, len(files[name]) - 1) for name, count in wanted.items()}

    def drawn(key: str | Path) -> str:
        name = key if isinstance(key, str) else key.name
        return hashlib.sha256(os.fsencode(f"{seed}/{name}")).hexdigest()

    if of_group:
        every = [f for name in names for f in files[name]]
        labels = np.repeat(np.arange(len(names)), [len(files[name]) for name in names])
        keys = list(dict.fromkeys(groups.keys_of(every, of_group)))
        taken = groups.take_whole(
            labels,
            groups.numbered(every, of_group),
            np.array([wanted[name] for name in names]),
            lambda count: sorted(range(count), key=lambda group: drawn(keys[group])),
        )
        chosen = {f for f, is_taken in zip(every, taken, strict=True) if is_taken}
    else:
        chosen = {f for n in names for f in sorted(files[n], key=drawn)[: wanted[n]]}
    train = {name: sorted(f for f in files[name] if f not in chosen) for name in names}
    test = {name: sorted(f for f in files[name] if f in chosen) for name in names}
    return train, {name: part for name, part in test.items() if part}

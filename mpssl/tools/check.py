"""The check of a user's own images: which are unreadable, equal, or on two sides at once."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mpssl.common.errors import UserError
from mpssl.config.data import ImageFolder, Split
from mpssl.data import groups, parts
from mpssl.data.folder import Images, Listed, list_all
from mpssl.data.listing import in_words, list_files
from mpssl.data.near import near
from mpssl.data.pictures import ahead
from mpssl.data.split import split_pool
from mpssl.tools.looks import Look, Looks, look

SHOWN = 5  # files named in the summary, of each kind
CLASSES_SHOWN = 20
KEPT = ": too few images, which are for training"
AGAIN = ", saved again"
REMOVE = re.compile("(; repair)?[;,]? ?(or )?(remove it|leave it out)$")  # the check does that
MANY = 0.1  # part of the training images from which on near duplicates are no accident


@dataclass
class Report:
    """What a check of the images found."""

    listed: Listed
    images: Images
    """Those that are used."""
    excluded: dict[Path, str] = field(default_factory=dict)
    """Files to leave out, each with the reason."""
    near: dict[Path, str] = field(default_factory=dict)
    """Pictures that are test pictures of no other class, or of a given D_val, saved again."""
    mislabeled: dict[Path, str] = field(default_factory=dict)
    """Pictures that nearly are such pictures of another class."""
    looks: Looks = field(default_factory=Looks)
    """What kinds of pictures they are."""

    @property
    def counts(self) -> tuple[Counter, Counter]:
        """Training and test images of each class."""
        train, test = self.images.train, self.images.test
        return tuple(Counter({n: len(part[n]) for n in part}) for part in (train, test))


def check(dataset: ImageFolder) -> Report:
    """Read every image: which are unreadable, and which are the same picture twice.

    Of equal pictures in one part the first stays; of equal ones in training and test the test
    image; of equal ones with different labels none. A training picture that was saved again for the
    test or a given D_val is left out, unless the data set keeps them or the class is another; so is
    one whose group has a test image.

    Raises:
        UserError: no image is left.
    """
    listed = list_all(dataset)
    report = Report(listed, listed.images())
    looks: dict[Path, Look] = {}
    files = [file for part in report.images.parts.values() for file in part]
    for file, found in zip(files, ahead(_looked, files), strict=True):
        if isinstance(found, UserError):
            report.excluded[file] = REMOVE.sub("", str(found).removeprefix(f"the image {file} "))
        else:
            looks[file] = found
            report.looks.take(found)
    while True:  # files that are left out may change which are held out as test images
        try:
            report.images = listed.images(report.excluded.keys())
        except UserError as error:
            raise UserError(f"{error}{left_out(report)}") from None
        more = _equal(report.images, looks)
        if not more:
            report.near, report.mislabeled = _near(report.images, looks)
            more = report.images.beside_test()
            more = {f: f"test images are in its group {name}" for f, name in more.items()}
            if dataset.near_duplicates == "leave_out":
                more |= report.near
        if not more:
            return report
        report.excluded |= more


def _looked(file: Path) -> Look | UserError:
    try:
        return look(file)
    except UserError as error:
        return error


def _equal(images: Images, looks: dict[Path, Look]) -> dict[Path, str]:
    """Pictures that are there twice, but for the one that stays, each with the reason."""
    alike: dict[str, list[Path]] = {}
    part_of, found = {}, {}
    labels_of = defaultdict(set)  # a list may give a file several
    for part in (images.train, images.validation, images.test):
        for name in part:
            for file in part[name]:
                labels_of[file].add(name)
    for part, files in images.parts.items():
        for file in files:
            part_of[file] = part
            alike.setdefault(looks[file].digest, []).append(file)
    for files in alike.values():
        labels = sorted(set().union(*(labels_of[f] for f in files)))
        if len(labels) > 1:
            reason = f"the same picture has the labels {' and '.join(labels)}"
            found |= dict.fromkeys(files, reason)
            continue
        part = part_of[files[0]]
        for file in files[1:]:
            where = "" if part_of[file] == part else f" of the {part} images"
            found[file] = f"the same picture as {files[0]}{where}"
    return found


def _near(images: Images, looks: dict[Path, Look]) -> tuple[dict[Path, str], dict[Path, str]]:
    """Pictures that were saved again for the test: of one class or none, and of another class.

    Or for a given D_val, if they are for training or unlabeled.
    """
    others, label_of = images.parts["training"] + images.unlabeled, images.labels
    same, other = {}, {}
    for name in ("validation", "test"):
        held = images.parts[name]
        for place, of in near(*([looks[f].print for f in part] for part in (others, held))):
            file, kept = others[place], held[of]
            alike = label_of.get(file, label_of[kept]) == label_of[kept]
            reason = f"the picture {kept} of the {name} images{AGAIN}"
            (same if alike else other).setdefault(file, reason)
        others += held
    return same, {f: reason for f, reason in other.items() if f not in same}


def left_out(report: Report) -> str:
    """The end of a refusal: how many files are left out, and the first reason."""
    if not report.excluded:
        return ""
    file, reason = next(iter(report.excluded.items()))
    return f"; {len(report.excluded)} files are left out, the first is {file}: {reason}"


def unvalidated(images: Images, split: Split, fraction: int = 100) -> list[str]:
    """The classes without an image in D_val if `fraction` percent are labeled.

    Raises:
        UserError: there are too few images for the split.
    """
    names = sorted(images.train)
    files = [file for name in names for file in images.train[name]]
    labels = np.repeat(np.arange(len(names)), [len(images.train[name]) for name in names])
    found = split_pool(
        labels,
        fraction=fraction,
        validation_fraction=None if images.validation else split.validation_fraction,
        seed=split.seed,
        stratified=split.validation == "stratified",
        groups=groups.numbered(files, images.groups),
    )
    there = {names[label] for label in labels[found["validation"]]} | set(images.validation)
    return [name for name in names if name not in there]


def summary(
    report: Report,
    split: Split,
    fraction: int = 100,
    values: tuple[float, float] | None = None,
) -> str:
    """A check in a few lines.

    Args:
        report: what is summed up.
        split: how D_val is taken.
        fraction: percent of the training images that are labeled.
        values: what is black and white in images of more than 8 bits; None takes their own range.
    """
    dataset, (train, test) = report.listed.dataset, report.counts
    given = {name: len(files) for name, files in report.images.validation.items()}
    validation = f", {sum(given.values())} validation" if given else ""
    lines = [
        f"{dataset.title}: {train.total()} training{validation} and {test.total()} test images of "
        f"{len(train)} classes, {len(report.images.unlabeled)} unlabeled"
    ]
    understood = parts.layout(dataset)
    lines += [f"folders: {understood}"] if understood else []
    if count := parts.without_split(dataset):
        lines.append(f"no split: {count} row{'s' * (count > 1)}, read as train")
    inner = parts.nested(dataset, list(report.images.labels))
    if inner:
        count = len(inner)
        lines.append(
            f"nested: {count} folder{'s' * (count > 1)} inside of classes, such as {inner[0]}, "
            "read as their class"
        )
    names = sorted(train, key=lambda name: (train[name], name))
    width = max(map(len, names[:CLASSES_SHOWN]), default=0)
    shown = sorted(names[:CLASSES_SHOWN])
    for name in shown:
        middle = f" + {given.get(name, 0):>4}" if given else ""
        lines.append(f"  {name:<{width}}  {train[name]:>5}{middle} + {test[name]:>4}")
    if len(names) > CLASSES_SHOWN:
        lines.append(f"  ... and {len(names) - CLASSES_SHOWN} larger classes")
    lines += report.looks.lines(values)
    if others := parts.other_files(dataset):
        lines.append(f"no pictures: {in_words(others)}")
    if report.images.groups:
        lines.append(f"groups: {_groups(report.images)}; none has images on two sides")
    untested = [name for name in names if not test[name]]
    lines += _of_classes("no test image of", untested, KEPT)
    if loose := parts.loose_pictures(dataset):
        lines.append(
            f"warning: beside the folders of classes, without a label, not used: {len(loose)}, "
            f"such as {loose[0]}"
        )
    for folder in parts.left_aside(dataset):
        count = len(list_files(folder).pictures)
        lines.append(
            f"left aside: {folder}, {count} images; --unlabeled {folder} makes them unlabeled ones"
        )
    lost = sorted(set(report.listed.classes) - set(train))
    lines += _of_classes("all images are left out of", lost)
    lines += _of_classes("no picture is in", parts.empty_folders(dataset, report.listed.classes))
    try:
        without = unvalidated(report.images, split, fraction)
        lines += _of_classes("no validation image of", without, "" if given else KEPT)
    except UserError as error:
        lines.append(f"warning: {error}")
    if len(names) > 1 and train[names[-1]] >= 10 * train[names[0]]:
        lines.append(
            f"warning: unbalanced: {train[names[-1]]} images of {names[-1]}, "
            f"{train[names[0]]} of {names[0]} (training.labeled_sampling: balanced shows each "
            "class equally often)"
        )
    lines += _near_lines(report)
    if report.excluded:
        count = len(report.excluded)
        lines.append(f"left out: {count} file{'s' if count > 1 else ''}")
        lines += _files(report.excluded)
    return "\n".join(lines).replace(f"{Path.cwd()}/", "")  # as short as a person would say it


def _groups(images: Images) -> str:
    """How many groups are for training, for a given D_val and for the test."""
    counts = {p: len({images.groups.get(f, f) for f in fs}) for p, fs in images.parts.items()}
    validation = f"{counts['validation']} for validation, " if images.validation else ""
    return f"{counts['training']} for training, {validation}{counts['test']} for the test"


def _near_lines(report: Report) -> list[str]:
    """What is said of test pictures that were saved again, or too often."""
    keeps = report.listed.dataset.near_duplicates == "keep"
    reasons = (report.near if keeps else report.excluded).values()
    again = [reason for reason in reasons if reason.endswith(AGAIN)]
    held = "test or validation" if report.images.validation else "test"
    found = []
    if report.near and keeps:
        found.append(f"warning: {held} pictures, saved again: {len(report.near)}, kept")
        found += _files(report.near)
    if report.mislabeled:
        count = len(report.mislabeled)
        found.append(f"warning: nearly {held} pictures, but of another class: {count}, kept")
        found += _files(report.mislabeled)
    if len(again) > MANY * len(report.images.parts["training"]):
        found.append(
            f"warning: {len(again)} pictures are {held} pictures, saved again: those of one film "
            "or session are not left out if group_by names it"
        )
    return found


def _files(reasons: dict[Path, str]) -> list[str]:
    files = list(reasons)
    return [f"  {f}: {reasons[f]}" for f in files[:SHOWN]] + ["  ..."] * (len(files) > SHOWN)


def _of_classes(what: str, names: list[str], done: str = "") -> list[str]:
    return [f"warning: {what} {', '.join(names[:SHOWN])}{_more(names)}{done}"] if names else []


def _more(names: Iterable) -> str:
    count = len(list(names))
    return f" and {count - SHOWN} more" if count > SHOWN else ""

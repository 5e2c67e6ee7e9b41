"""`mpssl init`: a configuration for the user's own images, and a check of them."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import yaml

from mpssl.common.errors import UserError
from mpssl.common.files import csv_text, write_text
from mpssl.config import reading
from mpssl.config.data import ImageFolder
from mpssl.data import folder, pictures
from mpssl.shipped import OWN_DATA_TEMPLATE, PRESETS, SCHEMA, shipped_classifiers
from mpssl.tools.looks import Looks, write_sheet

SHIPPED_CLASSIFIER = "classifier: {kind: shipped}"
TRAINED_CLASSIFIER = "classifier: {kind: trained, steps: 2000}"
PACKING = re.compile(r"^packing: \{(.*)\}$", re.MULTILINE)
COPIED_FROM_HERE = "# `mpssl init` copies the rest of this file.\n"
CONTROLS = ("control/weak", "control/scr", "control/freematch")
GENERATIVE = ("generative/naive_gssl", "generative/pssl", "generative/mpssl")
ORACLE = ("oracle/uda", "oracle/fixmatch", "oracle/freematch")
SHOWN = 5  # files named in the summary, of each kind
CLASSES_SHOWN = 20


@dataclass
class Report:
    """What a check of the images found."""

    train: Counter
    test: Counter
    unlabeled: int
    excluded: dict[Path, str] = field(default_factory=dict)
    """Files to leave out, each with the reason."""
    others: Counter = field(default_factory=Counter)
    """Files that are no pictures, by suffix."""
    looks: Looks = field(default_factory=Looks)
    """What kinds of pictures they are."""


def check(dataset: ImageFolder) -> Report:
    """Read every image: which are unreadable, and which are the same picture twice.

    Of equal pictures in one part the first stays; of equal ones in training and test the test
    image; of equal ones with different labels none.

    Raises:
        UserError: no image is left.
    """
    train, test, unlabeled = folder.list_images(dataset)
    listed = [("test", name, f) for name, files in test.items() for f in files]
    listed += [("training", name, f) for name, files in train.items() for f in files]
    listed += [("unlabeled", "", f) for f in unlabeled]
    groups: dict[str, list[tuple[str, str, Path]]] = {}
    report = Report(Counter(), Counter(), 0, others=folder.other_files(dataset))
    for part, name, file in listed:
        try:
            digest = report.looks.take(pictures.open_upright(file), file)
        except UserError as error:
            report.excluded[file] = str(error).rpartition(";")[0] or str(error)
            continue
        groups.setdefault(digest, []).append((part, name, file))
    for group in groups.values():
        _judge(group, report)
    return report


def _judge(group: list[tuple[str, str, Path]], report: Report) -> None:
    """Count the first of a group of equal pictures, the test's if it has one; exclude the rest."""
    labels = sorted({name for part, name, _ in group if part != "unlabeled"})
    if len(labels) > 1:
        for _, _, file in group:
            report.excluded[file] = f"the same picture has the labels {' and '.join(labels)}"
        return
    part, name, kept = group[0]
    if part == "unlabeled":
        report.unlabeled += 1
    else:
        (report.test if part == "test" else report.train)[name] += 1
    for other, _, file in group[1:]:
        where = "" if other == part else f" of the {part} images"
        report.excluded[file] = f"the same picture as {kept}{where}"


def summary(dataset: ImageFolder, report: Report) -> str:
    """A check in a few lines."""
    train, test = report.train, report.test
    lines = [
        f"{dataset.title}: {train.total()} training and {test.total()} test images of "
        f"{len(train)} classes, {report.unlabeled} unlabeled"
    ]
    understood = folder.layout(dataset)
    lines += [f"folders: {understood}"] if understood else []
    names = sorted(train, key=lambda name: (train[name], name))
    width = max(map(len, names[:CLASSES_SHOWN]), default=0)
    shown = sorted(names[:CLASSES_SHOWN])
    lines += [f"  {name:<{width}}  {train[name]:>5} + {test[name]:>4}" for name in shown]
    if len(names) > CLASSES_SHOWN:
        lines.append(f"  ... and {len(names) - CLASSES_SHOWN} larger classes")
    lines += report.looks.lines()
    if report.others:
        counts = ", ".join(
            f"{n} {suffix or 'without suffix'}" for suffix, n in report.others.most_common(SHOWN)
        )
        lines.append(f"no pictures: {counts}{_more(list(report.others))}")
    untested = [name for name in names if not test[name]]
    if untested:
        lines.append(f"warning: no test image of {', '.join(untested[:SHOWN])}{_more(untested)}")
    if len(names) > 1 and train[names[-1]] >= 10 * train[names[0]]:
        lines.append(
            f"warning: unbalanced: {train[names[-1]]} images of {names[-1]}, "
            f"{train[names[0]]} of {names[0]} (training.labeled_sampling: balanced shows each "
            "class equally often)"
        )
    if report.excluded:
        count = len(report.excluded)
        lines.append(f"left out: {count} file{'s' if count > 1 else ''}")
        files = list(report.excluded)
        lines += [f"  {f}: {report.excluded[f]}" for f in files[:SHOWN]]
        lines += ["  ..."] if len(files) > SHOWN else []
    return "\n".join(lines)


def _more(names: list) -> str:
    return f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""


def initialize(
    project: Path,
    images: Path,
    test: Path | None,
    unlabeled: Path | None,
    foundation: str,
    architecture: str | None,
) -> str:
    """Check the images, write PROJECT/config.yaml (and excluded.csv); returns the summary.

    Raises:
        UserError: PROJECT has a configuration already, or the images are too few.
    """
    target = project / "config.yaml"
    if target.exists():
        raise UserError(f"{target} is there already; edit it, or delete it to begin again")
    name = re.sub(r"[^a-z0-9_.-]+", "-", project.resolve().name.lower()).strip("-_.")
    if not name:
        raise UserError(f"'{project.name}' has no letter a-z or digit to name the results by")
    places = {
        "path": images.absolute(),
        "test": test and test.absolute(),
        "unlabeled": unlabeled and unlabeled.absolute(),
    }
    dataset = ImageFolder(adapter="folder", title=project.resolve().name, **places)
    report = check(dataset)
    if report.excluded:
        places["exclude"] = (project / "excluded.csv").absolute()
    _enough(report, dataset.title)
    values = report.looks.values
    entry = {"adapter": "folder", "title": dataset.title}
    entry |= {key: str(value) for key, value in places.items() if value is not None}
    text = _configuration(name, entry, foundation, architecture, unlabeled is not None, values)
    config = reading.resolve(yaml.safe_load(text), where=str(target))
    if report.excluded:
        rows = [{"file": f, "reason": reason} for f, reason in report.excluded.items()]
        write_text(places["exclude"], csv_text(rows))
        train, test_files, _ = folder.list_images(ImageFolder.model_validate(entry))
        report.train = Counter({label: len(files) for label, files in train.items()})
        report.test = Counter({label: len(files) for label, files in test_files.items()})
    write_sheet(project / "images.png", report.looks, config.packing)
    write_text(target, text)
    return (
        f"{summary(dataset, report)}\n{project / 'images.png'} shows some as the network sees them"
    )


def _enough(report: Report, title: str) -> None:
    """Raise UserError where nothing can be learned from so few images."""
    left_out = ""
    if report.excluded:
        reason = next(iter(report.excluded.values()))
        left_out = f"; {len(report.excluded)} files are left out, the first because {reason}"
    if len(report.train) < 2:
        raise UserError(f"{title}: training images of two classes are needed{left_out}")
    if report.train.total() < 2 * len(report.train) and report.train.total() < 4:
        raise UserError(f"{title}: {report.train.total()} training images are too few{left_out}")
    if not report.test:
        raise UserError(f"{title}: no test image is left{left_out}")


def _configuration(
    name: str,
    entry: dict,
    foundation: str,
    architecture: str | None,
    with_oracle: bool,
    values: list[float] | None,
) -> str:
    """The text of a configuration: the template filled, the end of a shipped experiment in it.

    An architecture without a shipped foundation classifier gets one that is trained on glyphs.

    Raises:
        UserError: that data set of glyphs has this name.
    """
    text = (PRESETS / f"{foundation}.yaml").read_text()
    small, preset = foundation == "small", text.partition(COPIED_FROM_HERE)[2].rstrip()
    datasets = {}
    if small and architecture not in (None, *shipped_classifiers()):
        datasets = {"glyphs": yaml.safe_load(text)["datasets"]["glyphs"]}
        preset = preset.replace(SHIPPED_CLASSIFIER, TRAINED_CLASSIFIER)
    if values is not None:
        line = f"values: [{values[0]:g}, {values[1]:g}]"
        preset, count = PACKING.subn(rf"packing: {{\1, {line}}}", preset)
        preset += "" if count else f"\n\npacking: {{{line}}}"
    if name in datasets:
        raise UserError(
            f"the data set {name} is that of the small foundation classifier; take another name"
        )
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = _as_yaml
    return environment.from_string(OWN_DATA_TEMPLATE.read_text()).render(
        schema=SCHEMA,
        name=name,
        datasets={name: entry, **datasets},
        rows=CONTROLS + GENERATIVE + (ORACLE if with_oracle else ()),
        architecture=architecture,
        small=small,
        preset=preset,
    )


def _as_yaml(content: Any) -> str:
    """A mapping, or one value as it is written in a line."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").rstrip()

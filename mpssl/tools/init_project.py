"""`mpssl init`: a configuration for the user's own images, and a check of them."""

import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import jinja2
import yaml
from pydantic import ValidationError

from mpssl.common.errors import UserError
from mpssl.common.files import make_folder, write_text
from mpssl.config import reading
from mpssl.config.data import ImageFolder
from mpssl.data.excluded import add_excluded
from mpssl.plan.claim import is_free
from mpssl.shipped import OWN_DATA_TEMPLATE, PRESETS, SCHEMA, SHIPPED, shipped_classifiers
from mpssl.tools.check import Report, check, left_out, summary, unvalidated
from mpssl.tools.looks import write_sheet

REPOSITORY = SHIPPED.parent.parent  # where the package is installed as a wheel, it has no Snakefile
SHIPPED_CLASSIFIER = "classifier: {kind: shipped}"
TRAINED_CLASSIFIER = "classifier: {kind: trained, steps: 2000}"
PACKING = re.compile(r"^packing: \{(.*)\}$", re.MULTILINE)
COPIED_FROM_HERE = "# `mpssl init` copies the rest of this file.\n"
CONTROLS = ("control/weak", "control/longer", "control/scr", "control/freematch")
GENERATIVE = (
    "generative/naive_gssl",
    "generative/pssl",
    "generative/scr/pseudo",
    "generative/mpssl",
)
OF_A_POOL = ("generative/supervised", "generative/scr/mapped", "generative/naive_gssl/mapped")
GENERATOR = re.compile(r"^  generator:.*\n(?:    .*\n)*", re.MULTILINE)
# The pools of text-to-image models by the foundation's name; licences are in docs/generators.md.
MODELS_OF_TEXTS = {
    "sd-turbo": ("stabilityai/sd-turbo", "b261bac6fd2cf515557d5d0707481eafa0485ec2"),
}
ORACLE = ("oracle/uda", "oracle/fixmatch", "oracle/freematch")


def initialize(
    project: Path,
    images: Path,
    *,
    test: Path | None = None,
    unlabeled: Path | None = None,
    foundation: str,
    architecture: str | None = None,
    **more: Any,
) -> str:
    """Check the images, write PROJECT/config.yaml and excluded.csv; returns the summary.

    `more` are further keys of the data set, see `ImageFolder`.

    Raises:
        UserError: PROJECT has a configuration already or cannot be made, or the images are too few.
    """
    target = project / "config.yaml"
    if target.exists():
        raise UserError(f"{target} is there already; edit it, or delete it to begin again")
    name = _experiment(project)
    keys = {"path": images, "test": test, "unlabeled": unlabeled} | more
    keys = {
        key: _written(value, project) if isinstance(value, Path) else value
        for key, value in keys.items()
        if value is not None
    }
    entry = {"adapter": "folder", "title": project.resolve().name} | keys
    dataset = _dataset(entry, project)
    _refuse_inside(project, dataset)
    report = check(dataset)
    _enough(report)
    excluded = (project / "excluded.csv").absolute()
    entry["exclude"] = f"./{excluded.name}"
    values = report.looks.values
    classes = sorted(report.counts[0])
    with_oracle = unlabeled is not None
    text = _configuration(name, entry, foundation, architecture, with_oracle, values, classes)
    config = reading.resolve(yaml.safe_load(text), where=str(target), base=project)
    unvalidated(report.images, config.split)  # refuses too few images
    make_folder(project)
    add_excluded(excluded, report.listed.dataset, report.excluded)
    write_sheet(project / "images.png", report.looks, config.packing)
    write_text(target, text)
    found = summary(report, config.split)
    return f"{found}\n{project / 'images.png'} shows some as the network sees them"


def commands(project: Path) -> list[str]:
    """What a person may type next, where they stand."""
    config = shlex.quote(str(project / "config.yaml"))
    snakefile, where = REPOSITORY / "Snakefile", ""
    if snakefile.exists() and snakefile.parent != Path.cwd():
        where = f"--snakefile {shlex.quote(str(snakefile))} "
    return [
        f"mpssl plan --config {config}",
        f"snakemake {where}--cores all --configfile {config}",
    ]


def _experiment(project: Path) -> str:
    """A name for the results that no other project has where the user stands.

    Raises:
        UserError: the project's name has no letter or digit, or is that of a shipped experiment.
    """
    name = re.sub(r"[^a-z0-9_.-]+", "-", project.resolve().name.lower()).strip("-_.")
    if not name:
        raise UserError(f"'{project.name}' has no letter a-z or digit to name the results by")
    for file in sorted((REPOSITORY / "config").glob("*.yaml")):
        if reading.read_yaml(file).get("experiment") == name:
            raise UserError(
                f"results/{name} has the results of config/{file.name}; take another name"
            )
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(found for found in names if is_free(Path("results") / found, project))


def _written(place: Path, project: Path) -> str:
    """A place as the configuration names it: from the project on if it is inside."""
    place, project = place.absolute(), project.absolute()
    inside = place.is_relative_to(project)
    return f"./{place.relative_to(project)}" if inside else str(place)


def _dataset(entry: dict, project: Path) -> ImageFolder:
    """The data set of an entry of the configuration."""
    try:
        return ImageFolder.model_validate(entry, context={"base": project.absolute()})
    except ValidationError as error:
        raise UserError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _refuse_inside(project: Path, dataset: ImageFolder) -> None:
    """Raise UserError if what is written would be taken for images: images.png, results/."""
    for place in (dataset.path, dataset.test, dataset.unlabeled):
        if place is None or not place.is_dir():
            continue
        if project.resolve().is_relative_to(place.resolve()):
            raise UserError(f"the project {project} is inside the images' folder {place}; move it")
        if Path.cwd().is_relative_to(place.resolve()):
            raise UserError(
                f"results go to where you are, which is inside the images' folder {place}; change "
                "to another folder first"
            )


def _enough(report: Report) -> None:
    """Raise UserError where nothing can be learned from so few images."""
    title, (train, _) = report.listed.dataset.title, report.counts
    if len(train) < 2:
        raise UserError(f"{title}: training images of two classes are needed{left_out(report)}")
    if train.total() < 2 * len(train) and train.total() < 4:
        few = f"{title}: {train.total()} training images are too few"
        raise UserError(f"{few}{left_out(report)}")


def _configuration(
    name: str,
    entry: dict,
    foundation: str,
    architecture: str | None,
    with_oracle: bool,
    values: list[float] | None,
    classes: list[str],
) -> str:
    """The text of a configuration: the template filled, the end of a shipped experiment in it.

    An architecture without a shipped foundation classifier gets one that is trained on glyphs.

    Raises:
        UserError: that data set of glyphs has this name.
    """
    of_texts = foundation in MODELS_OF_TEXTS
    text = (PRESETS / f"{'biggan-deep-256' if of_texts else foundation}.yaml").read_text()
    small, preset = foundation == "small", text.partition(COPIED_FROM_HERE)[2].rstrip()
    datasets = {}
    if small and architecture not in (None, *shipped_classifiers()):
        datasets = {"glyphs": yaml.safe_load(text)["datasets"]["glyphs"]}
        preset = preset.replace(SHIPPED_CLASSIFIER, TRAINED_CLASSIFIER)
    if of_texts:
        pool = _pool(name, *MODELS_OF_TEXTS[foundation], classes)
        preset = GENERATOR.sub(lambda _: pool, preset, count=1)
    if values is not None:
        line = f"values: [{values[0]:g}, {values[1]:g}]"
        preset, count = PACKING.subn(rf"packing: {{\1, {line}}}", preset)
        preset += "" if count else f"\n\npacking: {{{line}}}"
    if name in datasets:
        raise UserError(
            f"the data set {name} is that of the small foundation classifier; take another name"
        )
    generative = OF_A_POOL if of_texts else GENERATIVE
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
        rows=CONTROLS + generative + (ORACLE if with_oracle else ()),
        shown=generative[:1] if of_texts else generative[1:],
        architecture=architecture,
        small=small,
        preset=preset,
    )


def _pool(name: str, model: str, revision: str, classes: list[str]) -> str:
    """The generator of a configuration whose images a text-to-image model makes of class names."""
    words = {name: re.sub(r"[_\-.]+", " ", name).strip() or name for name in classes}
    prompts = {"templates": ["a photo of a {class}", "a close-up photo of a {class}"]}
    network = {"kind": "diffusers", "model": model, "revision": revision, "steps": 1}
    make = {"generator": network | {"prompts": prompts | {"classes": words}}}
    make |= {"images_per_class": 100}
    pool = {"kind": "images", "path": f"resources/{name}/generated", "make": make}
    lines = _as_yaml({"generator": pool}).splitlines()
    at = next(k for k, line in enumerate(lines) if line.strip() == "classes:")
    lines[at] += " # what a prompt calls each class: say more where a name is no plain word"
    return "".join(f"  {line}\n" for line in lines)


def _as_yaml(content: Any) -> str:
    """A mapping, or one value as it is written in a line."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").rstrip()

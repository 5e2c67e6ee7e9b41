"""The answer for one's own data: do synthetic images help, how surely, and which model to take."""

import shutil
from dataclasses import asdict, dataclass
from statistics import mean, stdev

import pandas as pd

from mpssl.common.files import atomic, write_text
from mpssl.plan.cells import Column
from mpssl.plan.experiment import Experiment
from mpssl.results import by_class
from mpssl.results.by_class import ByClass, Classes
from mpssl.results.cautions import domain_of, doubt, far
from mpssl.results.comparison import CONFIDENCE, Difference
from mpssl.results.gains import (
    HELPS,
    HURTS,
    OPEN,
    Compared,
    Outcome,
    bounds,
    choose,
    difference_of,
    one_image,
    outcome,
    verdict,
)
from mpssl.results.records import Records, verified_file
from mpssl.results.tables import column_titles


@dataclass(frozen=True)
class Answered:
    """What there is to say of one data set, label fraction and architecture."""

    title: str
    found: Outcome
    classes: Classes
    accuracies: list[ByClass]
    """By class, of each of the outcome's entries."""

    @property
    def chosen(self) -> Compared:
        """The method to take here."""
        return choose(self.found.entries)

    def of(self, entry: Compared) -> ByClass:
        """The accuracies by class of one of the entries."""
        places = [other.cell for other in self.found.entries]
        return self.accuracies[places.index(entry.cell)]


def make_answer(experiment: Experiment) -> None:
    """Write answer.md, answer.csv and model.safetensors, a copy of the chosen model file.

    Raises:
        UserError: a run is missing or damaged, or does not belong to the others.
    """
    config, plan, paths = experiment.config, experiment.plan, experiment.paths
    columns, records = plan.product(config.answer), Records(experiment, plan.answer_cells())
    titles = column_titles(config, columns)
    answered = [_answered(records, *column) for column in zip(titles, columns, strict=True)]
    lines = [_tidy(records, one, entry) for one in answered for entry in one.found.entries]
    with atomic(paths.answer("csv")) as path:
        pd.DataFrame(lines).to_csv(path, index=False)
    best = choose([one.chosen for one in answered])
    (where,) = (one for one in answered if one.chosen is best)
    with atomic(paths.chosen_model) as path:
        files = paths.run(best.best.run)
        shutil.copyfile(verified_file(best.best, files, files.model), path)
    parts = ["\n".join(_column(experiment, one)) for one in answered]
    write_text(paths.answer("md"), "\n".join([*parts, *_model(experiment, where)]) + "\n")


def _answered(records: Records, title: str, column: Column) -> Answered:
    experiment, found = records.experiment, outcome(records, column)
    classes = by_class.classes_of(experiment, found.entries[0].best)
    count = len(classes.names)
    accuracies = [by_class.by_class(experiment, entry, count) for entry in found.entries]
    return Answered(title, found, classes, accuracies)


def _column(experiment: Experiment, answered: Answered) -> list[str]:
    """The answer on one data set, label fraction and architecture."""
    found = answered.found
    domain = domain_of(experiment, found.column)
    lines = [f"# Does synthetic data help on {answered.title}?", "", _sentence(found, domain), ""]
    lines += [
        f"- {g.words}: {_points(g.difference)} ({g.ours.label}, against {g.other.label})."
        for g in found.gains
    ]
    lines += [""] if found.gains else []
    if domain and not domain["far"]:
        lines += [f"{domain['verdict'][0].upper()}{domain['verdict'][1:]}.", ""]
    lines += [
        "| method | validation | test | balanced | difference to base [95 %] |",
        "|---|---|---|---|---|",
    ]
    for e in found.entries:
        spread = f" ± {stdev(e.accuracies):.1f}" if len(e.accuracies) > 1 else ""
        difference = _points(e.difference, "") if e.difference else ""
        lines.append(
            f"| {e.label} | {e.validation:.1f} | {mean(e.accuracies):.1f}{spread} | "
            f"{answered.of(e).balanced:.1f} | {difference} |"
        )
    return [*lines, "", _note(found), "", *_classes(answered), ""]


def _note(found: Outcome) -> str:
    """What the numbers mean."""
    seeds = len(found.control.runs)
    parts = [
        f"Accuracies are in percent{f', means over {seeds} seeds' if seeds > 1 else ''}"
        f"{' ± standard deviation' if seeds > 1 else ''}; the balanced one is the mean over the "
        "classes of the test images."
    ]
    if seeds < 2:
        return f"{parts[0]} One seed gives no interval."
    parts.append(
        f"Differences are paired by seed. Their intervals (Student's t, {CONFIDENCE:.0%}) cover "
        "another training and another set of as many test images. Each interval is for itself: "
        "among several methods one may exclude zero by chance."
    )
    differences = [e.difference for e in found.entries if e.difference and e.difference.known]
    differences += [gain.difference for gain in found.gains if gain.difference.known]
    if any(bounds(d) != (d.low, d.high) for d in differences):
        parts.append(
            f"With {differences[0].images} test images one image is "
            f"{one_image(differences[0]):.1f} points; no end of an interval is nearer than that."
        )
    return " ".join(parts)


def _classes(answered: Answered) -> list[str]:
    """The accuracies by class of the base model and of the method to take."""
    base, chosen = answered.found.entries[0], answered.chosen
    shown = [base] if chosen is base else [base, chosen]
    lines = ["## Accuracy of each class", ""]
    lines += by_class.table(answered.classes, [(e.label, answered.of(e)) for e in shown])
    for sentence in by_class.absent(answered.classes):
        lines += ["", sentence]
    return lines


def _sentence(found: Outcome, domain: dict | None) -> str:
    """Yes, no or open, for the generative method that validation alone would choose."""
    gain = found.verdict
    if gain is None:
        return "No generative method was asked for."
    word = {HELPS: "Yes", HURTS: "No, it hurts", OPEN: "Not decided"}[verdict(gain.difference)]
    generative = [e for e in found.entries if e.setting == "generative"]
    chosen = ", of the generative methods the best on validation," if len(generative) > 1 else ""
    controls = [e for e in found.entries if e.setting == "control"]
    rival = ", the best on validation of base model and controls" if controls else ""
    d = gain.difference
    distance = far(domain)
    parts = [
        *(["**{}**: {}".format(*distance)] if distance else []),
        f"**{word}**: {gain.ours.label}{chosen} changes test accuracy by {_points(d)} against "
        f"{gain.other.label}{rival} ({d.seeds} seeds, {d.images} test images).",
    ]
    if not controls:
        parts.append(
            "No control was asked for, so nothing tells what the images give from what strong "
            "augmentation and consistency give."
        )
    if caution := doubt(gain.ours):
        parts.append(caution)
    return " ".join(parts)


def _points(difference: Difference, unit: str = " points") -> str:
    """A difference in points with its interval."""
    if not difference.seeds:
        return "not known, as the only seed is that of the search"
    effect = f"{round(difference.effect, 9) + 0.0:+.1f}{unit}"  # no -0.0
    if not difference.known:
        return effect
    low, high = bounds(difference)
    return f"{effect} [{low:+.1f}, {high:+.1f}]"


def _model(experiment: Experiment, answered: Answered) -> list[str]:
    paths, chosen = experiment.paths, answered.chosen
    classes, caution = answered.classes, doubt(chosen)
    confusion = by_class.confusion_of(experiment, chosen.best, len(classes.names))
    lines = [
        "## Which model to take",
        "",
        f"`{paths.chosen_model}`: {chosen.label}, the best mean validation accuracy "
        f"({chosen.validation:.1f} %), and of its seeds the best one "
        f"(`{paths.link(chosen.best.run)}`, test accuracy "
        f"{chosen.best.test_accuracy:.1f} %, balanced {confusion.balanced:.1f} %). The test images "
        "did not take part in the choice." + (f" {caution}" if caution else ""),
    ]
    for warning in by_class.warnings(classes, confusion, "This model"):
        lines += ["", warning]
    return [*lines, "", f"    mpssl predict {paths.chosen_model} IMAGES..."]


def _tidy(records: Records, answered: Answered, e: Compared) -> dict:
    """A line of answer.csv: the difference to base and to the best control, and every class."""
    found, to_control = answered.found, None
    if e is not found.control:
        to_control = difference_of(records, e.cell, found.control.cell)
    numbers = {
        f"{key}_{name}": value
        for name, difference in (("base", e.difference), ("control", to_control))
        for key, value in _numbers(difference).items()
    }
    accuracies = answered.of(e)
    return {
        **asdict(e.cell),
        "seeds": len(e.runs),
        "validation_mean": e.validation,
        "test_mean": mean(e.accuracies),
        "balanced_mean": accuracies.balanced,
        **numbers,
        "control": found.control.cell.id,
        "verdict": verdict(to_control) if to_control else "",
        "best_run": str(records.experiment.paths.link(e.best.run)),
        **{
            f"accuracy of {name}": accuracy
            for name, accuracy in zip(answered.classes.names, accuracies.accuracy, strict=True)
        },
    }


def _numbers(difference: Difference | None) -> dict:
    """The numbers of a difference in answer.csv."""
    keys = ("effect", "low", "high", "seeds_low", "seeds_high")
    if difference is None:
        return dict.fromkeys(keys)
    numbers = difference.effect, *bounds(difference), difference.seeds_low, difference.seeds_high
    return dict(zip(keys, numbers, strict=True))

"""The answer for one's own data: do synthetic images help, how surely, and which model to take."""

import shutil
from dataclasses import asdict
from statistics import mean, stdev

import pandas as pd

from mpssl.common.files import atomic, read_made, write_text
from mpssl.plan.cells import Column
from mpssl.plan.experiment import Experiment
from mpssl.results.comparison import CONFIDENCE, Difference
from mpssl.results.gains import (
    HELPS,
    HURTS,
    OPEN,
    Compared,
    Outcome,
    choose,
    difference_of,
    outcome,
    verdict,
)
from mpssl.results.records import Records, verified_file
from mpssl.results.tables import column_titles


def make_answer(experiment: Experiment) -> None:
    """Write answer.md, answer.csv and model.safetensors, a copy of the chosen model file.

    Raises:
        UserError: a run is missing or damaged, or does not belong to the others.
    """
    config, plan, paths = experiment.config, experiment.plan, experiment.paths
    columns, records = plan.product(config.answer), Records(experiment, plan.answer_cells())
    outcomes = [outcome(records, column) for column in columns]
    lines = [_tidy(records, found, entry) for found in outcomes for entry in found.entries]
    with atomic(paths.answer("csv")) as path:
        pd.DataFrame(lines).to_csv(path, index=False)
    chosen = choose([entry for found in outcomes for entry in found.entries])
    with atomic(paths.chosen_model) as path:
        files = paths.run(chosen.best.run)
        shutil.copyfile(verified_file(chosen.best, files, files.model), path)
    parts = [
        "\n".join(_column(experiment, title, found))
        for found, title in zip(outcomes, column_titles(config, columns), strict=True)
    ]
    write_text(paths.answer("md"), "\n".join([*parts, *_model(experiment, chosen)]) + "\n")


def _column(experiment: Experiment, title: str, found: Outcome) -> list[str]:
    """The answer on one data set, label fraction and architecture."""
    domain = _domain(experiment, found.column)
    lines = [f"# Does synthetic data help on {title}?", "", _sentence(found, domain), ""]
    lines += [
        f"- {g.words}: {_points(g.difference)} ({g.ours.label}, against {g.other.label})."
        for g in found.gains
    ]
    lines += [""] if found.gains else []
    if domain and not domain["far"]:
        lines += [f"{domain['verdict'][0].upper()}{domain['verdict'][1:]}.", ""]
    lines += [
        "| method | validation | test | difference to base [95 %] |",
        "|---|---|---|---|",
    ]
    for e in found.entries:
        spread = f" ± {stdev(e.accuracies):.1f}" if len(e.accuracies) > 1 else ""
        difference = _points(e.difference, "") if e.difference else ""
        lines.append(
            f"| {e.label} | {e.validation:.1f} | {mean(e.accuracies):.1f}{spread} | {difference} |"
        )
    return [*lines, "", _note(found.control), ""]


def _note(entry: Compared) -> str:
    """What the numbers mean."""
    seeds = len(entry.runs)
    if seeds < 2:
        return "Accuracies are in percent. One seed gives no interval."
    return (
        f"Accuracies are in percent, means over {seeds} seeds ± standard deviation. Differences "
        f"are paired by seed. Their intervals (Student's t, {CONFIDENCE:.0%}) cover another "
        "training and another set of as many test images. Each interval is for itself: among "
        "several methods one may exclude zero by chance."
    )


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
    parts = [
        *([_far(domain)] if domain and domain["far"] else []),
        f"**{word}**: {gain.ours.label}{chosen} changes test accuracy by {_points(d)} against "
        f"{gain.other.label}{rival} ({d.seeds} seeds, {d.images} test images).",
    ]
    if not controls:
        parts.append(
            "No control was asked for, so nothing tells what the images give from what strong "
            "augmentation and consistency give."
        )
    if _learns_from_validation(gain.ours):
        parts.append(_doubt(gain.ours))
    return " ".join(parts)


def _learns_from_validation(entry: Compared) -> bool:
    """Whether the images that choose the epoch train phi and xi too."""
    lmo = entry.runs[0].settings.lmo
    return lmo is not None and lmo.validation_weight > 0 and lmo.validation_part == 1


def _doubt(entry: Compared) -> str:
    return (
        f"The validation images also train what {entry.label} asks of the generator, so its "
        "validation accuracy may be too high (`lmo.validation_part` keeps some of them apart)."
    )


def _points(difference: Difference, unit: str = " points") -> str:
    """A difference in points with its interval."""
    if not difference.seeds:
        return "not known, as the only seed is that of the search"
    effect = f"{round(difference.effect, 9) + 0.0:+.1f}{unit}"  # no -0.0
    if not difference.known:
        return effect
    return f"{effect} [{difference.low:+.1f}, {difference.high:+.1f}]"


def _domain(experiment: Experiment, column: Column) -> dict | None:
    """What was measured before training of the distance from the generator to the data."""
    if experiment.config.domain is None:
        return None
    path = experiment.paths.domain(column.dataset, column.architecture)
    return read_made(path) if path.exists() else None


def _far(found: dict) -> str:
    return (
        f"**The generator is far from your data**: its nearest image is {found['distance']:.2f} "
        f"times as far from one of yours as the nearest other of yours (above "
        f"{found['threshold']:g} is far). What follows says nothing of a nearer generator."
    )


def _model(experiment: Experiment, chosen: Compared) -> list[str]:
    paths = experiment.paths
    return [
        "## Which model to take",
        "",
        f"`{paths.chosen_model}`: {chosen.label}, the best mean validation accuracy "
        f"({chosen.validation:.1f} %), and of its seeds the best one "
        f"(`{paths.link(chosen.best.run)}`, test accuracy "
        f"{chosen.best.test_accuracy:.1f} %). The test images did not take part in the choice."
        + (f" {_doubt(chosen)}" if _learns_from_validation(chosen) else ""),
        "",
        f"    mpssl predict {paths.chosen_model} IMAGES...",
    ]


def _tidy(records: Records, found: Outcome, e: Compared) -> dict:
    """A line of answer.csv: the difference to base, and that to the best control."""
    to_control = None
    if e is not found.control:
        to_control = difference_of(records, e.cell, found.control.cell)
    numbers = {
        f"{key}_{name}": getattr(difference, key) if difference else None
        for name, difference in (("base", e.difference), ("control", to_control))
        for key in ("effect", "low", "high", "seeds_low", "seeds_high")
    }
    return {
        **asdict(e.cell),
        "seeds": len(e.runs),
        "validation_mean": e.validation,
        "test_mean": mean(e.accuracies),
        **numbers,
        "control": found.control.cell.id,
        "verdict": verdict(to_control) if to_control else "",
        "best_run": str(records.experiment.paths.link(e.best.run)),
    }

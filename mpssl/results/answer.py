"""The answer for one's own data: do synthetic images help, how surely, and which model to take."""

import math
import shutil
from dataclasses import asdict, dataclass
from statistics import mean, stdev

import pandas as pd

from mpssl.common.errors import UserError
from mpssl.common.files import atomic, read_made, write_text
from mpssl.config.fields import BASE_ROW
from mpssl.data import store
from mpssl.plan.cells import Cell, Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.comparison import CONFIDENCE, over_seeds
from mpssl.results.records import Records, verified_file
from mpssl.results.tables import column_titles, row_label
from mpssl.runs.record import RunRecord

HELPS, HURTS, OPEN = "helps", "hurts", "not decided"


@dataclass(frozen=True)
class Compared:
    """One method on one column."""

    column: Column
    cell: Cell
    label: str
    validation: list[float]
    test: list[float]
    effect: float
    """Mean difference of test accuracy to the base model, paired by seed, in points."""
    low: float
    high: float
    best: RunRecord
    """The record of the seed with the best validation accuracy, the first of those that tie."""

    @property
    def verdict(self) -> str:
        """Whether the interval of the difference excludes zero."""
        if self.cell.setting == "base":
            return ""
        return HELPS if self.low > 0 else HURTS if self.high < 0 else OPEN


def make_answer(experiment: Experiment) -> None:
    """Write answer.md, answer.csv and model.safetensors, a copy of the chosen model file.

    Raises:
        UserError: a run is missing or damaged, or does not belong to the others.
    """
    config, plan, paths = experiment.config, experiment.plan, experiment.paths
    columns, records = plan.product(config.answer), Records(experiment, plan.answer_cells())
    entries = {column: _entries(records, column) for column in columns}
    every = [entry for column in columns for entry in entries[column]]
    with atomic(paths.answer("csv")) as path:
        pd.DataFrame([_tidy(experiment, e) for e in every]).to_csv(path, index=False)
    chosen = choose(every)
    with atomic(paths.chosen_model) as path:
        files = paths.run(chosen.best.run)
        shutil.copyfile(verified_file(chosen.best, files, files.model), path)
    parts = [
        "\n".join(_column(experiment, title, entries[column]))
        for column, title in zip(columns, column_titles(config, columns), strict=True)
    ]
    write_text(paths.answer("md"), "\n".join([*parts, *_model(experiment, chosen)]) + "\n")


def choose(entries: list[Compared]) -> Compared:
    """The best mean validation accuracy, never the test's; the first of those that tie."""
    return max(entries, key=lambda e: round(mean(e.validation), 6))


def _entries(records: Records, column: Column) -> list[Compared]:
    config, found = records.experiment.config, []
    base: list[float] = []
    for row in [BASE_ROW, *config.answer.rows]:
        cell = cell_of(row, column)
        if records.plan.impossible(cell):
            continue
        runs = records.of(cell)
        if runs.missing:
            raise UserError(f"the run {runs.missing[0]} is missing; run snakemake to the end")
        test = [record.test_accuracy for record in runs.records]
        validation = [record.val_accuracy for record in runs.records]
        base = base or test
        differences = [a - b for a, b in zip(test, base, strict=True)]
        found_ = over_seeds(differences)
        low, high = found_.low, found_.high
        best = runs.records[validation.index(max(validation))]
        effect = round(mean(differences), 9) + 0.0  # no -0.0
        label = row_label(config, "", row)
        found.append(Compared(column, cell, label, validation, test, effect, low, high, best))
    return found


def _column(experiment: Experiment, title: str, entries: list[Compared]) -> list[str]:
    """The answer on one data set, label fraction and architecture."""
    base, column = entries[0], entries[0].column
    packed = store.load(experiment.paths.packed(column.dataset))
    tests, seeds = len(packed.test), len(base.test)
    lines = [f"# Does synthetic data help on {title}?", "", _sentence(entries, tests), ""]
    lines += _domain(experiment, column)
    lines += [
        "| method | validation | test | difference to base [95 %] | |",
        "|---|---|---|---|---|",
    ]
    for e in entries:
        spread = f" ± {stdev(e.test):.1f}" if seeds > 1 else ""
        difference = "" if e is base else f"{e.effect:+.1f}{_interval(e)}"
        lines.append(
            f"| {e.label} | {mean(e.validation):.1f} | {mean(e.test):.1f}{spread} | "
            f"{difference} | {e.verdict} |"
        )
    p = min(max(mean(base.test) / 100, 0.01), 0.99)
    sampling = 100 * math.sqrt(p * (1 - p) / tests)
    return [
        *lines,
        "",
        f"Accuracies in percent over {seeds} seeds (± standard deviation), intervals of the mean "
        f"difference paired by seed ({CONFIDENCE:.0%}, Student's t). They cover the chance in "
        f"training, not in which {tests} test images you have: one image is {100 / tests:.1f} "
        f"points, and another {tests} would move an accuracy by about {sampling:.1f}. Each "
        "interval stands for itself; among several methods one may exclude zero by chance.",
        "",
    ]


def _sentence(entries: list[Compared], tests: int) -> str:
    """Yes, no or open, for the generative method that validation alone would choose."""
    generative = [e for e in entries if e.cell.setting == "generative"]
    if not generative:
        return "No generative method was asked for."
    best = choose(generative)
    word = {HELPS: "Yes", HURTS: "No, it hurts", OPEN: "Not decided"}[best.verdict]
    return (
        f"**{word}**: {best.label}, of the generative methods the best on validation, changes "
        f"test accuracy by {best.effect:+.1f} points{_interval(best)} against the base model "
        f"({len(best.test)} seeds, {tests} test images)."
    )


def _interval(entry: Compared) -> str:
    return "" if math.isnan(entry.low) else f" [{entry.low:+.1f}, {entry.high:+.1f}]"


def _domain(experiment: Experiment, column: Column) -> list[str]:
    """What was measured before training."""
    path = experiment.paths.domain(column.dataset, column.architecture)
    if experiment.config.domain is None or not path.exists():
        return []
    verdict = read_made(path)["verdict"]
    return [f"{verdict[0].upper()}{verdict[1:]}.", ""]


def _model(experiment: Experiment, chosen: Compared) -> list[str]:
    paths = experiment.paths
    return [
        "## Which model to take",
        "",
        f"`{paths.chosen_model}`: {chosen.label}, the best mean validation accuracy "
        f"({mean(chosen.validation):.1f} %), and of its seeds the best one "
        f"(`{paths.run(chosen.best.run).folder}`, test accuracy "
        f"{chosen.best.test_accuracy:.1f} %). "
        "The test images did not take part in the choice.",
        "",
        f"    mpssl predict {paths.chosen_model} IMAGES...",
    ]


def _tidy(experiment: Experiment, e: Compared) -> dict:
    return {
        **asdict(e.cell),
        "seeds": len(e.test),
        "validation_mean": mean(e.validation),
        "test_mean": mean(e.test),
        "difference_to_base": e.effect,
        "low": e.low,
        "high": e.high,
        "verdict": e.verdict,
        "best_run": str(experiment.paths.run(e.best.run).folder),
    }

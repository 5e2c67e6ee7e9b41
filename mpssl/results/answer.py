"""The answer for one's own data: do synthetic images help, how surely, and which model to take."""

import math
import shutil
from dataclasses import dataclass
from statistics import mean, stdev

import pandas as pd

from mpssl.common.errors import UserError
from mpssl.common.files import atomic, read_made, write_text
from mpssl.config.experiment import Config
from mpssl.config.fields import BASE_ROW
from mpssl.data import store
from mpssl.plan.cells import Cell, Column, cell_of
from mpssl.plan.paths import Paths
from mpssl.plan.plan import Plan
from mpssl.results.claims import CONFIDENCE, paired_interval
from mpssl.results.records import Records, run_file
from mpssl.results.tables import column_titles, row_label

HELPS, HURTS, OPEN = "helps", "hurts", "not decided"


@dataclass(frozen=True)
class Entry:
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
    best: dict
    """The record of the seed with the best validation accuracy, of equals the first."""

    @property
    def verdict(self) -> str:
        """Whether the interval of the difference excludes zero."""
        if self.cell.setting == "base":
            return ""
        return HELPS if self.low > 0 else HURTS if self.high < 0 else OPEN


def make_answer(config: Config) -> None:
    """Write answer.md, answer.csv and model.safetensors, a copy of the chosen model file.

    Raises:
        UserError: a run is missing or damaged, or does not belong to the others.
    """
    plan, paths = Plan(config), Paths(config)
    columns, records = plan.product(config.answer), Records(config, plan.answer_cells())
    entries = {column: _entries(records, column) for column in columns}
    every = [entry for column in columns for entry in entries[column]]
    with atomic(paths.answer("csv")) as path:
        pd.DataFrame([_tidy(config, e) for e in every]).to_csv(path, index=False)
    chosen = choose(every)
    with atomic(paths.chosen_model) as path:
        shutil.copyfile(run_file(config, chosen.best, "model.safetensors"), path)
    parts = [
        "\n".join(_column(config, title, entries[column]))
        for column, title in zip(columns, column_titles(config, columns), strict=True)
    ]
    write_text(paths.answer("md"), "\n".join([*parts, *_model(config, chosen)]) + "\n")


def choose(entries: list[Entry]) -> Entry:
    """The best mean validation accuracy, never the test's; of equals the first, base before all."""
    return max(entries, key=lambda e: round(mean(e.validation), 6))


def _entries(records: Records, column: Column) -> list[Entry]:
    config, found = records.config, []
    base: list[float] = []
    for row in [BASE_ROW, *config.answer.rows]:
        cell = cell_of(row, column)
        if records.plan.impossible(cell):
            continue
        runs = records.of(cell)
        if runs.missing:
            raise UserError(f"the run {runs.missing[0]} is missing; run snakemake to the end")
        test = [record["test_accuracy"] for record in runs.records]
        validation = [record["val_accuracy"] for record in runs.records]
        base = base or test
        differences = [a - b for a, b in zip(test, base, strict=True)]
        low, high = paired_interval(differences)
        best = runs.records[validation.index(max(validation))]
        effect = round(mean(differences), 9) + 0.0  # no -0.0
        label = row_label(config, "", row)
        found.append(Entry(column, cell, label, validation, test, effect, low, high, best))
    return found


def _column(config: Config, title: str, entries: list[Entry]) -> list[str]:
    """The answer on one data set, label fraction and architecture."""
    base, column = entries[0], entries[0].column
    packed = store.load(Paths(config).packed(column.dataset))
    tests, seeds = len(packed.test), len(base.test)
    lines = [f"# Does synthetic data help on {title}?", "", _sentence(entries, tests), ""]
    lines += _domain(config, column)
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


def _sentence(entries: list[Entry], tests: int) -> str:
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


def _interval(entry: Entry) -> str:
    return "" if math.isnan(entry.low) else f" [{entry.low:+.1f}, {entry.high:+.1f}]"


def _domain(config: Config, column: Column) -> list[str]:
    """What was measured before training."""
    path = Paths(config).domain(column.dataset, column.architecture)
    if config.domain is None or not path.exists():
        return []
    verdict = read_made(path)["verdict"]
    return [f"{verdict[0].upper()}{verdict[1:]}.", ""]


def _model(config: Config, chosen: Entry) -> list[str]:
    paths = Paths(config)
    return [
        "## Which model to take",
        "",
        f"`{paths.chosen_model}`: {chosen.label}, the best mean validation accuracy "
        f"({mean(chosen.validation):.1f} %), and of its seeds the best one "
        f"(`{paths.run(chosen.best['run'])}`, test accuracy "
        f"{chosen.best['test_accuracy']:.1f} %). "
        "The test images did not take part in the choice.",
        "",
        f"    mpssl predict {paths.chosen_model} IMAGES...",
    ]


def _tidy(config: Config, e: Entry) -> dict:
    return {
        "dataset": e.cell.dataset,
        "fraction": e.cell.fraction,
        "architecture": e.cell.architecture,
        "setting": e.cell.setting,
        "method": e.cell.method,
        "variant": e.cell.variant,
        "seeds": len(e.test),
        "validation_mean": mean(e.validation),
        "test_mean": mean(e.test),
        "difference_to_base": e.effect,
        "low": e.low,
        "high": e.high,
        "verdict": e.verdict,
        "best_run": str(Paths(config).run(e.best["run"])),
    }

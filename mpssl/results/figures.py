"""Figures: dots (Figure 3), differences, accuracy over the label fraction, curves, and samples."""

from collections.abc import Callable, Sequence

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from mpssl.common.files import atomic
from mpssl.plan.cells import cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results import samples
from mpssl.results.comparison import compare
from mpssl.results.measures import (
    accuracies_of,
    deviation,
    mean_interval,
    validation_curves,
)
from mpssl.results.records import Records
from mpssl.results.style import MARKERS, OF_SETTING, STYLE, colour_of, number
from mpssl.results.tables import column_titles, row_label


def make_figure(experiment: Experiment, name: str) -> None:
    """Draw figure `name` as png and pdf, and write the numbers that it shows as csv.

    What has no finished runs is left out and said so.
    """
    with plt.rc_context(STYLE):
        records = Records(experiment, experiment.plan.cells(name))
        canvas, numbers = KINDS[experiment.config.figures[name].kind](records, name)
        with atomic(experiment.paths.figure(name, "csv")) as path:
            pd.DataFrame(numbers).to_csv(path, index=False)
        for suffix in ("png", "pdf"):
            with atomic(experiment.paths.figure(name, suffix)) as path:
                # Without the date the same runs give the same file.
                metadata = {"CreationDate": None} if suffix == "pdf" else None
                canvas.savefig(path, metadata=metadata)
        plt.close(canvas)


def _dots(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """Methods side by side for each column: means with their intervals, and each seed in pale."""
    config = records.experiment.config
    grid, columns = config.figures[name], records.plan.columns(name)
    canvas, axes = plt.subplots(figsize=(max(4.5, 1.7 * len(columns) + 1.5), 3.2))
    width, numbers = 0.8 / len(grid.rows), []
    for i, row in enumerate(grid.rows):
        shape = {"color": colour_of(row, i), "marker": MARKERS[i % len(MARKERS)], "ls": "none"}
        label = row_label(config, name, row)
        for j, column in enumerate(columns):
            values = accuracies_of(records, cell_of(row, column))
            if values is None:
                continue
            mean, (low, high) = float(values.mean()), mean_interval(values)
            line = number(row, column, mean=mean, std=deviation(values), low=low, high=high)
            numbers.append(line)
            at = j - 0.4 + (i + 0.5) * width
            axes.plot([at] * len(values), values, ms=3, alpha=0.35, **shape)
            spread = [[mean - low], [high - mean]]
            axes.errorbar(at, mean, spread, lw=1.2, capsize=2, ms=6, label=label, **shape)
            label = None  # one line of the legend
    axes.set_xticks(range(len(columns)), column_titles(config, columns))
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylabel("Test accuracy (%)")
    axes.set_title(f"{grid.title} ({columns[0].fraction} %)", loc="left", fontsize=11)
    _legend([axes])
    return canvas, numbers


def _differences(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """Paired differences to the first row with 95 % intervals, one panel a column."""
    config = records.experiment.config
    grid, columns, numbers = config.figures[name], records.plan.columns(name), []
    reference, *rows = grid.rows
    canvas, panels = plt.subplots(
        1,
        len(columns),
        figsize=(3.2 * len(columns) + 2.4, 0.28 * len(rows) + 1.2),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axes, column, title in zip(panels[0], columns, column_titles(config, columns), strict=True):
        axes.axvline(0, color="black", lw=0.8)
        axes.grid(axis="x")
        axes.set_xlabel(f"Points above {row_label(config, name, reference)}")
        axes.set_title(title, loc="left", fontsize=11)
        base = records.of(cell_of(reference, column))
        for place, row in enumerate(rows):
            cell = cell_of(row, column)
            if records.of(cell).missing or base.missing:
                continue
            found = compare(records, records.of(cell).records, base.records)
            spread = [[found.effect - found.low], [found.high - found.effect]]
            shape = {"color": OF_SETTING[cell.setting], "marker": "o", "ms": 5, "capsize": 2}
            axes.errorbar(found.effect, place, xerr=spread if found.known else None, **shape)
            line = {"difference": found.effect, "low": found.low, "high": found.high}
            numbers.append(number(row, column, **line, seeds=found.seeds))
    first = panels[0][0]
    first.set_yticks(range(len(rows)), [row_label(config, name, row) for row in rows])
    first.set_ylim(len(rows) - 0.5, -0.5)
    canvas.suptitle(grid.title, x=0.01, ha="left", fontsize=11)
    return canvas, numbers


def _fractions(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """Accuracy over the label fraction, one line a method, one panel a data set."""
    config = records.experiment.config
    grid, columns = config.figures[name], records.plan.columns(name)
    datasets, numbers = list(dict.fromkeys(c.dataset for c in columns)), []
    canvas, panels = plt.subplots(
        1, len(datasets), figsize=(4.6 * len(datasets), 3.4), squeeze=False, sharey=True
    )
    for axes, dataset in zip(panels[0], datasets, strict=True):
        mine = [c for c in columns if c.dataset == dataset]
        for i, row in enumerate(grid.rows):
            points = [(c, accuracies_of(records, cell_of(row, c))) for c in mine]
            points = [(c, v.mean(), deviation(v)) for c, v in points if v is not None]
            if not points:
                continue
            numbers += [number(row, c, mean=mean, std=std) for c, mean, std in points]
            points = [(c.fraction, mean, std) for c, mean, std in points]
            fraction, mean, std = map(np.array, zip(*points, strict=True))
            colour, label = colour_of(row, i), row_label(config, name, row)
            axes.plot(fraction, mean, "o-", ms=4, lw=1.5, color=colour, label=label)
            axes.fill_between(fraction, mean - std, mean + std, color=colour, alpha=0.12, lw=0)
        axes.set_xscale("log")
        ticks = [c.fraction for c in mine]
        axes.set_xticks(ticks, [f"{t} %" for t in ticks])
        axes.minorticks_off()
        axes.set_xlabel("Labeled part of the pool")
        axes.set_title(config.datasets[dataset].title, loc="left", fontsize=11)
    panels[0][0].set_ylabel("Test accuracy (%)")
    _legend(panels[0])
    return canvas, numbers


def _curves(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """Validation accuracy over training, mean over the seeds, one panel a column."""
    config = records.experiment.config
    grid, columns, numbers = config.figures[name], records.plan.columns(name), []
    canvas, panels = plt.subplots(
        1, len(columns), figsize=(4.6 * len(columns), 3.4), squeeze=False, sharey=True
    )
    for axes, column, title in zip(panels[0], columns, column_titles(config, columns), strict=True):
        for i, row in enumerate(grid.rows):
            curves = validation_curves(records, cell_of(row, column))
            if curves is None:
                continue
            colour, epochs = colour_of(row, i), np.arange(1, curves.shape[1] + 1)
            label = row_label(config, name, row)
            numbers += [
                number(row, column, epoch=epoch, mean=v.mean(), low=v.min(), high=v.max())
                for epoch, v in zip(epochs, curves.T, strict=True)
            ]
            axes.plot(epochs, curves.mean(axis=0), lw=1.5, color=colour, label=label)
            low, high = curves.min(axis=0), curves.max(axis=0)
            axes.fill_between(epochs, low, high, color=colour, alpha=0.08, lw=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("Epoch")
        axes.set_title(title, loc="left", fontsize=11)
    panels[0][0].set_ylabel("Validation accuracy (%)")
    _legend(panels[0])
    return canvas, numbers


def _legend(panels: Sequence[Axes]) -> None:
    """Name what any of the panels shows, beside the last one."""
    shown = [axes.get_legend_handles_labels() for axes in panels]
    named = {
        label: mark for marks, labels in shown for mark, label in zip(marks, labels, strict=True)
    }
    if named:
        panels[-1].legend(named.values(), named, loc="upper left", bbox_to_anchor=(1, 1))


KINDS: dict[str, Callable[[Records, str], tuple[Canvas, list[dict]]]] = {
    "dots": _dots,
    "differences": _differences,
    "fractions": _fractions,
    "curves": _curves,
    "samples": samples.strips,
    "classes": samples.by_class,
    "trajectory": samples.trajectory,
}

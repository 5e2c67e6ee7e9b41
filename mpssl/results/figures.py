"""Figures: bars (Figure 3), accuracy over the label fraction, curves, and those of samples."""

from collections.abc import Callable

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from mpssl.common.files import atomic
from mpssl.plan.cells import Cell, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results import samples
from mpssl.results.records import Records, verified_file
from mpssl.results.style import STYLE, colour_of, number
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


def _accuracy(records: Records, cell: Cell) -> tuple[float, float] | None:
    """Mean and standard deviation of the test accuracy, or None where runs are missing."""
    if records.plan.impossible(cell):
        return None
    found = records.of(cell)
    if found.missing:
        return None
    values = [record.test_accuracy for record in found.records]
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _bars(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """Methods side by side for each column, error bars of one standard deviation."""
    config = records.experiment.config
    grid, columns = config.figures[name], records.plan.columns(name)
    canvas, axes = plt.subplots(figsize=(max(4.5, 1.7 * len(columns) + 1.5), 3.2))
    width = 0.8 / len(grid.rows)
    lowest, numbers = 100.0, []
    for i, row in enumerate(grid.rows):
        cells = [_accuracy(records, cell_of(row, column)) for column in columns]
        shown = [(j, *cell) for j, cell in enumerate(cells) if cell is not None]
        if not shown:
            continue
        numbers += [number(row, columns[j], mean=mean, std=std) for j, mean, std in shown]
        x, mean, std = map(np.array, zip(*shown, strict=True))
        lowest = min(lowest, (mean - std).min())
        position = x - 0.4 + (i + 0.5) * width
        axes.bar(
            position,
            mean,
            width * 0.92,
            yerr=std,
            color=colour_of(row, i),
            label=row_label(config, name, row),
            error_kw={"elinewidth": 1, "capsize": 2},
        )
        for at, value, spread in zip(position, mean, std, strict=True):
            axes.text(at, value + spread, f"{value:.1f}", ha="center", va="bottom", fontsize=7)
    axes.set_xticks(range(len(columns)), column_titles(config, columns))
    axes.set_ylim(bottom=max(0, np.floor((lowest - 5) / 10) * 10))
    axes.set_ylabel("Test accuracy (%)")
    axes.set_title(f"{grid.title} ({columns[0].fraction} %)", loc="left", fontsize=11)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
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
            points = [(c, _accuracy(records, cell_of(row, c))) for c in mine]
            points = [(c, *value) for c, value in points if value is not None]
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
    panels[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
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
            curves = _validation_curves(records, cell_of(row, column))
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
    panels[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return canvas, numbers


def _validation_curves(records: Records, cell: Cell) -> np.ndarray | None:
    """Validation accuracy [seeds, epochs], or None where runs are missing."""
    if records.plan.impossible(cell) or (found := records.of(cell)).missing:
        return None
    histories = []
    for record in found.records:
        files = records.experiment.paths.run(record.run)
        histories.append(pd.read_csv(verified_file(record, files, files.history)))
    return np.array([history["val_accuracy"] for history in histories])


KINDS: dict[str, Callable[[Records, str], tuple[Canvas, list[dict]]]] = {
    "bars": _bars,
    "fractions": _fractions,
    "curves": _curves,
    "samples": samples.strips,
    "classes": samples.by_class,
    "trajectory": samples.trajectory,
}

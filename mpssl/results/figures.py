"""Figures: bars (Figure 3), accuracy over the label fraction, samples (Figure 4), curves."""

from collections.abc import Callable

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from PIL import Image

from mpssl.config import Config
from mpssl.data import store
from mpssl.data.split import read_split
from mpssl.files import atomic
from mpssl.paths import Paths
from mpssl.plan import Cell, Column, Plan, cell_of
from mpssl.results.records import CellRecords, Records, run_file
from mpssl.results.tables import column_titles, row_label

# Okabe and Ito's palette, which colour-blind readers can tell apart; one colour a method.
COLOURS = {
    "base/base": "#999999",
    "oracle/uda": "#56B4E9",
    "oracle/fixmatch": "#0072B2",
    "oracle/freematch": "#009E73",
    "generative/naive_gssl": "#CC79A7",
    "generative/pssl": "#E69F00",
    "generative/mpssl": "#D55E00",
}
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "savefig.dpi": 160,
    "savefig.bbox": "tight",
}
SAMPLES_IN_A_ROW = 8


def make_figure(config: Config, name: str) -> None:
    """Draw figure `name` as png and pdf; what has no finished runs is left out and said so."""
    with plt.rc_context(STYLE):
        records = Records(config, Plan(config).cells(name))
        canvas = KINDS[config.figures[name].kind](records, name)
        for suffix in ("png", "pdf"):
            with atomic(Paths(config).figure(name, suffix)) as path:
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
    values = [record["test_accuracy"] for record in found.records]
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _bars(records: Records, name: str) -> Canvas:
    """Methods side by side for each column, error bars of one standard deviation."""
    config = records.config
    grid, columns = config.figures[name], records.plan.columns(name)
    canvas, axes = plt.subplots(figsize=(max(4.5, 1.7 * len(columns) + 1.5), 3.2))
    width = 0.8 / len(grid.rows)
    lowest = 100.0
    for i, row in enumerate(grid.rows):
        cells = [_accuracy(records, cell_of(row, column)) for column in columns]
        shown = [(j, *cell) for j, cell in enumerate(cells) if cell is not None]
        if not shown:
            continue
        x, mean, std = map(np.array, zip(*shown, strict=True))
        lowest = min(lowest, (mean - std).min())
        position = x - 0.4 + (i + 0.5) * width
        axes.bar(
            position,
            mean,
            width * 0.92,
            yerr=std,
            color=_colour(row, i),
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
    return canvas


def _fractions(records: Records, name: str) -> Canvas:
    """Accuracy over the label fraction, one line a method, one panel a data set."""
    config = records.config
    grid, columns = config.figures[name], records.plan.columns(name)
    datasets = list(dict.fromkeys(c.dataset for c in columns))
    canvas, panels = plt.subplots(
        1, len(datasets), figsize=(4.6 * len(datasets), 3.4), squeeze=False, sharey=True
    )
    for axes, dataset in zip(panels[0], datasets, strict=True):
        mine = [c for c in columns if c.dataset == dataset]
        for i, row in enumerate(grid.rows):
            points = [(c.fraction, _accuracy(records, cell_of(row, c))) for c in mine]
            points = [(fraction, *value) for fraction, value in points if value is not None]
            if not points:
                continue
            fraction, mean, std = map(np.array, zip(*points, strict=True))
            colour, label = _colour(row, i), row_label(config, name, row)
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
    return canvas


def _curves(records: Records, name: str) -> Canvas:
    """Validation accuracy over training, mean over the seeds, one panel a column."""
    config = records.config
    grid, columns = config.figures[name], records.plan.columns(name)
    canvas, panels = plt.subplots(
        1, len(columns), figsize=(4.6 * len(columns), 3.4), squeeze=False, sharey=True
    )
    for axes, column, title in zip(panels[0], columns, column_titles(config, columns), strict=True):
        for i, row in enumerate(grid.rows):
            curves = _validation_curves(records, cell_of(row, column))
            if curves is None:
                continue
            colour, epochs = _colour(row, i), np.arange(1, curves.shape[1] + 1)
            label = row_label(config, name, row)
            axes.plot(epochs, curves.mean(axis=0), lw=1.5, color=colour, label=label)
            low, high = curves.min(axis=0), curves.max(axis=0)
            axes.fill_between(epochs, low, high, color=colour, alpha=0.08, lw=0)
        axes.set_xlabel("Epoch")
        axes.set_title(title, loc="left", fontsize=11)
    panels[0][0].set_ylabel("Validation accuracy (%)")
    panels[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return canvas


def _validation_curves(records: Records, cell: Cell) -> np.ndarray | None:
    """Validation accuracy [seeds, epochs], or None where runs are missing."""
    if records.plan.impossible(cell) or (found := records.of(cell)).missing:
        return None
    files = [run_file(records.config, record, "history.csv") for record in found.records]
    return np.array([pd.read_csv(file)["val_accuracy"] for file in files])


def _samples(records: Records, name: str) -> Canvas:
    """Real images of a column above the synthetic ones that each row's method trained on."""
    config = records.config
    grid, columns = config.figures[name], records.plan.columns(name)
    canvas, panels = plt.subplots(
        1 + len(grid.rows),
        len(columns),
        figsize=(6 * len(columns), 1.75 * (1 + len(grid.rows))),
        squeeze=False,
    )
    for j, column in enumerate(columns):
        _show(panels[0][j], _real_images(config, column), f"Real ({_title(config, column)})")
        for i, row in enumerate(grid.rows, start=1):
            found = records.of(cell_of(row, column))
            _show(panels[i][j], _samples_of(config, found), row_label(config, name, row))
    canvas.suptitle(grid.title, x=0.13, y=0.95, ha="left", fontsize=11)
    return canvas


def _title(config: Config, column: Column) -> str:
    return config.datasets[column.dataset].title


def _real_images(config: Config, column: Column) -> np.ndarray:
    """Two rows of labeled images in the order of their classes: [2 S, 8 S, 3]."""
    paths = Paths(config)
    packed = store.load(paths.packed(column.dataset))
    split = read_split(paths.split(column.dataset, column.fraction), packed)
    rows = np.array(split["labeled"])
    rows = rows[np.argsort(packed.labels[rows], kind="stable")]
    rows = rows[np.linspace(0, len(rows) - 1, 2 * SAMPLES_IN_A_ROW).round().astype(int)]
    images = packed.images[rows]
    return np.vstack([np.hstack(images[:SAMPLES_IN_A_ROW]), np.hstack(images[SAMPLES_IN_A_ROW:])])


def _samples_of(config: Config, found: CellRecords) -> np.ndarray | None:
    """Two rows of samples.png, which holds four, of the first seed's run."""
    record = next((r for r in found.records if r["seed"] == config.seeds[0]), None)
    if record is None or "samples.png" not in record["files"]:
        return None
    path = run_file(config, record, "samples.png")
    with Image.open(path) as image:
        pixels = np.asarray(image)
    size = pixels.shape[1] // SAMPLES_IN_A_ROW
    rows = pixels.reshape(-1, size, *pixels.shape[1:])
    return np.vstack([rows[0], rows[2]])


def _show(axes, image: np.ndarray | None, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9)
    axes.axis("off")
    if image is None:
        axes.text(0, 0.5, "the run has not finished", transform=axes.transAxes)
    else:
        axes.imshow(image, interpolation="nearest")


def _colour(row: str, index: int) -> str:
    return COLOURS.get(row, f"C{index}")


KINDS: dict[str, Callable[[Records, str], Canvas]] = {
    "bars": _bars,
    "fractions": _fractions,
    "curves": _curves,
    "samples": _samples,
}

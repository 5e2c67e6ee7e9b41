"""Figures of samples: strips (Figure 4), class by class, and over training."""

from textwrap import shorten

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from mpssl.config.tables import Figure
from mpssl.plan.cells import Column
from mpssl.results import samples_data as data
from mpssl.results.records import Records
from mpssl.results.style import colour_of, number
from mpssl.results.tables import column_titles, row_label
from mpssl.runs import snapshots

THUMB = 0.42  # side of one image in the figures class by class, inches
SHOWN_OVER_TRAINING = 2  # images of each class and epoch
NAMED = 3  # foundation classes
NOTHING = "no snapshots: the run has not finished"


def strips(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """Real images of a column above the synthetic ones that each row's method trained on."""
    experiment, numbers = records.experiment, []
    grid, columns = experiment.config.figures[name], records.plan.columns(name)
    canvas, panels = plt.subplots(
        1 + len(grid.rows),
        len(columns),
        figsize=(6 * len(columns), 1.75 * (1 + len(grid.rows)) + 0.3),
        squeeze=False,
        layout="constrained",
    )
    titles = column_titles(experiment.config, columns)
    for j, (column, title) in enumerate(zip(columns, titles, strict=True)):
        _show(panels[0][j], data.real_strip(experiment, column), f"Real ({title})")
        for i, row in enumerate(grid.rows, start=1):
            record = data.first_record(records, row, column)
            label = row_label(experiment.config, name, row)
            _show(panels[i][j], data.samples_of(experiment, record), label)
            if record is not None:
                statistics = record.sample_statistics
                numbers.append(number(row, column, seed=record.run.seed, **statistics))
    canvas.suptitle(grid.title, x=0.01, ha="left", fontsize=11)
    return canvas, numbers


def by_class(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """For each class, real images beside those of each row's method at its last snapshot."""
    experiment = records.experiment
    grid, columns = experiment.config.figures[name], records.plan.columns(name)
    frame = data.measured(records, grid.rows, columns)
    last, blocks = data.last_epochs(frame), 1 + len(grid.rows)
    heights = [len(data.classes_in(frame, column)) for column in columns]
    canvas, panels = plt.subplots(
        len(columns),
        blocks,
        figsize=(blocks * (snapshots.SHOWN * THUMB + 0.35), sum(heights) * THUMB + len(columns)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    titles = column_titles(experiment.config, columns)
    for axes, column, title in zip(panels, columns, titles, strict=True):
        classes, names = data.classes_in(frame, column), data.class_names(experiment, column)
        _grid(axes[0], data.real_grid(experiment, column, classes), f"{title}\nreal")
        _name_rows(axes[0], [names[c] for c in classes])
        for axis, row in zip(axes[1:], grid.rows, strict=True):
            taken = data.snapshots_of(experiment, data.first_record(records, row, column))
            image = data.pixels_of(taken[-1]["image"]) if taken else None
            mine = data.of_column(last, row, column)
            text = "distance {:.2f}\ndiversity {:.2f}".format(
                *(mine[m].mean() for m in ("sample_distance", "sample_diversity"))
            )
            label = row_label(experiment.config, name, row)
            _grid(axis, image, f"{label}\n{text if taken else ''}")
    canvas.suptitle(grid.title, x=0.01, ha="left", fontsize=11)
    return canvas, last.to_dict("records")


def trajectory(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """The first row's images of fixed noise over training, and the measures of all rows."""
    config = records.experiment.config
    grid, columns = config.figures[name], records.plan.columns(name)
    frame = data.measured(records, grid.rows, columns)
    sides = [max(3, len(data.classes_in(frame, c))) * THUMB for c in columns]
    heights = [side + 3.2 for side in sides]
    canvas = plt.figure(figsize=(10.5, sum(heights)), layout="constrained")
    parts = np.atleast_1d(canvas.subfigures(len(columns), 1, height_ratios=heights))
    titles = column_titles(config, columns)
    for part, column, title, side in zip(parts, columns, titles, sides, strict=True):
        axes = part.subplot_mosaic(
            [["images"] * 3, list(data.MEASURES)], height_ratios=[side + 0.6, 2.3]
        )
        heading = f"{grid.title}: {row_label(config, name, grid.rows[0])}, {title}"
        part.suptitle(heading, x=0.01, ha="left", fontsize=11)
        _over_training(records, axes["images"], grid.rows[0], column)
        labels = {row: row_label(config, name, row) for row in grid.rows}
        _measures(axes, frame, grid, column, labels)
    return canvas, frame.to_dict("records")


def _measures(
    axes: dict[str, Axes],
    frame: pd.DataFrame,
    grid: Figure,
    column: Column,
    labels: dict[str, str],
) -> None:
    """A panel for each measure, a line a row: means over classes and seeds."""
    for measure, title in data.MEASURES.items():
        for i, row in enumerate(grid.rows):
            mine = data.of_column(frame, row, column)
            if mine[measure].isna().all():
                continue
            line = mine.groupby("epoch")[measure].mean()
            colour = colour_of(row, i)
            axes[measure].plot(
                line.index, line, "o-", ms=4, lw=1.5, color=colour, label=labels[row]
            )
        axes[measure].set_title(title, loc="left", fontsize=9)
        axes[measure].set_xlabel("Epoch")
    axes["sample_distance"].legend(fontsize=8)


def _over_training(records: Records, axes: Axes, row: str, column: Column) -> None:
    """A row of images a class, a block an epoch; at the right the likeliest foundation classes."""
    experiment = records.experiment
    taken = data.snapshots_of(experiment, data.first_record(records, row, column))
    if not taken:
        _grid(axes, None, "")
        return
    entries, blocks = taken[-1]["classes"], []
    for snapshot in taken:
        pixels = data.pixels_of(snapshot["image"])
        side = pixels.shape[0] // len(entries)
        pixels = pixels[:, : SHOWN_OVER_TRAINING * side]
        blocks += [pixels, np.full((len(pixels), side // 2, 3), 255, np.uint8)]
    _grid(axes, np.hstack(blocks[:-1]), "")
    step = (SHOWN_OVER_TRAINING + 0.5) * side
    axes.set_xticks(
        [(i * step + SHOWN_OVER_TRAINING * side / 2) for i in range(len(taken))],
        [f"epoch {snapshot['epoch']}" for snapshot in taken],
    )
    axes.xaxis.tick_top()
    names = data.class_names(experiment, column)
    _name_rows(axes, [names[entry["class"]] for entry in entries])
    for i, entry in enumerate(entries):
        if "top" in entry:
            known = data.foundation_names(experiment, entry["foundation_classes"])
            axes.text(
                1.02,
                1 - (i + 0.5) / len(entries),
                data.likeliest(entry, known, NAMED),
                transform=axes.transAxes,
                va="center",
                fontsize=8,
            )


def _show(axes: Axes, image: np.ndarray | None, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9)
    axes.axis("off")
    if image is None:
        axes.text(0, 0.5, "the run has not finished", transform=axes.transAxes)
    else:
        axes.imshow(image, interpolation="nearest")


def _grid(axes: Axes, image: np.ndarray | None, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=8)
    if image is None:
        axes.text(0, 0.5, NOTHING, transform=axes.transAxes, fontsize=8)
    else:
        axes.imshow(image, interpolation="nearest")


def _name_rows(axes: Axes, names: list[str]) -> None:
    """Write the classes' names at the left of a grid of images."""
    bottom, top = axes.get_ylim()
    step = (bottom - top) / len(names)
    places = [top + (i + 0.5) * step for i in range(len(names))]
    axes.set_yticks(places, [shorten(name.replace("_", " "), 22) for name in names])

"""Figures of samples: strips (Figure 4), class by class, and over training."""

from pathlib import Path
from textwrap import shorten

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from PIL import Image

from mpssl.common.files import read_made
from mpssl.config.experiment import Config
from mpssl.data import store
from mpssl.data.split import read_split
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.paths import Paths
from mpssl.results.records import Records, run_file
from mpssl.results.style import colour_of, number
from mpssl.results.tables import column_titles, row_label
from mpssl.runs import snapshots

SAMPLES_IN_A_ROW = 8
THUMB = 0.42  # side of one image in the figures class by class, inches
SHOWN_OVER_TRAINING = 2  # images of each class and epoch
NAMED = 3  # foundation classes
MEASURES = {
    "sample_distance": "Distance to real images",
    "sample_diversity": "Diversity within a class",
    "entropy": "Entropy of foundation labels (nats)",
}
NOTHING = "no snapshots: the run has not finished"


def strips(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """Real images of a column above the synthetic ones that each row's method trained on."""
    config = records.config
    grid, columns, numbers = config.figures[name], records.plan.columns(name), []
    canvas, panels = plt.subplots(
        1 + len(grid.rows),
        len(columns),
        figsize=(6 * len(columns), 1.75 * (1 + len(grid.rows))),
        squeeze=False,
    )
    for j, (column, title) in enumerate(zip(columns, column_titles(config, columns), strict=True)):
        _show(panels[0][j], _real_strip(config, column), f"Real ({title})")
        for i, row in enumerate(grid.rows, start=1):
            record = _first(records, row, column)
            _show(panels[i][j], _samples_of(config, record), row_label(config, name, row))
            if record is not None:
                statistics = record["sample_statistics"]
                numbers.append(number(row, column, seed=record["seed"], **statistics))
    canvas.suptitle(grid.title, x=0.13, y=0.95, ha="left", fontsize=11)
    return canvas, numbers


def by_class(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """For each class, real images beside those of each row's method at its last snapshot."""
    config = records.config
    grid, columns = config.figures[name], records.plan.columns(name)
    frame = _measured(records, grid.rows, columns)
    blocks, heights = 1 + len(grid.rows), [len(_classes(frame, column)) for column in columns]
    canvas, panels = plt.subplots(
        len(columns),
        blocks,
        figsize=(blocks * (snapshots.SHOWN * THUMB + 0.35), sum(heights) * THUMB + len(columns)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    last = frame.loc[frame.groupby(["row", *vars(columns[0]), "seed"]).epoch.transform("max")
                     == frame.epoch] if len(frame) else frame  # fmt: skip
    for axes, column, title in zip(panels, columns, column_titles(config, columns), strict=True):
        classes = _classes(frame, column)
        _grid(axes[0], _real_grid(config, column, classes), f"{title}\nreal")
        _name_rows(axes[0], [_class_names(config, column)[c] for c in classes])
        for axis, row in zip(axes[1:], grid.rows, strict=True):
            taken = _snapshots_of(config, _first(records, row, column))
            image = _pixels(taken[-1]["image"]) if taken else None
            mine = last[_is(last, row, column)]
            text = "distance {:.2f}\ndiversity {:.2f}".format(
                *(mine[m].mean() for m in ("sample_distance", "sample_diversity"))
            )
            _grid(axis, image, f"{row_label(config, name, row)}\n{text if taken else ''}")
    canvas.suptitle(grid.title, x=0.01, ha="left", fontsize=11)
    return canvas, last.to_dict("records")


def trajectory(records: Records, name: str) -> tuple[Canvas, list[dict]]:
    """The first row's images of fixed noise over training, and the measures of all rows."""
    config = records.config
    grid, columns = config.figures[name], records.plan.columns(name)
    frame = _measured(records, grid.rows, columns)
    heights = [max(3, len(_classes(frame, c))) * THUMB + 3.2 for c in columns]
    canvas = plt.figure(figsize=(10.5, sum(heights)), layout="constrained")
    parts = np.atleast_1d(canvas.subfigures(len(columns), 1, height_ratios=heights))
    for part, column, title in zip(parts, columns, column_titles(config, columns), strict=True):
        images = max(3, len(_classes(frame, column))) * THUMB
        axes = part.subplot_mosaic(
            [["images"] * 3, list(MEASURES)], height_ratios=[images + 0.6, 2.3]
        )
        part.suptitle(
            f"{grid.title}: {row_label(config, name, grid.rows[0])}, {title}",
            x=0.01, ha="left", fontsize=11,
        )  # fmt: skip
        _over_training(records, axes["images"], grid.rows[0], column)
        for measure, label in MEASURES.items():
            for i, row in enumerate(grid.rows):
                mine = frame[_is(frame, row, column)]
                if measure not in mine or mine[measure].isna().all():
                    continue
                line = mine.groupby("epoch")[measure].mean()
                axes[measure].plot(line.index, line, "o-", ms=4, lw=1.5, color=colour_of(row, i),
                                   label=row_label(config, name, row))  # fmt: skip
            axes[measure].set_title(label, loc="left", fontsize=9)
            axes[measure].set_xlabel("Epoch")
        axes["sample_distance"].legend(fontsize=8)
    return canvas, frame.to_dict("records")


def foundation_names(config: Config, count: int) -> list[str]:
    """What the generator's classes are called; their numbers where nothing says it."""
    dataset = config.foundation.dataset
    if config.foundation.generator.kind == "trained":
        meta = Paths(config).packed(dataset) / store.META
        # "latin A" is a script and what was drawn; the drawing tells it
        names = [n.split()[-1] for n in read_made(meta)["classes"]] if meta.exists() else []
    else:
        from mpssl.compat.torchvision import models  # slow

        names = models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    return names if len(names) == count else [str(i) for i in range(count)]


def _measured(records: Records, rows: list[str], columns: list[Column]) -> pd.DataFrame:
    """A line for each row, column, seed, epoch and class of the finished runs' snapshots."""
    config, lines = records.config, []
    for row in rows:
        for column in columns:
            names, known = _class_names(config, column), None
            for record in records.of(cell_of(row, column)).records:
                for taken in _snapshots_of(config, record):
                    for entry in taken["classes"]:
                        line = number(row, column, seed=record["seed"], epoch=taken["epoch"])
                        line |= {"class": names[entry["class"]], "index": entry["class"]}
                        line |= {m: entry.get(m) for m in MEASURES}
                        if "top" in entry:
                            known = known or foundation_names(config, entry["foundation_classes"])
                            line["top"] = _top(entry, known, snapshots.TOP)
                        lines.append(line)
    head = [*vars(Column("", 0, "")), "seed", "epoch", "class", "index", *MEASURES, "top"]
    frame = pd.DataFrame(lines, columns=["row", *head])
    return frame.astype(dict.fromkeys(MEASURES, float))


def _top(entry: dict, names: list[str], count: int) -> str:
    # The mark after a name keeps names written from right to left from turning the line around.
    return ", ".join(f"{shorten(names[i], 24)}\u200e {p:.1%}" for i, p in entry["top"][:count])


def _is(frame: pd.DataFrame, row: str, column: Column) -> pd.Series:
    same = frame["row"] == row
    for key, value in vars(column).items():
        same &= frame[key] == value
    return same


def _classes(frame: pd.DataFrame, column: Column) -> list[int]:
    mine = frame[frame.dataset == column.dataset]
    return sorted(mine["index"].unique()) or [0]


def _class_names(config: Config, column: Column) -> list[str]:
    return read_made(Paths(config).packed(column.dataset) / store.META)["classes"]


def _first(records: Records, row: str, column: Column) -> dict | None:
    """The record of the first seed's run, or None where it has not finished."""
    found = records.of(cell_of(row, column)).records
    return next((r for r in found if r["seed"] == records.config.seeds[0]), None)


def _snapshots_of(config: Config, record: dict | None) -> list[dict]:
    """The snapshots of a finished run, verified."""
    if record is None:
        return []
    files = [name for name in record["files"] if name.startswith(snapshots.FOLDER)]
    whole = {run_file(config, record, name) for name in files}
    return [s for s in snapshots.read(Paths(config).run(record["run"])) if s["image"] in whole]


def _over_training(records: Records, axes: Axes, row: str, column: Column) -> None:
    """A row of images a class, a block an epoch; at the right the likeliest foundation classes."""
    config = records.config
    taken = _snapshots_of(config, _first(records, row, column))
    if not taken:
        _grid(axes, None, "")
        return
    entries, blocks = taken[-1]["classes"], []
    for snapshot in taken:
        pixels = _pixels(snapshot["image"])
        side = pixels.shape[0] // len(entries)
        pixels = pixels[:, : SHOWN_OVER_TRAINING * side]
        blocks += [pixels, np.full((len(pixels), side // 2, 3), 255, np.uint8)]
    _grid(axes, np.hstack(blocks[:-1]), "")
    step = (SHOWN_OVER_TRAINING + 0.5) * side
    epochs = [f"epoch {s['epoch']}" for s in taken]
    axes.set_xticks(
        [(i * step + SHOWN_OVER_TRAINING * side / 2) for i in range(len(taken))], epochs
    )
    axes.xaxis.tick_top()
    _name_rows(axes, [_class_names(config, column)[e["class"]] for e in entries])
    for i, entry in enumerate(entries):
        if "top" in entry:
            names = foundation_names(config, entry["foundation_classes"])
            axes.text(1.02, 1 - (i + 0.5) / len(entries), _top(entry, names, NAMED),
                      transform=axes.transAxes, va="center", fontsize=8)  # fmt: skip


def _real_strip(config: Config, column: Column) -> np.ndarray:
    """Two rows of labeled images in the order of their classes: [2 S, 8 S, 3]."""
    packed, rows = _labeled(config, column)
    rows = rows[np.argsort(packed.labels[rows], kind="stable")]
    rows = rows[np.linspace(0, len(rows) - 1, 2 * SAMPLES_IN_A_ROW).round().astype(int)]
    images = packed.images[rows]
    return np.vstack([np.hstack(images[:SAMPLES_IN_A_ROW]), np.hstack(images[SAMPLES_IN_A_ROW:])])


def _real_grid(config: Config, column: Column, classes: list[int]) -> np.ndarray:
    """The first labeled images of each class: [classes S, SHOWN S, 3]."""
    packed, rows = _labeled(config, column)
    lines = []
    for c in classes:
        images = packed.images[rows[packed.labels[rows] == c][: snapshots.SHOWN]]
        missing = ((0, snapshots.SHOWN - len(images)), (0, 0), (0, 0), (0, 0))
        lines.append(np.hstack(np.pad(images, missing)))
    return np.vstack(lines)


def _labeled(config: Config, column: Column) -> tuple[store.Packed, np.ndarray]:
    paths = Paths(config)
    packed = store.load(paths.packed(column.dataset))
    split = read_split(paths.split(column.dataset, column.fraction), packed)
    return packed, np.array(split["labeled"])


def _samples_of(config: Config, record: dict | None) -> np.ndarray | None:
    """Two rows of a run's samples.png, which holds four."""
    if record is None or "samples.png" not in record["files"]:
        return None
    pixels = _pixels(run_file(config, record, "samples.png"))
    size = pixels.shape[1] // SAMPLES_IN_A_ROW
    rows = pixels.reshape(-1, size, *pixels.shape[1:])
    return np.vstack([rows[0], rows[2]])


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


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

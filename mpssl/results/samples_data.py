"""What the figures of samples show: images and measures of finished runs, verified."""

from pathlib import Path
from textwrap import shorten

import numpy as np
import pandas as pd
from PIL import Image

from mpssl.common.files import read_made
from mpssl.config.glyph_classes import GLYPH_NAMES
from mpssl.data import store
from mpssl.data.split import read_split
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.records import Records, verified_file
from mpssl.results.style import number
from mpssl.runs import snapshots
from mpssl.runs.record import RunRecord
from mpssl.runs.runner import SAMPLES_IN_A_ROW

MEASURES = {
    "sample_distance": "Distance to real images",
    "sample_diversity": "Diversity within a class",
    "entropy": "Entropy of foundation labels (nats)",
}


def measured(records: Records, rows: list[str], columns: list[Column]) -> pd.DataFrame:
    """A line for each row, column, seed, epoch and class of the finished runs' snapshots."""
    experiment, lines = records.experiment, []
    for row in rows:
        for column in columns:
            names, known = class_names(experiment, column), None
            for record in records.of(cell_of(row, column)).records:
                for taken in snapshots_of(experiment, record):
                    for entry in taken["classes"]:
                        line = number(row, column, seed=record.run.seed, epoch=taken["epoch"])
                        line |= {"class": names[entry["class"]], "index": entry["class"]}
                        line |= {m: entry.get(m) for m in MEASURES}
                        if "top" in entry:
                            known = known or foundation_names(
                                experiment, entry["foundation_classes"]
                            )
                            line["top"] = likeliest(entry, known, snapshots.TOP)
                        lines.append(line)
    head = [*vars(Column("", 0, "")), "seed", "epoch", "class", "index", *MEASURES, "top"]
    frame = pd.DataFrame(lines, columns=["row", *head])
    return frame.astype(dict.fromkeys(MEASURES, float))


def of_column(frame: pd.DataFrame, row: str, column: Column) -> pd.DataFrame:
    """The lines of one row and column."""
    same = frame["row"] == row
    for key, value in vars(column).items():
        same &= frame[key] == value
    return frame[same]


def last_epochs(frame: pd.DataFrame) -> pd.DataFrame:
    """The lines of each run's last snapshot."""
    if frame.empty:
        return frame
    run = ["row", *vars(Column("", 0, "")), "seed"]
    return frame[frame.groupby(run).epoch.transform("max") == frame.epoch]


def classes_in(frame: pd.DataFrame, column: Column) -> list[int]:
    """The classes of a data set that snapshots show."""
    return sorted(frame[frame.dataset == column.dataset]["index"].unique()) or [0]


def likeliest(entry: dict, names: list[str], count: int) -> str:
    """The likeliest foundation classes of a snapshot's class, with their probabilities."""
    # The mark after a name keeps names written from right to left from turning the line around.
    return ", ".join(f"{shorten(names[i], 24)}\u200e {p:.1%}" for i, p in entry["top"][:count])


def class_names(experiment: Experiment, column: Column) -> list[str]:
    """The names of a data set's classes."""
    return read_made(experiment.paths.packed(column.dataset) / store.META)["classes"]


def foundation_names(experiment: Experiment, count: int) -> list[str]:
    """What the generator's classes are called; their numbers if nothing says it."""
    foundation = experiment.config.foundation
    if foundation.generator.kind == "shipped":
        names = [name.split()[-1] for name in GLYPH_NAMES]
    elif foundation.generator.kind == "trained":
        meta = experiment.paths.packed(foundation.dataset) / store.META
        # "latin A" is a script and what was drawn; the drawing tells it
        names = [n.split()[-1] for n in read_made(meta)["classes"]] if meta.exists() else []
    elif foundation.generator.kind == "images":
        (meta,) = experiment.paths.generator_files()
        names = read_made(meta)["classes"] if meta.exists() else []
    else:
        from mpssl.compat.torchvision import models  # slow

        names = models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    return names if len(names) == count else [str(i) for i in range(count)]


def first_record(records: Records, row: str, column: Column) -> RunRecord | None:
    """The record of the first seed's run, or None if it has not finished."""
    found, seed = records.of(cell_of(row, column)).records, records.experiment.config.seeds[0]
    return next((record for record in found if record.run.seed == seed), None)


def snapshots_of(experiment: Experiment, record: RunRecord | None) -> list[dict]:
    """The snapshots of a finished run, verified."""
    if record is None:
        return []
    files = experiment.paths.run(record.run)
    names = [files.folder / name for name in record.files]
    wanted = [path for path in names if path.is_relative_to(files.snapshots)]
    whole = {verified_file(record, files, path) for path in wanted}
    return [taken for taken in snapshots.read(files.snapshots) if taken["image"] in whole]


def samples_of(experiment: Experiment, record: RunRecord | None) -> np.ndarray | None:
    """Two rows of the picture of a run's samples, which holds four."""
    if record is None:
        return None
    files = experiment.paths.run(record.run)
    if files.samples.name not in record.files:
        return None
    pixels = pixels_of(verified_file(record, files, files.samples))
    size = pixels.shape[1] // SAMPLES_IN_A_ROW
    rows = pixels.reshape(-1, size, *pixels.shape[1:])
    return np.vstack([rows[0], rows[2]])


def real_strip(experiment: Experiment, column: Column) -> np.ndarray:
    """Two rows of labeled images in the order of their classes: [2 S, 8 S, 3]."""
    packed, rows = _labeled(experiment, column)
    rows = rows[np.argsort(packed.labels[rows], kind="stable")]
    rows = rows[np.linspace(0, len(rows) - 1, 2 * SAMPLES_IN_A_ROW).round().astype(int)]
    images = packed.images[rows]
    return np.vstack([np.hstack(images[:SAMPLES_IN_A_ROW]), np.hstack(images[SAMPLES_IN_A_ROW:])])


def real_grid(experiment: Experiment, column: Column, classes: list[int]) -> np.ndarray:
    """The first labeled images of each class: [classes S, SHOWN S, 3]."""
    packed, rows = _labeled(experiment, column)
    lines = []
    for c in classes:
        images = packed.images[rows[packed.labels[rows] == c][: snapshots.SHOWN]]
        missing = ((0, snapshots.SHOWN - len(images)), (0, 0), (0, 0), (0, 0))
        lines.append(np.hstack(np.pad(images, missing, constant_values=255)))
    return np.vstack(lines)


def _labeled(experiment: Experiment, column: Column) -> tuple[store.Packed, np.ndarray]:
    paths = experiment.paths
    packed = store.load(paths.packed(column.dataset))
    seed = experiment.config.seeds[0]
    split = read_split(paths.split(column.dataset, column.fraction, seed), packed)
    return packed, np.array(split["labeled"])


def pixels_of(path: Path) -> np.ndarray:
    """The pixels of a picture, [H, W, 3]."""
    with Image.open(path) as image:
        return np.asarray(image)

"""Snapshots over training: what a generative source makes of fixed classes and fixed noise."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl.common.files import write_json
from mpssl.runs.image_grid import write_grid
from mpssl.training.evaluate import sample_statistics
from mpssl.training.rng import Streams
from mpssl.training.sources.base import Source
from mpssl.training.train import Loop, Task

CLASSES = 10  # evenly spaced where the data set has more
IMAGES = 16  # measured of each class, fewer where fewer are labeled
SHOWN = 4  # kept of each class
SIDE = 64  # of a kept image at most, pixels
TOP = 5  # foundation classes named for each class


def all_files(folder: Path) -> list[Path]:
    """All files in a run's folder of snapshots: epoch-NNNN.json and epoch-NNNN.png."""
    return sorted(folder.glob("epoch-*"))


def read(folder: Path) -> list[dict]:
    """The snapshots of a run in the order of their epochs; each also names its `image`."""
    paths = sorted(folder.glob("epoch-*.json"))
    return [json.loads(path.read_text()) | {"image": path.with_suffix(".png")} for path in paths]


def epochs_of(count: int, epochs: int) -> list[int]:
    """`count` evenly spaced epochs from 0, before training, to the last; a single one is the last.

    Fewer where training has fewer.
    """
    return sorted(set(torch.linspace(epochs, 0, count).round().int().tolist()))


class Snapshots:
    """An observer of training that keeps samples and measures at a few epochs.

    For each class: images of the same noise at every epoch, their distance to real ones and their
    diversity (`mpssl.training.evaluate.sample_statistics`), and where the source knows: the
    likeliest foundation classes and the entropy in nats. Training's own random streams do not move,
    so that a run with snapshots equals one without.
    """

    def __init__(self, task: Task, seed: int, folder: Path) -> None:
        self.task, self.seed, self.folder = task, seed, folder
        self.epochs = epochs_of(task.training.snapshots, task.training.epochs)
        labels = task.labeled.labels.cpu()
        present = labels.unique()
        places = torch.linspace(0, len(present) - 1, min(CLASSES, len(present)))
        self.classes = present[places.round().long()].tolist()
        self.rows = [(labels == c).nonzero().flatten()[:IMAGES] for c in self.classes]

    def __call__(self, loop: Loop) -> None:
        """Take the snapshot of this epoch, if one is due; later ones are of an older training."""
        for path in all_files(self.folder):
            if int(path.stem.removeprefix("epoch-")) > loop.epoch:
                path.unlink(missing_ok=True)
        if loop.epoch in self.epochs:
            self._take(loop.epoch)

    def _take(self, epoch: int) -> None:
        source = self.task.source
        streams = Streams(self.seed, self.task.labeled.labels.device)  # new: the same noise again
        entries, shown = [], []
        for target, rows in zip(self.classes, self.rows, strict=True):  # one at a time, for memory
            x, y = self.task.labeled.centre(rows)
            with _drawing_from(source, streams):
                images = source.sample(x, y)[: len(x)]
            entry = {"class": target} | sample_statistics(self.task.space, x, images, y)
            labels = source.foundation_labels(x, y)
            if labels is not None:
                entry |= _concentration(labels.mean(dim=0))
            entries.append(entry)
            images = images[:SHOWN]
            shown.append(F.pad(images, (0,) * 7 + (SHOWN - len(images),), value=1.0))
        name = f"epoch-{epoch:04d}"
        write_grid(self.folder / f"{name}.png", _at_most(SIDE, torch.stack(shown)))
        write_json(self.folder / f"{name}.json", {"epoch": epoch, "classes": entries})


@contextmanager
def _drawing_from(source: Source, streams: Streams) -> Iterator[None]:
    """Let the source draw from other random streams inside the block."""
    own, source.streams = source.streams, streams
    try:
        yield
    finally:
        source.streams = own


def _concentration(probabilities: Tensor) -> dict:
    """Entropy in nats, and the likeliest foundation classes with their probabilities."""
    entropy = torch.special.entr(probabilities).sum().item()
    values, indices = probabilities.topk(min(TOP, len(probabilities)))
    top = [[i, p] for i, p in zip(indices.tolist(), values.tolist(), strict=True)]
    return {"entropy": entropy, "top": top, "foundation_classes": len(probabilities)}


def _at_most(side: int, images: Tensor) -> Tensor:
    """Images [rows, columns, 3, S, S], made smaller if S is larger than `side`."""
    if images.shape[-1] <= side:
        return images
    flat = F.interpolate(
        images.flatten(0, 1), size=side, mode="bilinear", antialias=True, align_corners=False
    )
    return flat.unflatten(0, images.shape[:2])

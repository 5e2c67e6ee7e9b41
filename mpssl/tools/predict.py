"""Labels of images from a trained model's file."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from mpssl.common.columns import aligned
from mpssl.common.errors import UserError
from mpssl.common.files import csv_text
from mpssl.data.pictures import SUFFIXES, read_image
from mpssl.models import model_file

BATCH = 64


@dataclass(frozen=True)
class Prediction:
    """The most probable label of one image."""

    file: Path
    label: str
    probability: float


def find_images(places: list[Path]) -> list[Path]:
    """Image files: those named, and those at any depth of the folders named, sorted.

    Raises:
        UserError: a place does not exist, or a folder has no image.
    """
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            found = sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not found:
                raise UserError(f"the folder {place} has no images")
            files += found
        elif place.exists():
            files.append(place)
        else:
            raise UserError(f"{place} does not exist")
    return files


@torch.no_grad()
def predict(model_path: Path, files: list[Path]) -> Iterator[Prediction | UserError]:
    """For each file its prediction, or why it cannot be read.

    Raises:
        UserError: the model cannot be read.
    """
    model, description = model_file.load(model_path)
    start = (description.packing_size - description.image_size) // 2
    window = slice(start, start + description.image_size)
    for first in range(0, len(files), BATCH):
        results: list[Prediction | UserError | None] = []
        images = []
        for file in files[first : first + BATCH]:
            try:
                images.append(read_image(file, description.packing)[window, window])
                results.append(None)
            except UserError as error:
                results.append(error)
        found = iter([])
        if images:
            x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
            best = model(x).softmax(dim=1).max(dim=1)
            found = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        for file, result in zip(files[first : first + BATCH], results, strict=True):
            if result is None:
                label, probability = next(found)
                result = Prediction(file, description.classes[label], probability)
            yield result


def as_csv(predictions: list[Prediction]) -> str:
    """`file,label,probability` lines."""
    rows = [asdict(p) | {"probability": f"{p.probability:.6f}"} for p in predictions]
    return csv_text(rows, ("file", "label", "probability"))


def as_table(predictions: list[Prediction]) -> str:
    """Aligned columns for a terminal."""
    rows = [("file", "label", "probability")]
    rows += [(str(p.file), p.label, f"{p.probability:.1%}") for p in predictions]
    return aligned(rows, left=2)

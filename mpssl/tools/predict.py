"""Labels of images from a trained model's file, or from its ONNX file."""

import filecmp
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mpssl.common.columns import aligned
from mpssl.common.errors import UserError
from mpssl.common.files import csv_text, make_folder
from mpssl.data.listing import in_words, list_files
from mpssl.data.lists import is_list, listed_files
from mpssl.data.pictures import open_upright, square, to_rgb
from mpssl.models import model_file
from mpssl.models.model_file import Description
from mpssl.tools import onnx_file
from mpssl.tools.looks import doubt

BATCH = 64
RANKED = ("label", "probability")


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image."""

    file: Path
    classes: dict[str, float]
    """The probability of each class, in the model's order."""
    doubt: str = ""
    """What the picture has that those of the training had not; nothing if it is like them."""

    def top(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes and their probabilities, the first of those that tie first."""
        return sorted(self.classes.items(), key=lambda item: -item[1])[:count]

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.top(1)[0][0]

    @property
    def probability(self) -> float:
        """Its probability."""
        return self.top(1)[0][1]


def find_images(places: list[Path]) -> list[Path]:
    """Image files: those named, those of a list, and those of a folder as `mpssl init` lists it.

    Raises:
        UserError: a place does not exist, or a folder or list has no image.
    """
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            found = list_files(place)
            if not found.pictures:
                beside = f"; it has {in_words(found.others)}" if found.others else ""
                raise UserError(f"the folder {place} has no images{beside}")
            files += found.pictures
        elif not place.exists():
            raise UserError(f"{place} does not exist")
        elif is_list(place):
            files += listed_files(place, place.parent)
        else:
            files.append(place)
    return files


def other_files(places: list[Path]) -> Counter:
    """The number of files in the folders among the places that are no pictures, by suffix."""
    return sum((list_files(place).others for place in places if place.is_dir()), Counter())


def load(model_path: Path) -> tuple[Callable[[np.ndarray], np.ndarray], Description]:
    """A model and how images are prepared for it, from its file, its run's folder or an ONNX file.

    Returns:
        A function from images, float32 [B, 3, S, S] in [0, 1], to probabilities, float32 [B, K],
        and the description of the model.

    Raises:
        UserError: the model cannot be read.
    """
    if model_path.suffix.lower() == onnx_file.SUFFIX:
        return onnx_file.load(model_path)
    model, description = model_file.load(model_path)

    @torch.no_grad()
    def run(images: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(images)).softmax(dim=1).numpy()

    return run, description


def predict(model_path: Path, files: list[Path]) -> Iterator[Prediction | UserError]:
    """For each file its prediction, or why it cannot be read.

    Raises:
        UserError: the model cannot be read.
    """
    run, description = load(model_path)
    start = (description.packing_size - description.image_size) // 2
    window = slice(start, start + description.image_size)
    packing = description.packing
    for first in range(0, len(files), BATCH):
        results: list[str | UserError] = []
        images = []
        for file in files[first : first + BATCH]:
            try:
                image = open_upright(file)
                seen = square(to_rgb(image, packing, file), packing)
                results.append(doubt(image, file, description.values))
                images.append(np.asarray(seen)[window, window])
            except UserError as error:
                results.append(error)
        found = iter([])
        if images:
            x = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 255
            found = iter(run(np.ascontiguousarray(x)).tolist())
        for file, result in zip(files[first : first + BATCH], results, strict=True):
            if isinstance(result, UserError):
                yield result
            else:
                classes = zip(description.classes, next(found), strict=True)
                yield Prediction(file, dict(classes), result)


def remarks(results: list[Prediction | UserError], others: Counter) -> list[str]:
    """Lines on what was not labeled, on pictures unlike those of the training, and a count."""
    skipped = [f"skipped: {result}" for result in results if isinstance(result, UserError)]
    found = [result for result in results if isinstance(result, Prediction)]
    first = {p.doubt: p.file for p in reversed(found)}
    doubts = [
        f"warning: {count} pictures, such as {first[why]}, have {why}"
        for why, count in Counter(p.doubt for p in found if p.doubt).items()
    ]
    beside = [f"no pictures: {in_words(others)}"] if others else []
    return [*skipped, *doubts, *beside, f"{len(found)} of {len(results)} files labeled"]


def as_csv(predictions: list[Prediction], count: int = 1, every_class: bool = False) -> str:
    """Lines of the file and its classes.

    Args:
        predictions: what is written.
        count: number of the most probable classes, or all if there are fewer:
            `file,label,probability,label_2,...`.
        every_class: the probabilities of all classes instead: `file,CLASS,CLASS,...`.
    """
    if every_class:
        names = list(predictions[0].classes) if predictions else []
        rows = [{"file": p.file} | _rounded(p.classes) for p in predictions]
        return csv_text(rows, ("file", *names))
    shown = _shown(predictions, count)
    columns = [f"{word}{'' if i == 0 else f'_{i + 1}'}" for i in range(shown) for word in RANKED]
    rows = []
    for p in predictions:
        cells = [cell for name, value in p.top(count) for cell in (name, f"{value:.6f}")]
        rows.append({"file": p.file} | dict(zip(columns, cells, strict=True)))
    return csv_text(rows, ("file", *columns))


def as_json_lines(predictions: list[Prediction], count: int = 1, every_class: bool = False) -> str:
    """One JSON object a line: file, label, probability, and `classes` if there is more to say."""
    lines = []
    for p in predictions:
        row = {"file": str(p.file), "label": p.label, "probability": round(p.probability, 6)}
        if every_class or count > 1:
            row["classes"] = _rounded(p.classes if every_class else dict(p.top(count)), float)
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)


def _rounded(classes: dict[str, float], kind: type = str) -> dict:
    return {name: kind(f"{value:.6f}") for name, value in classes.items()}


def _shown(predictions: list[Prediction], count: int, every_class: bool = False) -> int:
    """The number of classes to show of each image: not more than there are."""
    known = len(predictions[0].classes) if predictions else count
    return known if every_class else min(count, known)


def as_table(predictions: list[Prediction], count: int = 1, every_class: bool = False) -> str:
    """Aligned columns for a terminal."""
    shown = _shown(predictions, count, every_class)
    rows = [("file", *RANKED * shown)]
    for p in predictions:
        ranked = p.top(shown)
        rows.append((str(p.file), *(t for name, value in ranked for t in (name, f"{value:.1%}"))))
    return aligned(rows, left=2)


def copy_to(folder: Path, predictions: list[Prediction]) -> None:
    """Copy each image to FOLDER/LABEL/NAME, unless it is there.

    Of two different ones with one name the second gets a number.

    Raises:
        UserError: a folder cannot be made.
    """
    for p in predictions:
        target = folder / p.label.replace("/", "_") / p.file.name
        make_folder(target.parent)
        number = 1
        while target.exists() and not filecmp.cmp(p.file, target, shallow=False):
            number += 1
            target = target.with_name(f"{p.file.stem}-{number}{p.file.suffix}")
        if not target.exists():
            shutil.copy2(p.file, target)

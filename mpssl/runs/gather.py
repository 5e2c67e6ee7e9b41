"""What a run trains and is tested on, read from its files and verified."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mpssl.common.code_digest import code_digest
from mpssl.common.errors import UserError
from mpssl.common.files import json_digest
from mpssl.config.run_settings import RunSettings
from mpssl.data import store
from mpssl.data.batches import Batches, batches_of
from mpssl.data.groups import take_whole
from mpssl.data.pool import classes_by_name
from mpssl.data.split import read_split
from mpssl.data.store import Packed
from mpssl.models.classifier import load_foundation_classifier
from mpssl.models.generator import FrozenGenerator
from mpssl.plan import input_digests
from mpssl.plan.cells import Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import run_modules
from mpssl.runs.record import Digests
from mpssl.training.assemble import Inputs
from mpssl.training.pool import load_generator


@dataclass
class Gathered:
    """What a run trains on, what it is tested on, and the digests of all of it."""

    inputs: Inputs
    test: Batches
    class_names: list[str]
    lambda_: float
    digests: Digests


def gather(
    experiment: Experiment, run: Run, settings: RunSettings, device: torch.device
) -> Gathered:
    """Read a run's inputs to the device.

    Raises:
        UserError: a file is missing, damaged, or does not belong to the others, or D_u is empty.
    """
    config, paths, cell = experiment.config, experiment.paths, run.cell
    needs, size = experiment.plan.needs(cell), settings.training.image_size
    packed = store.load(paths.packed(cell.dataset))
    split = read_split(paths.split_of(run), packed)
    digests = {
        "code": code_digest(*run_modules(settings)),
        "configuration": json_digest(settings.model_dump(mode="json")),
        "data": packed.digest,
        "split": split["digest"],
    }
    memory_share = 1 / (config.runs_per_gpu if device.type == "cuda" else 1)
    share = config.resident_images * memory_share

    def part(rows) -> Batches:
        return batches_of(packed, rows, size, device, share)

    learning, choosing = _validation(split["validation"], settings, packed)
    unlabeled = frozen = foundation_classifier = None
    if "unlabeled" in needs:
        if not split["unlabeled"]:
            raise UserError(
                f"{cell.method} learns from D_u, of which {cell.dataset} has no image at "
                f"{cell.fraction} %; take a smaller fraction, or name more images as `unlabeled`"
            )
        unlabeled = part(split["unlabeled"])
    elif "foundation_images" in needs:
        foundation = store.load(paths.packed(config.foundation.dataset))
        rows = np.arange(foundation.pool)
        if settings.foundation_classes is not None:
            rows = rows[np.isin(foundation.labels[rows], settings.foundation_classes)]
        unlabeled = batches_of(foundation, rows, size, device, share)
        digests["foundation_images"] = foundation.digest
    if "generator" in needs:
        frozen = load_generator(config, paths.generator(), device, share)
        digests["generator"] = input_digests.generator_digest(experiment)
        if settings.foundation_classes is not None:
            _refuse_unknown("foundation.class_groups", settings.foundation_classes, frozen)
    if "foundation_classifier" in needs:
        foundation_classifier = load_foundation_classifier(
            paths.classifier(cell.architecture),
            cell.architecture,
            *settings.training.normalization(cell.architecture),
        ).to(device)
        digests["foundation_classifier"] = input_digests.classifier_digest(
            experiment, cell.architecture
        )
    if settings.source == "pseudo":
        known = len(foundation_classifier.head.bias)
        if known != frozen.classes:
            raise UserError(
                f"the foundation classifier knows {known} classes, the generator "
                f"{frozen.classes}: {cell.method} needs the same ones"
            )
    class_map = None
    if settings.class_map is not None:
        class_map = _class_map(settings.class_map, packed.classes, frozen)
    return Gathered(
        inputs=Inputs(
            classes=len(packed.classes),
            labeled=part(split["labeled"]),
            validation=part(choosing),
            learning=None if learning is None else part(learning),
            unlabeled=unlabeled,
            generator=frozen,
            foundation_classifier=foundation_classifier,
            class_map=class_map,
            memory_share=memory_share,
        ),
        test=part(packed.test),
        class_names=packed.classes,
        lambda_=float(run.lambda_),
        digests=Digests(**digests),
    )


def _validation(
    rows: list[int], settings: RunSettings, packed: Packed
) -> tuple[list[int] | None, list[int]]:
    """The rows of D_val that only LMO learns from, or None, and those that choose the epoch.

    The former are spread evenly over D_val, whose rows may be in the order of the classes; if
    images belong together, they are whole groups, by class.

    Raises:
        UserError: one of the two parts is empty.
    """
    part = 1.0 if settings.lmo is None else settings.lmo.validation_part
    if part == 1:
        return None, rows
    learns = [int((i + 1) * part) > int(i * part) for i in range(len(rows))]
    if packed.groups is not None:
        labels, rng = packed.labels[rows], np.random.default_rng(0)
        wanted = np.round(np.bincount(labels) * part)
        learns = take_whole(
            labels, packed.groups[rows], wanted, rng.permutation, leave_one=False
        ).tolist()
    if all(learns) or not any(learns):
        raise UserError(
            f"lmo.validation_part {part:g} of {len(rows)} images of D_val leaves a part empty; "
            "take a larger split.validation_fraction"
        )
    learning = [row for row, its in zip(rows, learns, strict=True) if its]
    return learning, [row for row, its in zip(rows, learns, strict=True) if not its]


def _class_map(
    mapped: dict[str, list[int]], classes: list[str], frozen: FrozenGenerator
) -> list[list[int]]:
    """The foundation classes of each target class; without a map those of the same name.

    Raises:
        UserError: a target class has none, or one is not among those of the generator.
    """
    if not mapped:
        numbers = getattr(frozen, "present", range(frozen.classes))
        mapped = classes_by_name(frozen.names, classes, numbers)
    for name in classes:
        if not mapped.get(name):
            raise UserError(
                f"foundation.class_map names no foundation classes for the class {name}"
            )
        _refuse_unknown(f"foundation.class_map: the class {name}", mapped[name], frozen)
    return [mapped[name] for name in classes]


def _refuse_unknown(where: str, numbers: list[int], frozen: FrozenGenerator) -> None:
    """Raise UserError if a number is not one of the generator's classes."""
    known = getattr(frozen, "present", range(frozen.classes))
    if unknown := set(numbers).difference(known):
        raise UserError(
            f"{where} has {max(unknown)}, the generator's classes are {_spanned(known)}"
        )


def _spanned(numbers: Sequence[int]) -> str:
    """Numbers in ascending order, by the first and last if none is left out."""
    if len(numbers) == numbers[-1] + 1:
        return f"0 to {numbers[-1]}"
    return ", ".join(map(str, numbers[:10])) + (" ..." if len(numbers) > 10 else "")

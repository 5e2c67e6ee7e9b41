"""The text of `mpssl plan`: what an experiment takes, as aligned columns."""

from collections import Counter
from math import ceil
from pathlib import Path

from mpssl.common.columns import aligned
from mpssl.config.architectures import BACKBONES
from mpssl.plan import pool_checks
from mpssl.plan.cells import Cell, cell_of
from mpssl.plan.cost import Calibration, Cost, Space, chosen_cells, cost, kind, space
from mpssl.plan.device_memory import step_memory
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan

UNMEASURED = "run with --calibrate"
SIZING = "{} pixels, {:.3g} of the image, bilinear"  # as mpssl/shipped/timm.csv says it


def report(experiment: Experiment, names: list[str], measured: Path | None = None) -> str:
    """The plan of the named tables and figures, or of the wanted ones, as text.

    Args:
        experiment: whose plan it is.
        names: tables and figures; none for the wanted ones.
        measured: file of a calibration other than the experiment's own.

    Raises:
        UserError: the size of a data set is not known, the calibration is damaged, or generated
            images do not fit the data.
    """
    plan, calibration = experiment.plan, Calibration.load(experiment, measured)
    pool_checks.check(plan, chosen_cells(plan, names))
    cells = experiment.names.distinct(chosen_cells(plan, names))
    parts = [_space_lines(space(experiment, cells))]
    parts.append("\n".join(_left_out(plan, names or plan.wanted)))
    parts.append("\n".join(_other_images(plan, cells)))
    parts.append(_cost_table(experiment, names, cells, calibration))
    parts.append(_memory_lines(plan, cells))
    return "\n\n".join(part for part in parts if part)


def _space_lines(space: Space) -> str:
    rows = [
        ["download", _gigabytes(space.download)],
        ["disk", _gigabytes(space.total)],
        ["  archives, kept", _gigabytes(space.archives)],
        ["  unpacked, about", _gigabytes(space.archives)],
        ["  weights", _gigabytes(space.weights)],
        ["  packed arrays", _gigabytes(space.packed)],
        ["  run records", _gigabytes(space.runs)],
    ]
    unknown = f"\nnot in these sizes: {', '.join(space.unknown)}" if space.unknown else ""
    return aligned(rows) + unknown


def _left_out(plan: Plan, names: list[str]) -> list[str]:
    """Cells that cannot be run, by reason."""
    cells = {
        cell_of(row, column)
        for name in names
        for row in plan.grids[name].rows
        for column in plan.columns(name)
    }
    reasons = Counter(reason for cell in cells if (reason := plan.impossible(cell)))
    return [f"left out, {count} cells: {reason}" for reason, count in sorted(reasons.items())]


def _other_images(plan: Plan, cells: list[Cell]) -> list[str]:
    """Published weights that want other images than those that the configuration makes."""
    if plan.config.foundation.classifier.kind != "pretrained":
        return []
    size, side = plan.config.packing.size, plan.config.training.image_size
    here = SIZING.format(side, side / size)
    wanted = {name: BACKBONES[name].trained_at for name in {cell.architecture for cell in cells}}
    return [
        f"{name} has weights for {images}; your images are {here} (training.image_size, its part "
        "of packing.size)"
        for name, images in sorted(wanted.items())
        if images not in ("", here)
    ]


def _cost_table(
    experiment: Experiment, names: list[str], cells: list[Cell], calibration: Calibration | None
) -> str:
    plan, distinct = experiment.plan, experiment.names.distinct
    header = [
        ["", "", "runs", "", "classifier steps", "", "device hours", ""],
        ["", "cells", "given", "searched", "given", "searched", "given", "searched"],
    ]
    chosen = names or plan.wanted
    rows = [_cost_row(name, cost(plan, distinct(plan.cells(name)), calibration)) for name in chosen]
    total = cost(plan, cells, calibration)
    rows.append(_cost_row("total", total))
    notes = [
        "given: lambda is a number; searched: tried over the grid on one seed.",
        "Tables share cells, and rows of the same settings are one; in the total each run counts "
        "once, so it is less than the sum.",
    ]
    hours = "" if total.halved_hours is None else f", {_hours(total.halved_hours)} hours"
    notes.append(
        f"With unlabeled_weight_search: halving the total is {total.halved_steps:,} classifier "
        f"steps{hours}, instead of those searched."
    )
    if calibration is not None:
        notes.append(
            f"Hours on {calibration.device}, of the training runs alone: starts, downloads, packing"
            " and the foundation's own training are not in them."
        )
    return aligned(header + rows) + "\n" + "\n".join(notes)


def _memory_lines(plan: Plan, cells: list[Cell]) -> str:
    """The device memory of each kind of step, and the cards that hold it."""
    rows, kinds = [], {(cell.architecture, kind(plan, cell)): cell for cell in cells}
    for (architecture, name), cell in sorted(kinds.items()):
        memory = step_memory(plan, cell)
        whole, least = (f"{memory.bytes(n) / 1e9:,.1f} GB" for n in (memory.images, 1))
        card = memory.card()
        rows.append(
            [f"{architecture}, {name}", whole, least, "none" if card is None else f"{card} GB"]
        )
    head = ["device memory of a step, by formula", "whole", "in parts", "fits on a GPU from"]
    return aligned([head, *rows])


def _cost_row(name: str, cost: Cost) -> list[str]:
    hours = [UNMEASURED, ""]
    if cost.hours is not None:
        hours = [_hours(cost.hours), _hours(cost.searched_hours)]
    counts = (cost.cells, cost.runs, cost.searched_runs, cost.steps, cost.searched_steps)
    return [name, *(f"{count:,}" for count in counts), *hours]


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 0.1 else f"{hours:.4f}"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{ceil(count / 1e5) / 10:,.1f} MB"

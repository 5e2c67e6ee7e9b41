"""The search for lambda by successive halving (Jamieson and Talwalkar, 2016).

All weights of the grid are trained to a first rung, the better half of them to the next one, and so
on. A run that goes on does so from its checkpoint, so no epoch is trained twice, and whoever wants
the whole run later goes on from there.
"""

import csv
from collections.abc import Callable

from mpssl.common.files import write_made
from mpssl.common.once import alone
from mpssl.plan.cells import Cell, Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.paths import RunFiles
from mpssl.plan.plan import Plan
from mpssl.runs.stored import train_once


def search_by_halving(experiment: Experiment, cell: Cell, threads: int) -> None:
    """Choose lambda for a cell, and write it with the epochs that each weight has seen.

    Raises:
        UserError: a run cannot be trained.
        Preempted: a signal came; the same call goes on from the checkpoints.
    """

    def train_to(run: Run, epochs: int) -> list[float]:
        accuracies = _train_to(experiment, run, threads, epochs)
        best = max(accuracies[:epochs])
        print(f"lambda {run.lambda_}: {best:.2f} % by epoch {epochs}", flush=True)
        return accuracies

    plan = experiment.plan
    chosen = halve(plan, plan.search_runs(cell), train_to)
    write_made(experiment.paths.selected(cell), chosen)


def halve(plan: Plan, runs: list[Run], train_to: Callable[[Run, int], list[float]]) -> dict:
    """Choose among the runs of a search, rung by rung.

    The best validation accuracy up to a rung decides; if runs tie, the smaller lambda is better, as
    it changes the base model less.

    Args:
        plan: says the rungs.
        runs: one for each weight of the grid.
        train_to: trains a run to an epoch, or further; returns its validation accuracy after each.

    Returns:
        The chosen lambda, and by lambda the best accuracy that was seen and the epochs until then.
    """
    runs = sorted(runs, key=lambda run: float(run.lambda_))
    seen: dict[str, int] = {}
    best: dict[str, float] = {}
    for epochs, count in plan.rungs(len(runs)):
        runs = runs[:count]
        for run in runs:
            accuracies = train_to(run, epochs)
            seen[run.lambda_], best[run.lambda_] = epochs, max(accuracies[:epochs])
        runs.sort(key=lambda run: (-best[run.lambda_], float(run.lambda_)))
    return {"lambda": runs[0].lambda_, "val_accuracy": best, "epochs": seen}


def validation_accuracies(files: RunFiles) -> list[float]:
    """Validation accuracy after each epoch of a run that has ended, percent."""
    with open(files.history, newline="") as file:
        return [float(row["val_accuracy"]) for row in csv.DictReader(file)]


def _train_to(experiment: Experiment, run: Run, threads: int, epochs: int) -> list[float]:
    """Validation accuracy after each epoch of a run that has seen `epochs` or more, percent."""
    from mpssl.runs.runner import begin

    files = experiment.paths.run(run)
    if epochs == experiment.config.training.epochs:
        train_once(experiment, run, threads)
    with alone(files.folder):
        if not files.record.exists():
            return begin(experiment, run, threads, epochs)
    return validation_accuracies(files)

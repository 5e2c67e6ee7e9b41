"""The outcome of a search for lambda, and all runs in one table."""

import os
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from mpssl.common.errors import UserError
from mpssl.common.files import atomic, write_made
from mpssl.plan.cells import CELL_PATTERNS, Cell
from mpssl.plan.experiment import Experiment
from mpssl.results.records import Records
from mpssl.runs.record import RunRecord
from mpssl.runs.stored import link

# Numbers of a run that runs.csv and search.csv show, beside its experiment, cell, lambda and seed.
NUMBERS = ["best_epoch", "val_accuracy", "test_accuracy", "images", "seconds", "device", "commit"]
COLUMNS = ["experiment", *CELL_PATTERNS, "lambda", "seed", *NUMBERS, "name"]


def select_lambda(experiment: Experiment, cell: Cell) -> None:
    """Write the lambda of the search run with the best validation accuracy.

    If runs tie, the smallest lambda is taken: the one that changes the base model least.

    Raises:
        UserError: a run of the search has not finished, or does not belong to the others.
    """
    path = experiment.paths.selected(cell)
    path.unlink(missing_ok=True)  # of an earlier search
    searched = Records(experiment, [cell]).search(cell)
    accuracies = {record.run.lambda_: record.val_accuracy for record in searched}
    for run in experiment.plan.search_runs(cell):
        if run.lambda_ not in accuracies:
            raise UserError(f"the run {run.id} of the lambda search has not finished")
    best = max(accuracies.values())
    chosen = min((text for text, accuracy in accuracies.items() if accuracy == best), key=float)
    write_made(path, {"lambda": chosen, "val_accuracy": accuracies})


def collect_runs(experiment: Experiment) -> None:
    """Write runs.csv, one line a cell and seed, and search.csv, one line a run of the searches.

    Their column `name` is that of the run's folder in the store, to which a link is made.

    Finished runs of tables that are not wanted now are in them too, where they belong to the rest.

    Raises:
        UserError: a run of the wanted tables is damaged, or does not belong to the others.
    """
    plan, paths = experiment.plan, experiment.paths
    wanted = plan.wanted_cells()
    records = Records(experiment, wanted)
    runs, searches = [], []
    # A row of an unwanted table that is a wanted one by its settings would be in them twice.
    others = experiment.names.distinct([*wanted, *plan.all_cells()])
    for cell in dict.fromkeys([*wanted, *others]):
        runs += records.of(cell).records
        searches += records.search(cell)
    for target, rows in ((paths.runs_table, runs), (paths.searches_table, searches)):
        with atomic(target) as path:
            lines = [_line(experiment, record) for record in rows]
            pd.DataFrame(lines, columns=COLUMNS).to_csv(path, index=False)


def _line(experiment: Experiment, record: RunRecord) -> dict:
    run, paths = record.run, experiment.paths
    folder = Path(os.path.relpath(paths.run(run).folder.resolve()))
    link(paths.link(run), folder)
    identity = {"experiment": experiment.config.experiment, **asdict(run.cell)}
    numbers = {name: getattr(record, name) for name in NUMBERS}
    line = {**identity, "lambda": record.lambda_, "seed": run.seed, **numbers}
    return line | {"name": folder.name}

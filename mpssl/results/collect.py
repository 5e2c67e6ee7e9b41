"""The outcome of a search for lambda, and all runs in one table."""

import pandas as pd

from mpssl.common.errors import UserError
from mpssl.common.files import atomic, write_made
from mpssl.config.experiment import Config
from mpssl.plan.cells import Cell
from mpssl.plan.paths import Paths
from mpssl.plan.plan import Plan
from mpssl.results.records import Records

COLUMNS = [
    "experiment",
    "dataset",
    "fraction",
    "setting",
    "method",
    "variant",
    "architecture",
    "lambda",
    "seed",
    "best_epoch",
    "val_accuracy",
    "test_accuracy",
    "seconds",
    "device",
    "commit",
]


def select_weight(config: Config, cell: Cell) -> None:
    """Write the lambda of the search run with the best validation accuracy.

    Of several equals the smallest is taken: the one that changes the base model least.

    Raises:
        UserError: a run of the search has not finished, or does not belong to the others.
    """
    path = Paths(config).selected(cell)
    path.unlink(missing_ok=True)  # of an earlier search
    accuracies = {run.weight: r["val_accuracy"] for run, r in Records(config, [cell]).search(cell)}
    for run in Plan(config).search_runs(cell):
        if run.weight not in accuracies:
            raise UserError(f"the run {run.id} of the lambda search has not finished")
    best = max(accuracies.values())
    chosen = min((w for w, accuracy in accuracies.items() if accuracy == best), key=float)
    write_made(path, {"lambda": float(chosen), "weight": chosen, "val_accuracy": accuracies})


def collect_runs(config: Config) -> None:
    """Write runs.csv, one line a cell and seed, and search.csv, one line a run of the searches.

    Finished runs of tables that are not wanted now are in them too, where they belong to the rest.

    Raises:
        UserError: a run of the wanted tables is damaged, or does not belong to the others.
    """
    plan, results = Plan(config), Paths(config).results
    records = Records(config, plan.wanted_cells())
    runs, searches = [], []
    for cell in plan.all_cells():
        runs += records.of(cell).records
        searches += [record for _, record in records.search(cell)]
    for name, rows in (("runs.csv", runs), ("search.csv", searches)):
        with atomic(results / name) as path:
            pd.DataFrame(rows, columns=COLUMNS).to_csv(path, index=False)

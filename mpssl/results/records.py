"""The records of runs: which there are, which lambda wins, all of them as tidy tables."""

from dataclasses import dataclass

import pandas as pd

from mpssl.config import Config
from mpssl.errors import UserError
from mpssl.files import atomic, read_json, read_made, write_json
from mpssl.paths import Paths
from mpssl.plan import SELECTED, Cell, Plan, Run

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


@dataclass(frozen=True)
class CellRecords:
    """The runs of one cell: their records in the order of the seeds, and what is missing."""

    records: list[dict]
    missing: list[str]


def read_record(config: Config, run: Run) -> dict | None:
    """The metrics.json of a run, or None where the run has not finished.

    Raises:
        UserError: the file is damaged.
    """
    path = Paths(config).run(run) / "metrics.json"
    if not path.exists():
        return None
    try:
        return read_json(path)
    except ValueError:
        raise UserError(f"{path} is damaged; delete it and run snakemake again") from None


def select_weight(config: Config, cell: Cell) -> None:
    """Write the lambda of the search run with the best validation accuracy.

    Of several equals the smallest is taken: the one that changes the base model least.

    Raises:
        UserError: a run of the search has not finished.
    """
    accuracies = {}
    for run in Plan(config).search_runs(cell):
        record = read_record(config, run)
        if record is None:
            raise UserError(f"the run {run.id} of the lambda search has not finished")
        accuracies[run.weight] = record["val_accuracy"]
    best = max(accuracies.values())
    chosen = min((w for w, accuracy in accuracies.items() if accuracy == best), key=float)
    write_json(
        Paths(config).selected(cell),
        {"lambda": float(chosen), "weight": chosen, "val_accuracy": accuracies},
    )


def final_runs(config: Config, cell: Cell) -> list[Run | None]:
    """The run of each seed; None for the first seed's where the search has not ended."""
    plan = Plan(config)
    runs: list[Run | None] = list(plan.fixed_runs(cell))
    if plan.searched(cell):
        path = Paths(config).selected(cell)
        chosen = Run(cell, read_made(path)["weight"], config.seeds[0]) if path.exists() else None
        runs.insert(0, chosen)
    return runs


def read_cell(config: Config, cell: Cell) -> CellRecords:
    """The finished runs of a cell, one a seed, and the names of those that are missing."""
    records, missing = [], []
    for seed, run in zip(config.seeds, final_runs(config, cell), strict=True):
        record = read_record(config, run) if run is not None else None
        if record is None:
            missing.append(run.id if run else f"{cell.id}/lambda-{SELECTED}/seed-{seed}")
        else:
            records.append(record)
    return CellRecords(records, missing)


def collect_runs(config: Config) -> None:
    """Write runs.csv, one line a cell and seed, and search.csv, one line a run of the searches.

    All finished runs of the experiment's plan are in them, also of tables not wanted now.
    """
    plan, results = Plan(config), Paths(config).results
    runs, searches = [], []
    for cell in plan.all_cells():
        runs += read_cell(config, cell).records
        if plan.searched(cell):
            found = (read_record(config, run) for run in plan.search_runs(cell))
            searches += [record for record in found if record is not None]
    for name, records in (("runs.csv", runs), ("search.csv", searches)):
        with atomic(results / name) as path:
            pd.DataFrame(records, columns=COLUMNS).to_csv(path, index=False)

"""Records of runs that never happened, with accuracies to reckon with by hand."""

from mpssl.common.files import write_made
from mpssl.plan.cells import SELECTED, Run, cell_of
from mpssl.plan.paths import Paths
from mpssl.plan.plan import Plan

# test accuracy of each seed, by row and data set
ACCURACIES = {
    "base/base": {"mnist": [60, 62, 64], "digits": [50, 50, 50]},
    "oracle/fixmatch": {"mnist": [70, 70, 73], "digits": [55, 55, 55]},
    "oracle/freematch": {"mnist": [80, 81, 82], "digits": [54, 54, 54]},
    "generative/pssl": {"mnist": [61, 62, 66], "digits": [49, 52, 52]},
    "generative/mpssl": {"mnist": [66, 66, 66], "digits": [52, 51, 50]},
}


def write_run(config, run: Run, test: float, val: float = 0.0, weight: float = 0.5) -> None:
    """The record of a finished run with these accuracies, in percent."""
    folder = Paths(config).run(run)
    folder.mkdir(parents=True)
    cell = run.cell
    record = {
        "experiment": config.experiment,
        "run": run.id,
        "settings": Plan(config).settings(cell),
        "digests": {"data": "d", "split": "s"},
        "files": {},
        "dataset": cell.dataset,
        "fraction": cell.fraction,
        "setting": cell.setting,
        "method": cell.method,
        "variant": cell.variant,
        "architecture": cell.architecture,
        "lambda": weight if run.weight == SELECTED else float(run.weight),
        "seed": run.seed,
        "best_epoch": 2,
        "val_accuracy": val,
        "test_accuracy": test,
        "seconds": 1.5,
        "device": "cpu",
        "commit": "abc",
    }
    write_made(folder / "metrics.json", record)


def write_all(config, skip=()) -> None:
    """Records of all runs of table1, with ACCURACIES; `skip` has (row, data set, seed)."""
    plan = Plan(config)
    for row, by_dataset in ACCURACIES.items():
        for column in plan.columns("table1"):
            runs = plan.fixed_runs(cell_of(row, column))
            for run, accuracy in zip(runs, by_dataset[column.dataset], strict=True):
                if (row, column.dataset, run.seed) not in skip:
                    write_run(config, run, accuracy)

r"""What a search for lambda by halving loses against the full one, from runs that are in the store.

First every weight of the grid is trained to the end, on one tuning seed after the other:

    for seed in $(seq 100 109); do
        snakemake --cores all --configfile config/mini.yaml config/halving.yaml \
            --config "seeds=[$seed]"
    done
    python -m benchmarks.halving

Then this program lets `mpssl.runs.halving.halve` choose, as a search by halving does, but among
histories that are there. A search of which a run is missing is left out.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from mpssl.config.experiment import Config
from mpssl.plan.cells import Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.results.measures import mean_interval
from mpssl.results.records import read_record
from mpssl.runs.halving import halve, validation_accuracies
from mpssl.runs.record import RunRecord

SEEDS = range(100, 110)
RUNGS = [(0.1, 0.3), (0.1, 0.5), (0.2, 0.5), (0.3, 0.6)]
OF_ITS_OWN = Config.model_fields["search_seed"].default  # then no run of a search has to end
Search = dict[str, tuple[RunRecord, list[float]]]  # by lambda: a run, and its accuracy by epoch


def searches(experiment: Experiment) -> dict[tuple[str, int], Search]:
    """The searches of which every run is in the store, by row and tuning seed."""
    found = {}
    for cell in experiment.plan.wanted_cells():
        for seed in SEEDS:
            runs = [replace(run, seed=seed) for run in experiment.plan.search_runs(cell)]
            records = [read_record(experiment, run) for run in runs]
            if all(records):
                found[cell.row, seed] = {
                    run.lambda_: (record, validation_accuracies(experiment.paths.run(run)))
                    for run, record in zip(runs, records, strict=True)
                }
    return found


def full_choice(search: Search) -> str:
    """The lambda that the full search takes: the best epoch of all; if runs tie, the smallest."""
    return min(search, key=lambda text: (-search[text][0].val_accuracy, float(text)))


def halved_choice(plan: Plan, search: Search) -> str:
    """The lambda that halving takes."""
    runs = [Run(record.run.cell, text, record.run.seed) for text, (record, _) in search.items()]
    return halve(plan, runs, lambda run, epochs: search[run.lambda_][1][:epochs])["lambda"]


def line(plan: Plan, found: list[Search]) -> str:
    """A row of the table: agreement and test accuracy lost, both with 95 % intervals, and runs."""
    pairs = [(full_choice(search), halved_choice(plan, search)) for search in found]
    same = sum(one == other for one, other in pairs)
    chance = binomtest(same, len(pairs)).proportion_ci(method="wilson")
    lost = np.array(
        [
            search[one][0].test_accuracy - search[other][0].test_accuracy
            for search, (one, other) in zip(found, pairs, strict=True)
        ]
    )
    low, high = mean_interval(lost)
    rungs = ", ".join(f"{part:g}" for part in plan.config.unlabeled_weight_rungs)
    grid = len(found[0])
    return (
        f"| {rungs} | {same} of {len(pairs)}: {100 * same / len(pairs):.0f} % "
        f"[{100 * chance.low:.0f}, {100 * chance.high:.0f}] | {lost.mean():.2f} "
        f"[{low:.2f}, {high:.2f}] | {plan.runs_by_halving(grid):.1f} of {grid} |"
    )


def main() -> None:
    """Print the table, of all rows and of each one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", type=Path, default=Path("results/halving/config.json"))
    experiment = Experiment.load(parser.parse_args().config)
    found = searches(experiment)
    by_row: dict[str, list[Search]] = {}
    for (row, _), search in found.items():
        by_row.setdefault(row, []).append(search)
    for name, some in {"all rows": list(found.values()), **by_row}.items():
        print(f"\n{name}, {len(some)} searches")
        print(
            "| rungs | same lambda | test accuracy lost (points) | whole runs |\n|---|---|---|---|"
        )
        for rungs in RUNGS:
            changed = {"unlabeled_weight_rungs": list(rungs), "search_seed": OF_ITS_OWN}
            print(line(Plan(experiment.config.model_copy(update=changed)), some))


if __name__ == "__main__":
    main()

"""The search for lambda by halving: which weights go on, and that no epoch is trained twice."""

import contextlib
import re
from types import SimpleNamespace

import pytest

from benchmarks import halving as benchmark
from mpssl.common.files import read_made
from mpssl.config.reading import resolve
from mpssl.plan.cells import Run
from mpssl.plan.experiment import Experiment
from mpssl.runs import halving
from mpssl.runs.stored import train_once
from tests.support.pipeline import copy_workflow, jobs, snakemake

CHANGES = {
    "unlabeled_weight_search": "halving",
    "unlabeled_weight_rungs": [0.25, 0.5],
    "unlabeled_weight_grid": [0.25, 0.5, 1.0, 2.0],
    "training": {"epochs": 8, "image_size": 32},
}


@pytest.mark.parametrize(
    ("count", "seed", "rungs"),
    [
        (4, 100, [(2, 4), (4, 2)]),  # one is left, whose run no table needs
        (4, "first", [(2, 4), (4, 2), (8, 1)]),
        (10, 100, [(2, 10), (4, 5), (8, 3)]),
        (1, 100, [(2, 1), (4, 1)]),
    ],
)
def test_the_rungs_are_known_beforehand(content, count, seed, rungs):
    plan = Experiment(resolve(content | CHANGES | {"search_seed": seed})).plan
    assert plan.rungs(count) == rungs


def test_what_a_search_costs_in_whole_runs(content):
    plan = Experiment(resolve(content | CHANGES)).plan
    assert plan.runs_by_halving(10) == (2 * 10 + 2 * 5 + 4 * 3) / 8


@pytest.fixture
def search(content, own_results, monkeypatch):
    """A function: the outcome and the trainings of a search whose validation accuracies are given.

    It takes the accuracy after each epoch by lambda.
    """

    def run(accuracies, **changes):
        experiment = Experiment(resolve(content | CHANGES | changes))
        cell = next(c for c in experiment.plan.all_cells() if c.method == "mpssl")
        trained = []

        def train_to(_, run, threads, epochs):
            trained.append((run.lambda_, epochs))
            return accuracies[run.lambda_][:epochs]

        monkeypatch.setattr(halving, "_train_to", train_to)
        halving.search_by_halving(experiment, cell, threads=1)
        return read_made(experiment.paths.selected(cell)), trained

    return run


def test_the_better_half_goes_on_by_the_best_epoch_so_far(search):
    accuracies = {
        "0.25": [50, 10, 10, 10],
        "0.5": [20, 30, 60, 40],
        "1": [10, 40, 10, 10],
        "2": [10, 10, 99, 99],  # too late
    }
    selected, trained = search(accuracies)
    assert trained == [("0.25", 2), ("0.5", 2), ("1", 2), ("2", 2), ("0.25", 4), ("1", 4)]
    assert selected["lambda"] == "0.25"
    assert selected["epochs"] == {"0.25": 4, "0.5": 2, "1": 4, "2": 2}
    assert selected["val_accuracy"] == {"0.25": 50, "0.5": 30, "1": 40, "2": 10}


def test_the_smaller_lambda_wins_ties(search):
    selected, trained = search(dict.fromkeys(["0.25", "0.5", "1", "2"], [50] * 8))
    assert selected["lambda"] == "0.25"
    assert ("0.5", 4) in trained and ("1", 4) not in trained


def test_what_halving_loses_is_counted_from_whole_runs(content):
    """Of two searches one ends with another lambda, whose run is 2 points worse on the test."""
    plan = Experiment(resolve(content | CHANGES)).plan
    cell = next(c for c in plan.all_cells() if c.method == "mpssl")
    early, late = [50.0] * 8, [10.0] * 7 + [99.0]
    slow = {"0.25": (early, 60.0), "0.5": (early, 60.0), "1": (early, 60.0), "2": (late, 62.0)}
    found = []
    for search in (slow, dict.fromkeys(slow, (early, 60.0))):
        made = {}
        for text, (history, tested) in search.items():
            run = Run(cell, text, 100)
            made[text] = SimpleNamespace(run=run, val_accuracy=max(history), test_accuracy=tested)
        found.append({text: (record, search[text][0]) for text, record in made.items()})
    assert [benchmark.full_choice(search) for search in found] == ["2", "0.25"]
    assert [benchmark.halved_choice(plan, search) for search in found] == ["0.25", "0.25"]
    row = benchmark.line(plan, found)
    assert row.startswith("| 0.25, 0.5 | 1 of 2: 50 % [9, 91] | 1.00 [-11.71, 13.71] | 1.5 of 4")


@pytest.mark.slow
def test_a_search_goes_on_from_its_checkpoints_and_a_whole_run_from_the_search(tmp_path):
    """Of two lambdas both see two epochs of four; the chosen one's run then lacks two."""
    folder = copy_workflow(tmp_path)
    changes = {
        "unlabeled_weight_search": "halving",
        "unlabeled_weight_rungs": [0.5],
        "training": "{epochs: 4}",
    }
    words = [f"{key}={value}" for key, value in changes.items()]
    result = snakemake(
        folder, "few", "--cores", "2", "--configfile", "store.yaml", "--config", *words
    )
    assert result.returncode == 0, result.stdout[-4000:]
    assert jobs(result.stdout)["halve_lambda"] == 1
    assert "select_lambda" not in jobs(result.stdout)
    (log,) = (folder / "results/kept/logs/select").glob("*.log")
    assert len(re.findall(r"^epoch +[12]/", log.read_text(), re.M)) == 4
    assert not re.search(r"^epoch +[34]/", log.read_text(), re.M)
    (selected,) = (folder / "store/searches").glob("*/selected.json")
    found = read_made(selected)
    assert found["epochs"] == {"0.5": 2, "1": 2}

    with contextlib.chdir(folder):
        experiment = Experiment.load("results/kept/config.json")
        cell = next(c for c in experiment.plan.all_cells() if c.method == "freematch")
        run = experiment.plan.search_runs(cell)[0]
        files = experiment.paths.run(run)
        assert files.checkpoint.exists()
        train_once(experiment, run, threads=1)
        assert len(files.history.read_text().splitlines()) == 1 + 4
        assert not files.checkpoint.exists()

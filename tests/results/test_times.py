"""The table of stages, of jobs from several starts."""

import os

import pytest

from mpssl.config.reading import resolve
from mpssl.plan.experiment import Experiment
from mpssl.results.times import Stage, print_times, stage_times


@pytest.fixture
def experiment(content, own_results):
    """Two trainings an hour apart, the second in a later start; the packing before them."""
    experiment = Experiment(resolve(content))
    for name, seconds, end in (("pack/a", 5, 1005), ("train/a", 20, 1030), ("train/b", 30, 4630)):
        path = experiment.paths.benchmarks / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\n{seconds}\n")
        os.utime(path, (end, end))
    return experiment


def test_jobs_of_all_starts_count_from_the_first(experiment):
    assert stage_times(experiment) == [Stage("pack", 1, 5, 0, 5), Stage("train", 2, 50, 10, 3630)]


def test_the_table_says_that_it_is_of_all_starts(experiment, capsys):
    print_times(experiment)
    *_, train, words = capsys.readouterr().out.splitlines()
    assert train.split() == ["train", "2", "50.0", "10", "3630"]
    assert "in whichever start of snakemake" in words

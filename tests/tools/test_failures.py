"""What a person reads after a failed start."""

import os

import pytest

from mpssl.common.files import write_made
from mpssl.config.reading import resolve
from mpssl.plan.experiment import Experiment
from mpssl.tools.failures import failures_text

START = 1_000_000


@pytest.fixture
def experiment(content, own_results):
    experiment = Experiment(resolve(content))
    path = experiment.paths.resolved_config
    write_made(path, {})
    os.utime(path, (START, START))
    return experiment


def log(experiment, name, text, time):
    path = experiment.paths.logs / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time, time))
    return path


def test_each_failed_job_has_its_name_its_cause_and_its_log(experiment):
    cell = experiment.plan.all_cells()[0]
    run = experiment.plan.fixed_runs(cell)[0]
    name = f"train/{experiment.names.run(run)}"
    error = log(experiment, name, "epoch 1\nmpssl: error: no images\n", START + 1)
    crash = "Traceback (most recent call last):\n  line\nMemoryError: 3 GB\n"
    crashed = log(experiment, "pack/digits", crash, START + 2)
    log(experiment, "pack/glyphs", "packed\n", START + 2)
    assert failures_text(experiment).splitlines() == [
        "mpssl: error: MemoryError: 3 GB",
        f"  pack/digits: {crashed}",
        "mpssl: error: no images",
        f"  train {run.id}: {error}",
    ]


def test_an_earlier_starts_failure_is_not_shown(experiment):
    log(experiment, "train/a/seed-0", "mpssl: error: no images\n", START - 1)
    assert failures_text(experiment) == ""


def test_before_the_first_start_there_is_nothing_to_tell(experiment):
    experiment.paths.resolved_config.unlink()
    assert failures_text(experiment).startswith("nothing was started yet: ")

"""What is trained, and what is found in the store, on the days of an experiment.

The experiment of tests/support/store.yaml: a base run, a search over two lambdas, one chosen run.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.support.pipeline import copy_workflow, environment, jobs, snakemake

pytestmark = pytest.mark.usefixtures("forked_jobs")

CONFIG = ["--configfile", "store.yaml"]
TRAINED = ("train_run", "train_chosen")
ALL = {"train_run": 3, "train_chosen": 1}  # base and the two lambdas; the chosen one
MORE_STEPS = ["--config", "training={steps_per_epoch: 2}"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = copy_workflow(tmp_path_factory.mktemp("store"))
    result = run(folder)
    assert trained(result) == ALL
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished experiment as a person makes it, without Snakemake's own notes."""
    folder = tmp_path / "copy"
    ignored = shutil.ignore_patterns(".snakemake")
    shutil.copytree(finished, folder, symlinks=True, ignore=ignored, copy_function=shutil.copy)
    return folder


@pytest.fixture
def moved(finished, tmp_path):
    """The finished experiment as it is after a move: with times and Snakemake's notes."""
    return shutil.copytree(finished, tmp_path / "moved", symlinks=True)


def run(folder, *arguments):
    result = snakemake(folder, "--cores", "2", *CONFIG, *arguments)
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


def plan(folder, *arguments):
    result = snakemake(folder, "-n", *CONFIG, *arguments)
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


def trained(output):
    return {rule: n for rule, n in jobs(output).items() if rule in TRAINED}


def change(folder, **changes):
    content = yaml.safe_load((folder / "store.yaml").read_text()) | changes
    (folder / "store.yaml").write_text(yaml.safe_dump(content))


def table(folder, name="kept"):
    return (folder / f"results/{name}/tables/few.md").read_text()


def status(folder):
    command = [sys.executable, "-m", "mpssl", "status", "--config", "store.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def mpssl(folder, *arguments):
    command = [sys.executable, "-m", "mpssl", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


def test_a_second_start_has_nothing_to_do(finished):
    assert "Nothing to be done" in plan(finished)


def test_a_copy_without_snakemakes_notes_trains_nothing(copied):
    assert trained(plan(copied)) == {}
    shutil.rmtree(copied / "results")  # tables are made again of the runs that are there
    output = run(copied)
    assert trained(output) == {}
    assert jobs(output)["make_table"] == 1


def test_touched_files_train_nothing(copied):
    now = time.time()
    for number, path in enumerate(sorted(copied.rglob("*"), reverse=True)):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (now + number, now + number))
    assert trained(plan(copied)) == {}


def test_a_changed_setting_is_seen_without_snakemakes_notes(copied):
    assert trained(plan(copied, *MORE_STEPS)) == ALL


def test_there_and_back_trains_nothing_and_the_table_is_the_first(copied):
    before = table(copied)
    assert trained(run(copied, *MORE_STEPS)) == ALL
    other = table(copied)
    assert other != before
    assert "stale, of other runs or settings: runs, claims, report, few" in status(copied)
    shutil.rmtree(copied / ".snakemake")
    output = run(copied)
    assert trained(output) == {}
    assert table(copied) == before
    assert "stale" not in status(copied)


def test_a_renamed_experiment_trains_nothing(copied):
    change(copied, experiment="renamed")
    assert trained(run(copied)) == {}
    assert table(copied, "renamed") == table(copied)


def test_another_lambda_trains_only_itself_and_what_is_chosen(copied):
    change(copied, unlabeled_weight_grid=[0.5, 0.75, 1.0])
    assert trained(plan(copied)) == {"train_run": 1, "train_chosen": 1}


def test_the_chosen_run_is_one_of_those_with_that_lambda(copied):
    """With lambda given, the run that the search chose is there already."""
    link = next((copied / "results/kept/runs").rglob("lambda-selected/seed-0"))
    name = link.resolve().name
    chosen = yaml.safe_load((link / "metrics.json").read_text())["lambda"]
    change(copied, unlabeled_weight=chosen)
    assert trained(plan(copied)) == {}
    assert (
        name in run(copied, "--force", "collect_runs")
        or name in (copied / "results/kept/runs.csv").read_text()
    )


def test_a_row_of_the_same_settings_is_the_same_run(copied):
    few = {"title": "Few", "rows": ["base/base", "control/strong"]}
    change(copied, tables={"few": few}, augmentation={"labeled_view": "strong"})
    assert trained(plan(copied)) == {"train_run": 1}


def test_another_experiment_finds_the_runs_through_the_store_of_the_first(copied, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    change(copy_workflow(folder), experiment="other", store=str(copied / "store"))
    assert trained(run(folder)) == {}
    assert table(folder, "other") == table(copied)


def test_a_deleted_run_is_trained_again_and_only_that(moved):
    before, link = table(moved), next((moved / "results/kept/runs").rglob("base/**/seed-0"))
    shutil.rmtree(link.resolve())
    assert trained(run(moved)) == {"train_run": 1}
    assert table(moved) == before
    assert "Nothing to be done" in plan(moved)


def test_a_deleted_run_that_was_chosen_is_trained_again(moved):
    link = next((moved / "results/kept/runs").rglob("lambda-selected/seed-0"))
    shutil.rmtree(link.resolve())
    assert trained(plan(moved)) == {"train_chosen": 1}
    run(moved)
    assert (link / "metrics.json").exists()


def test_what_a_moved_experiment_refers_to_stays_in_use(moved, tmp_path):
    assert "everything is in use" in mpssl(moved, "gc", "--delete").stdout
    (moved / "results/kept").rename(moved / "results/elsewhere")
    listed = mpssl(moved, "gc").stdout
    assert "results/kept is not there any more, so " in listed
    assert "would be removed; add --delete to do it" in listed
    assert trained(plan(moved)) == {}


def test_two_snakemakes_on_one_store_make_everything_once(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        change(copy_workflow(folder), store=str(tmp_path / "store"))
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", *CONFIG],
            cwd=folder,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for folder in folders
    ]
    outputs = [process.communicate(timeout=600)[0] for process in started]
    for process, output in zip(started, outputs, strict=True):
        assert process.returncode == 0, output[-4000:]
    logs = [p for f in folders for p in (f / "results/kept/logs/train").glob("*.log")]
    trainings = [p.stem for p in logs if "epoch" in p.read_text()]
    assert len(trainings) == len(set(trainings))
    assert len(list((tmp_path / "store/runs").glob("*/done"))) == len(trainings)
    assert table(folders[0]) == table(folders[1])


def test_garbage_is_what_no_experiment_refers_to(copied):
    """Only what the copy's own notes in the store name is in use: the first folder's are gone."""
    shutil.rmtree(copied / "store/experiments")
    run(copied, "--force", "collect_runs")
    assert "everything is in use" in mpssl(copied, "gc").stdout
    run(copied, *MORE_STEPS)
    listed = mpssl(copied, "gc").stdout
    assert re.search(r"runs +[34] ", listed)
    assert "would be removed; add --delete" in listed
    assert trained(plan(copied)) == {}
    young = mpssl(copied, "gc", "--older-than", "1").stdout
    assert "folders are unused, none for 1 days or more" in young
    assert " removed" in mpssl(copied, "gc", "--delete").stdout
    assert trained(plan(copied, *MORE_STEPS)) == {}
    assert trained(plan(copied)) == ALL


def test_runs_of_an_earlier_version_are_adopted(copied):
    """They lay in results/, in folders named by cell, lambda and seed."""
    runs = copied / "results/kept/runs"
    folders = {path: path.resolve() for path in runs.rglob("seed-*")}
    for link, folder in folders.items():
        link.unlink()
        shutil.copytree(folder, link)
        (link / "done").unlink()
    shutil.rmtree(copied / "store/runs")
    shutil.rmtree(copied / "store/chosen")
    result = mpssl(copied, "adopt", "--config", "store.yaml")
    assert result.returncode == 0, result.stderr
    assert "taken into the store" in result.stdout
    assert trained(plan(copied)) == {"train_chosen": 1}  # which is only linked
    before = {path: path.stat().st_mtime for path in (copied / "store/runs").rglob("*.safetensors")}
    run(copied)
    assert before == {path: path.stat().st_mtime for path in before}
    assert len(before) == len(list((copied / "store/runs").glob("*/done")))
    assert Path(runs.with_name("runs.earlier")).is_dir()

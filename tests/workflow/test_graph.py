"""The graph that Snakemake builds, and what a person sees if it cannot."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mpssl.compat.snakemake import lift_default_rate_limit
from mpssl.plan.experiment import Experiment
from tests.support.pipeline import ROOT, copy_workflow, jobs, snakemake, trainings


def test_a_mistake_in_the_configuration_is_one_clear_line(tmp_path):
    folder = copy_workflow(tmp_path)
    result = snakemake(folder, "-n", "--configfile", "tiny.yaml", "--config", "trainig={}")
    assert result.returncode != 0
    assert "unknown key 'trainig'; did you mean 'training'?" in result.stdout
    assert "Traceback" not in result.stdout


def test_a_repeated_key_is_a_mistake_for_snakemake_too(tmp_path):
    folder = copy_workflow(tmp_path)
    with open(folder / "tiny.yaml", "a") as file:
        file.write("seeds: [0]\n")
    result = snakemake(folder, "-n", "--configfile", "tiny.yaml")
    assert result.returncode != 0
    assert "the key 'seeds' is twice in one mapping" in result.stdout
    assert "Traceback" not in result.stdout


def test_one_key_of_a_section_is_set_on_the_command_line(tmp_path):
    folder = copy_workflow(tmp_path)
    change = ["--config", "training={epochs: 4}"]
    command = ["--cores", "1", "--until", "pack_images", "--configfile", "small.yaml"]
    result = snakemake(folder, *command, *change)
    assert result.returncode == 0, result.stdout[-2000:]
    training = json.loads((folder / "results/small/config.json").read_text())["training"]
    assert training["epochs"] == 4
    assert training["steps_per_epoch"] == 10  # of small.yaml: the rest of the section stays


@pytest.mark.parametrize(
    "words",
    [
        ["figure4", "-n", "--configfile", "small.yaml", "--config", "training={epochs: 4}"],
        ["-n", "--configfile", "small.yaml", "--", "figure4"],
    ],
)
def test_a_target_is_before_the_options_or_after_two_dashes(tmp_path, words):
    result = snakemake(copy_workflow(tmp_path), *words)
    assert result.returncode == 0, result.stdout[-2000:]
    assert jobs(result.stdout)["make_figure"] == 1


def test_the_embedded_benchmark_builds_its_graph(tmp_path):
    result = snakemake(copy_workflow(tmp_path), "-n", "--configfile", "config/mini.yaml")
    assert result.returncode == 0, result.stdout[-2000:]
    # 13 rows x 5 seeds; the base model is under the strong view, and so the same as its control
    assert jobs(result.stdout)["train_run"] == 12 * 5


def test_each_seed_may_have_a_split_of_its_own(tmp_path):
    folder = copy_workflow(tmp_path)
    changes = ["--config", "split={drawn_for: seed}", "--configfile", "tiny.yaml"]
    result = snakemake(folder, "-n", "-p", "--until", "split_pool", "--quiet", "host", *changes)
    assert result.returncode == 0, result.stdout[-2000:]
    for seed in (0, 1):
        command = f"mpssl split --config results/tiny/config.json digits 50 {seed} >"
        assert result.stdout.count(command) == 1


def test_a_table_is_a_target_by_its_name(tmp_path):
    result = snakemake(copy_workflow(tmp_path), "-n", "table3", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout[-2000:]
    counts = jobs(result.stdout)
    assert trainings(result.stdout) == 2 + 4 * (2 + 1)  # base at two seeds; MP-SSL, three variants
    assert counts["make_table"] == 1
    assert "make_figure" not in counts


# Cells by table, each counted where it comes first: Table 1: 6 data sets x 7; Table 2: 7 + 7 at 10
# and 25 %, 4 at 100 %; Table 3: 3; 4: 1; 5: 5; 6: 4; 7: 2 x 5; 8: 5 data sets x 4 (Cars is in
# Table 2); 9: 3; 10: 2 x 5; 11: 1; the controls: 6 data sets x 9.
PAPER_CELLS = 42 + 18 + 3 + 1 + 5 + 4 + 10 + 20 + 3 + 10 + 1 + 54
# Without lambda: Tables 1, 2, 7, 8, 10, and three of the controls.
PAPER_BASE_CELLS = 6 + 3 + 2 + 5 + 2 + 18


@pytest.mark.parametrize("by_hand", [True, False], ids=["all data", "without data by hand"])
def test_the_paper_builds_its_graph(tmp_path, by_hand):
    folder = copy_workflow(tmp_path)
    # control/weak is the base model; three rows of Cars have the same settings as others
    cells, base = PAPER_CELLS - 6 - 4, PAPER_BASE_CELLS - 6
    datasets, splits = 9, 16
    if by_hand:
        (folder / "resources/data/chaoyang").mkdir(parents=True)
        (folder / "resources/data/imagenet").mkdir(parents=True)
    else:  # Chaoyang's five cells and the two of transfer SSL fall out
        cells, base, datasets, splits = cells - 7, base - 1, 7, 15
    result = snakemake(folder, "-n")
    assert result.returncode == 0, result.stdout[-2000:]
    counts = jobs(result.stdout)
    assert counts["train_run"] == base * 3 + (cells - base) * 10
    assert counts["train_chosen"] == (cells - base) * 3
    assert counts["select_lambda"] == cells - base
    assert counts["make_table"] == 14
    assert counts["make_figure"] == 7
    assert counts["fetch_dataset"] == 7
    assert counts["pack_images"] == datasets
    # 50 % of 8 data sets, 10 % of the 6 main ones, 25 and 100 % of Cars
    assert counts["split_pool"] == splits


def test_linters_are_content(tmp_path):
    folder = copy_workflow(tmp_path)
    result = snakemake(folder, "--lint", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout
    check = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"]
    assert subprocess.run(check, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_a_failed_job_shows_its_one_clear_line(tmp_path, monkeypatch):
    folder = copy_workflow(tmp_path)
    earlier = folder / "results/paper/logs/train/earlier.log"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("mpssl: error: of an earlier start\n")
    monkeypatch.chdir(folder)
    place = Experiment.load("config/config.yaml").paths.packed("chaoyang")
    result = snakemake(folder, "--cores", "1", f"{place}/done")
    assert result.returncode != 0
    assert (
        "mpssl: error: Chaoyang: resources/data/chaoyang/train.json does not exist" in result.stdout
    )
    name = f"pack/{place.name}"
    assert f"  {name}: results/paper/logs/{name}.log" in result.stdout
    assert "earlier start" not in result.stdout
    assert not list(place.rglob("*.json"))


def test_snakemakes_default_rate_limit_is_lifted_and_a_users_kept():
    """`lift_default_rate_limit`, on what Snakemake makes of its own options."""
    from snakemake.cli import get_argument_parser
    from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
    from snakemake.settings.types import MaxJobsPerTimespan

    default = get_argument_parser().get_default("max_jobs_per_timespan")
    for text, lifted in ((default, True), ("50/1s", False), ("100/60s", False)):
        limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(text))
        scheduler = SimpleNamespace(job_rate_limiter=limiter)
        lift_default_rate_limit(scheduler)
        assert (scheduler.job_rate_limiter is None) is lifted
    assert "job_rate_limiter" in JobScheduler.__init__.__code__.co_names
    assert (
        "lift_default_rate_limit(workflow.scheduler)" in (ROOT / "workflow/Snakefile").read_text()
    )

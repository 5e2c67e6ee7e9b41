"""The pipeline end to end on a tiny experiment, and what re-runs when something changes."""

import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.support.pipeline import ROOT, copy_workflow, jobs, snakemake

# Table 1: 7 cells; Table 2 adds base and three generative ones at 100 %; Table 3 adds 3 variants.
CELLS, BASE_CELLS = 14, 2
SEEDS, GRID = 2, 2
FIGURES = ["figure3", "figure4", "figure_fractions", "figure_curves"]
RUNS = BASE_CELLS * SEEDS + (CELLS - BASE_CELLS) * (GRID + SEEDS - 1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The tiny experiment, run once for all tests of this file."""
    folder = copy_workflow(tmp_path_factory.mktemp("tiny"))
    result = snakemake(folder, "--cores", "2", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout[-4000:]
    return folder, result.stdout


def plan_of(folder: Path, *arguments: str) -> dict[str, int]:
    result = snakemake(folder, "-n", *arguments, "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout[-4000:]
    return jobs(result.stdout)


def test_each_run_of_the_plan_happens_once(finished):
    _, output = finished
    counts = jobs(output)
    assert RUNS == 40
    assert counts["train_run"] == RUNS
    assert counts["select_weight"] == CELLS - BASE_CELLS
    assert counts["pack_images"] == 2
    assert counts["split_pool"] == 2
    assert counts["train_generator"] == counts["train_foundation_classifier"] == 1


def test_runs_are_tidy_and_whole(finished):
    folder, _ = finished
    runs = pd.read_csv(folder / "results/tiny/runs.csv")
    search = pd.read_csv(folder / "results/tiny/search.csv")
    assert len(runs) == CELLS * SEEDS
    assert len(search) == (CELLS - BASE_CELLS) * GRID
    identity = ["dataset", "fraction", "setting", "method", "variant", "architecture", "seed"]
    assert not runs.duplicated(identity).any()
    assert set(runs.seed) == {0, 1}
    assert set(search.seed) == {0}
    for column in ("val_accuracy", "test_accuracy"):
        assert runs[column].between(0, 100).all()
        # 100 test images, 40 or 80 of the pool's 240 validate: whole multiples
    assert np.allclose(runs.test_accuracy % 1, 0)
    assert runs.best_epoch.isin([1, 2]).all()
    assert (runs[runs.setting == "base"]["lambda"] == 0).all()
    assert runs[runs.setting != "base"]["lambda"].isin([0.1, 1.0]).all()
    assert (runs.device == "cpu").all()


def test_the_search_takes_the_best_validation_accuracy(finished):
    folder, _ = finished
    runs = pd.read_csv(folder / "results/tiny/runs.csv")
    search = pd.read_csv(folder / "results/tiny/search.csv")
    cell = ["dataset", "fraction", "setting", "method", "variant", "architecture"]
    for key, tried in search.groupby(cell):
        chosen = runs[(runs[cell] == list(key)).all(axis=1)]
        best = tried[tried.val_accuracy == tried.val_accuracy.max()]["lambda"].min()
        assert (chosen["lambda"] == best).all(), key


def test_table_values_are_those_of_the_runs(finished):
    folder, _ = finished
    runs = pd.read_csv(folder / "results/tiny/runs.csv")
    for name, rows in {"table1": 7, "table2": 14, "table3": 5}.items():
        table = pd.read_csv(folder / f"results/tiny/tables/{name}.csv")
        assert len(table) == rows
        for _, entry in table[table.seeds > 0].iterrows():
            same = (
                (runs.fraction == entry.fraction)
                & (runs.setting == entry.setting)
                & (runs.method == entry.method)
                & (runs.variant == entry.variant)
            )
            accuracies = runs[same].test_accuracy
            assert len(accuracies) == entry.seeds == SEEDS
            assert entry["mean"] == pytest.approx(accuracies.mean())
            assert entry["std"] == pytest.approx(accuracies.std(ddof=1))


def test_bold_and_underline_mark_the_best(finished):
    folder, _ = finished
    table = pd.read_csv(folder / "results/tiny/tables/table1.csv")
    text = (folder / "results/tiny/tables/table1.md").read_text().split("Difference")[0]
    for setting, mark in (("oracle", "<u>{}</u>"), ("generative", "**{}**")):
        group = table[table.setting == setting]
        best = group["mean"].round(2) == group["mean"].round(2).max()
        assert (group.best == best).all()
        for _, entry in group.iterrows():
            value = f"{entry['mean']:.2f} ± {entry['std']:.2f}"
            expected = mark.format(value) if entry.best else value
            assert f"| {entry.label} | {expected} |" in text
    assert not table[table.setting == "base"].best.any()


def test_oracle_methods_have_no_cell_at_100_percent(finished):
    folder, _ = finished
    table = pd.read_csv(folder / "results/tiny/tables/table2.csv")
    none = table[table.note.notna()]
    assert len(none) == 3
    assert set(none.setting) == {"oracle"}
    assert (none.fraction == 100).all()
    assert none["mean"].isna().all()


def test_figures_show_something(finished):
    folder, _ = finished
    for name in [*FIGURES, "figure_samples_by_class", "figure_trajectory"]:
        with Image.open(folder / f"results/tiny/figures/{name}.png") as image:
            pixels = np.asarray(image.convert("L"))
        assert min(pixels.shape) > 300
        assert pixels.std() > 5
        pdf = (folder / f"results/tiny/figures/{name}.pdf").read_bytes()
        assert pdf.startswith(b"%PDF")


def test_figures_come_with_the_numbers_that_they_show(finished):
    folder, _ = finished
    runs = pd.read_csv(folder / "results/tiny/runs.csv")
    bars = pd.read_csv(folder / "results/tiny/figures/figure3.csv").set_index("row")
    base = runs[(runs.setting == "base") & (runs.fraction == 50)].test_accuracy
    assert bars.loc["base/base", "mean"] == pytest.approx(base.mean())
    classes = pd.read_csv(folder / "results/tiny/figures/figure_samples_by_class.csv")
    assert set(classes.epoch) == {2}  # the last
    assert len(classes) == 2 * SEEDS * 10  # methods, seeds, classes of digits
    assert classes[["sample_distance", "sample_diversity"]].notna().all().all()
    over = pd.read_csv(folder / "results/tiny/figures/figure_trajectory.csv")
    assert sorted(set(over.epoch)) == [0, 1, 2]
    start = over[(over.row == "generative/mpssl") & (over.epoch == 0)]
    assert np.allclose(start.entropy, np.log(98))  # the converter starts uniform over 98 glyphs
    assert start.top.str.contains("%").all()


def test_the_report_is_whole(finished):
    folder, _ = finished
    page = (folder / "results/tiny/report.html").read_text()
    table = (folder / "results/tiny/tables/table1.md").read_text()
    best = re.search(r"\*\*(\d+\.\d\d ± \d+\.\d\d)\*\*", table)[1]
    assert f"<strong>{best}</strong>" in page
    for section in ("result", "claims", "figures", "samples", "tables", "environment", "times"):
        assert f'<section id="{section}"' in page
    assert page.count("data:image/png;base64,") == len(FIGURES) + 2
    assert not re.search(r"<script|https?://", page)


def test_snakemake_makes_its_own_report(finished):
    folder, _ = finished
    result = snakemake(folder, "--report", "native.html", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout[-3000:]
    page = (folder / "native.html").read_text()
    assert "semi-supervised learning with a frozen generator" in page
    assert "table1" in page


def test_the_status_of_a_finished_experiment(finished):
    folder, _ = finished
    status = [sys.executable, "-m", "mpssl", "status", "--config", "tiny.yaml"]
    text = subprocess.run(status, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert f"{RUNS} runs: {RUNS} done  0 running  0 waiting" in text


def test_records_show_every_term_of_lmo(finished):
    folder, _ = finished
    path = "results/tiny/runs/digits/50/generative/mpssl/default/resnet8"
    record = pd.read_json(next((folder / path).rglob("metrics.json")), typ="series")
    assert set(record.gradient_norms) == {
        "validation_gradient_phi",
        "validation_gradient_xi",
        "gap_gradient_phi",
        "gap_gradient_xi",
    }
    assert all(min(norms) > 0 for norms in record.gradient_norms.values())
    assert 0.5 < record.source_statistics["z_hat_std"] < 2
    assert {"sample_diversity", "sample_distance"} <= set(record.sample_statistics)
    assert set(record.digests) == {
        "code", "configuration", "data", "split", "generator", "foundation_classifier",
    }  # fmt: skip
    assert record.settings["lmo"]


def test_nothing_is_left_beside_the_results(finished):
    folder, _ = finished
    left = [
        p
        for p in (folder / "results").rglob("*")
        if ".tmp" in p.name or p.stem in ("checkpoint", "progress")
    ]
    assert left == []


def test_a_second_run_has_nothing_to_do(finished):
    folder, _ = finished
    result = snakemake(folder, "--cores", "2", "--configfile", "tiny.yaml")
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        # oracle FreeMatch, and naive gSSL and P-SSL at both fractions: 5 cells of 3 runs
        ('objectives={"freematch": {"fairness_weight": 0.5}}', 15),
        # MP-SSL at both fractions, without gap, without validation: 4 cells; not w/o LMO
        ('lmo={"validation_batch_size": 4, "record_every": 2}', 12),
        ('training={"epochs": 3, "steps_per_epoch": 2, "batch_size": 8, "image_size": 32}', RUNS),
        ("seeds=[0, 1, 2]", CELLS),
    ],
)
def test_only_runs_that_depend_on_a_change_run_again(finished, change, runs):
    folder, _ = finished
    assert plan_of(folder, "--config", change).get("train_run", 0) == runs


def test_one_gpu_is_shared_by_turns(finished):
    folder, _ = finished
    show = ["--quiet", "host", "--forcerun", "train_run"]
    result = snakemake(folder, "-n", "--configfile", "tiny.yaml", *show)
    asked = re.findall(r"rule train_run:.*?resources: ([^\n]*)", result.stdout, re.DOTALL)
    assert len(asked) == RUNS
    assert all("gpu=1" in line for line in asked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "trainig={}"], "unknown key 'trainig'; did you mean 'training'?"),
        (["--config", 'wanted=["tabel1"]'], "unknown name 'tabel1'; did you mean 'table1'?"),
        (["--config", 'roles={"datasets": {"main": ["mnits"]}}'], "unknown name 'mnits'"),
        (["--config", 'roles={"fractions": {"small": [0]}}'], "greater than or equal to 1"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_clear_line(tmp_path, arguments, message):
    folder = copy_workflow(tmp_path)
    result = snakemake(folder, "-n", "--configfile", "tiny.yaml", *arguments)
    assert result.returncode != 0
    assert message in result.stdout
    assert "Traceback" not in result.stdout


def test_a_repeated_key_is_a_mistake_for_snakemake_too(tmp_path):
    folder = copy_workflow(tmp_path)
    with open(folder / "tiny.yaml", "a") as file:
        file.write("seeds: [0]\n")
    result = snakemake(folder, "-n", "--configfile", "tiny.yaml")
    assert result.returncode != 0
    assert "the key 'seeds' is twice in one mapping" in result.stdout
    assert "Traceback" not in result.stdout


def test_the_embedded_benchmark_builds_its_graph(tmp_path):
    result = snakemake(copy_workflow(tmp_path), "-n", "--configfile", "config/mini.yaml")
    assert result.returncode == 0, result.stdout[-2000:]
    assert jobs(result.stdout)["train_run"] == 54  # 2 base x 3 + 12 cells x (2 + 2)


# Cells by table, each counted where it comes first: Table 1: 6 data sets x 7; Table 2: 7 + 7 at 10
# and 25 %, 4 at 100 %; Table 3: 3; 4: 1; 5: 5; 6: 4; 7: 2 x 5; 8: 5 data sets x 4 (Cars is in
# Table 2); 9: 3; 10: 2 x 5; 11: 1.
PAPER_CELLS = 42 + 18 + 3 + 1 + 5 + 4 + 10 + 20 + 3 + 10 + 1
PAPER_BASE_CELLS = 6 + 3 + 2 + 5 + 2  # Tables 1, 2, 7, 8, 10


@pytest.mark.parametrize("by_hand", [True, False], ids=["all data", "without data by hand"])
def test_the_paper_builds_its_graph(tmp_path, by_hand):
    folder = copy_workflow(tmp_path)
    cells, base, datasets, splits = PAPER_CELLS, PAPER_BASE_CELLS, 9, 16
    if by_hand:
        (folder / "resources/data/chaoyang").mkdir(parents=True)
        (folder / "resources/data/imagenet").mkdir(parents=True)
    else:  # Chaoyang's five cells and the two of transfer SSL fall out
        cells, base, datasets, splits = cells - 7, base - 1, 7, 15
    started = time.monotonic()
    result = snakemake(folder, "-n")
    seconds = time.monotonic() - started
    assert result.returncode == 0, result.stdout[-2000:]
    counts = jobs(result.stdout)
    assert counts["train_run"] == base * 3 + (cells - base) * (10 + 2)
    assert counts["select_weight"] == cells - base
    assert counts["make_table"] == 11
    assert counts["make_figure"] == 6
    assert counts["fetch_dataset"] == 7
    assert counts["pack_images"] == datasets
    # 50 % of 8 data sets, 10 % of the 6 main ones, 25 and 100 % of Cars
    assert counts["split_pool"] == splits
    assert seconds < 60  # 4 s on an idle machine


def test_the_default_configuration_is_the_paper(tmp_path):
    folder = copy_workflow(tmp_path)
    result = snakemake(folder, "-n", "table1", "--quiet", "host")
    assert jobs(result.stdout)["train_run"] == 450  # 6 base x 3 + 36 cells x (10 + 2)
    assert "results/paper/tables/table1.csv" in result.stdout


def test_linters_are_content(tmp_path):
    folder = copy_workflow(tmp_path)
    result = snakemake(folder, "--lint", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout
    check = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"]
    assert subprocess.run(check, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_a_failed_job_shows_its_one_clear_line(tmp_path):
    folder = copy_workflow(tmp_path)
    result = snakemake(folder, "--cores", "1", "resources/paper/packed/chaoyang/meta.json")
    assert result.returncode != 0
    assert (
        "mpssl: error: Chaoyang: resources/data/chaoyang/train.json does not exist" in result.stdout
    )
    assert not (folder / "resources/paper/packed/chaoyang/meta.json").exists()


def test_snakemakes_default_rate_limit_is_lifted_and_a_users_kept():
    """`lift_default_rate_limit` of the rules, on what Snakemake makes of its own options."""
    from snakemake.cli import get_argument_parser
    from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
    from snakemake.settings.types import MaxJobsPerTimespan

    rules = (ROOT / "workflow/rules/common.smk").read_text()
    found: dict = {}
    exec(rules[rules.index("def lift_default_rate_limit") :], found)
    default = get_argument_parser().get_default("max_jobs_per_timespan")
    for text, lifted in ((default, True), ("50/1s", False), ("100/60s", False)):
        limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(text))
        scheduler = SimpleNamespace(job_rate_limiter=limiter)
        found["lift_default_rate_limit"](scheduler)
        assert (scheduler.job_rate_limiter is None) is lifted
    assert "job_rate_limiter" in JobScheduler.__init__.__code__.co_names
    assert "lift_default_rate_limit(workflow.scheduler)" in (ROOT / "Snakefile").read_text()

"""The pipeline end to end on a tiny experiment, and what re-runs when something changes."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.support.pipeline import copy_workflow, jobs, snakemake, trainings

# Table 1: 7 cells; Table 2 adds base and three generative ones at 100 %; Table 3 adds 3 variants.
CELLS, BASE_CELLS = 14, 2
SEEDS, GRID = 2, 2
FIGURES = ["figure3", "figure4", "figure_fractions", "figure_curves"]
RUNS = BASE_CELLS * SEEDS + (CELLS - BASE_CELLS) * (GRID + SEEDS - 1)


def planned(folder: Path, *arguments: str) -> int:
    result = snakemake(folder, "-n", *arguments, "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout[-4000:]
    return trainings(result.stdout)


def test_each_run_of_the_plan_happens_once(tiny):
    _, output = tiny
    counts = jobs(output)
    assert RUNS == 40
    assert trainings(output) == RUNS
    assert counts["train_chosen"] == (CELLS - BASE_CELLS) * (SEEDS - 1)
    assert counts["select_lambda"] == CELLS - BASE_CELLS
    assert counts["pack_images"] == 2
    assert counts["split_pool"] == 2
    assert counts["train_generator"] == counts["train_foundation_classifier"] == 1


def test_runs_are_tidy_and_whole(tiny):
    folder, _ = tiny
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


def test_the_search_takes_the_best_validation_accuracy(tiny):
    folder, _ = tiny
    runs = pd.read_csv(folder / "results/tiny/runs.csv")
    search = pd.read_csv(folder / "results/tiny/search.csv")
    cell = ["dataset", "fraction", "setting", "method", "variant", "architecture"]
    for key, tried in search.groupby(cell):
        chosen = runs[(runs[cell] == list(key)).all(axis=1)]
        best = tried[tried.val_accuracy == tried.val_accuracy.max()]["lambda"].min()
        assert (chosen["lambda"] == best).all(), key


def test_table_values_are_those_of_the_runs(tiny):
    folder, _ = tiny
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


def test_bold_and_underline_mark_the_best(tiny):
    folder, _ = tiny
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


def test_oracle_methods_have_no_cell_at_100_percent(tiny):
    folder, _ = tiny
    table = pd.read_csv(folder / "results/tiny/tables/table2.csv")
    none = table[table.note.notna()]
    assert len(none) == 3
    assert set(none.setting) == {"oracle"}
    assert (none.fraction == 100).all()
    assert none["mean"].isna().all()


def test_each_figure_is_an_image_a_page_and_a_table_of_its_numbers(tiny):
    folder, _ = tiny
    for name in [*FIGURES, "figure_samples_by_class", "figure_trajectory"]:
        with Image.open(folder / f"results/tiny/figures/{name}.png") as image:
            assert min(image.size) > 300
        pdf = (folder / f"results/tiny/figures/{name}.pdf").read_bytes()
        assert pdf.startswith(b"%PDF")
        assert len(pd.read_csv(folder / f"results/tiny/figures/{name}.csv")) > 0


def test_figures_come_with_the_numbers_that_they_show(tiny):
    folder, _ = tiny
    runs = pd.read_csv(folder / "results/tiny/runs.csv")
    dots = pd.read_csv(folder / "results/tiny/figures/figure3.csv").set_index("row")
    base = runs[(runs.setting == "base") & (runs.fraction == 50)].test_accuracy
    assert dots.loc["base/base", "mean"] == pytest.approx(base.mean())
    classes = pd.read_csv(folder / "results/tiny/figures/figure_samples_by_class.csv")
    assert set(classes.epoch) == {2}  # the last
    assert len(classes) == 2 * SEEDS * 10  # methods, seeds, classes of digits
    assert classes[["sample_distance", "sample_diversity"]].notna().all().all()
    over = pd.read_csv(folder / "results/tiny/figures/figure_trajectory.csv")
    assert sorted(set(over.epoch)) == [0, 1, 2]
    start = over[(over.row == "generative/mpssl") & (over.epoch == 0)]
    assert np.allclose(start.entropy, np.log(98))  # the converter starts uniform over 98 glyphs
    assert start.top.str.contains("%").all()


def test_the_report_is_whole(tiny):
    folder, _ = tiny
    page = (folder / "results/tiny/report.html").read_text()
    table = (folder / "results/tiny/tables/table1.md").read_text()
    best = re.search(r"\*\*(\d+\.\d\d ± \d+\.\d\d)\*\*", table)[1]
    assert f"<strong>{best}</strong>" in page
    sections = ["result", "labels", "curves", "figures", "samples", "converter", "claims", "tables"]
    for section in [*sections, "environment", "times"]:
        assert f'<section id="{section}"' in page
    # figure3 and the three of samples; the page draws fractions and curves itself
    assert page.count("<figure id=") == 4
    assert not re.search(r"<script|https?://", page)


def test_snakemake_makes_its_own_report(tiny):
    folder, _ = tiny
    result = snakemake(folder, "--report", "native.html", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout[-3000:]
    page = (folder / "native.html").read_text()
    assert "semi-supervised learning with a frozen generator" in page
    assert "table1" in page


def test_the_status_of_a_finished_experiment(tiny):
    folder, _ = tiny
    status = [sys.executable, "-m", "mpssl", "status", "--config", "tiny.yaml"]
    text = subprocess.run(status, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert f"{RUNS} runs: {RUNS} done  0 running  0 waiting" in text


def test_records_show_every_term_of_lmo(tiny):
    folder, _ = tiny
    path = "results/tiny/runs/digits/50/generative/mpssl/default/resnet8"
    link = next((folder / path).rglob("seed-*"))
    record = pd.read_json(link / "metrics.json", typ="series")
    assert set(record.gradient_norms) == {
        "validation_gradient_phi",
        "validation_gradient_xi",
        "gap_gradient_phi",
        "gap_gradient_xi",
    }
    assert all(min(norms) > 0 for norms in record.gradient_norms.values())
    assert 0.5 < record.source_statistics["z_hat_std"] < 2
    assert {"sample_diversity", "sample_distance"} <= set(record.sample_statistics)
    assert {name for name, digest in record.digests.items() if digest} == {
        "code", "configuration", "data", "split", "generator", "foundation_classifier",
    }  # fmt: skip
    assert record.settings["lmo"]


def test_nothing_is_left_beside_the_results(tiny):
    folder, _ = tiny
    left = [
        p
        for place in ("results", "store")
        for p in (folder / place).rglob("*")
        if ".tmp" in p.name or p.stem in ("checkpoint", "progress")
    ]
    assert left == []


def test_a_second_run_has_nothing_to_do(tiny):
    folder, _ = tiny
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
def test_only_runs_that_depend_on_a_change_run_again(tiny, change, runs):
    folder, _ = tiny
    assert planned(folder, "--config", change) == runs


def test_one_gpu_is_shared_by_turns(tmp_path):
    folder = copy_workflow(tmp_path)
    result = snakemake(folder, "-n", "--configfile", "tiny.yaml", "--quiet", "host")
    job = r"rule train_(?:run|chosen):.*?resources: ([^\n]*)"
    asked = re.findall(job, result.stdout, re.DOTALL)
    assert len(asked) == RUNS
    assert all("gpu=1" in line for line in asked)

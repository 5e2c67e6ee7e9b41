"""Tables from records with values worked out by hand."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from mpssl.common.errors import UserError
from mpssl.common.files import write_made
from mpssl.config.fields import merge
from mpssl.config.reading import resolve
from mpssl.plan.cells import cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.collect import collect_runs, select_lambda
from mpssl.results.comparison import two_way
from mpssl.results.records import Records
from mpssl.results.tables import make_table, paper_values
from tests.support.records import ACCURACIES, DIGESTS, IMAGES, write_all, write_run


def read(experiment, suffix):
    return experiment.paths.table("table1", suffix).read_text()


def test_tidy_table_holds_mean_std_and_paired_difference(experiment):
    write_all(experiment)
    make_table(experiment, "table1")
    table = pd.read_csv(experiment.paths.table("table1", "csv"))
    assert len(table) == 10
    assert (table.seeds == 3).all()
    pssl = table[(table.method == "pssl") & (table.dataset == "mnist")].iloc[0]
    # 61, 62, 66: mean 63, squared deviations 4 + 1 + 9 = 14, / 2 = 7
    assert pssl["mean"] == pytest.approx(63)
    assert pssl["std"] == pytest.approx(7**0.5)
    # differences 1, 0, 2: mean 1, sample std 1, standard error 1 / sqrt(3)
    assert pssl.difference == pytest.approx(1)
    assert pssl.difference_standard_error == pytest.approx(1 / 3**0.5)
    base = table[table.method == "base"]
    assert base.difference.isna().all()


def test_best_oracle_is_underlined_and_best_generative_bold(experiment):
    write_all(experiment)
    make_table(experiment, "table1")
    lines = read(experiment, "md").splitlines()
    for setting in ("*Oracle SSL (D + D_u)*", "*Generative SSL (D + G_F)*"):
        assert sum(setting in line for line in lines) == 2  # among accuracies and differences
    by_label = {line.split("|")[1].strip(): line for line in reversed(lines) if "|" in line}
    assert by_label["FixMatch"] == "| FixMatch | 71.00 ± 1.73 | <u>55.00 ± 0.00</u> |"
    assert by_label["FreeMatch"] == "| FreeMatch | <u>81.00 ± 1.00</u> | 54.00 ± 0.00 |"
    # 49, 52, 52 and 52, 51, 50 have the same mean 51: both are the best
    assert by_label["P-SSL"] == "| P-SSL | 63.00 ± 2.65 | **51.00 ± 1.73** |"
    assert by_label["MP-SSL"] == "| MP-SSL | **66.00 ± 0.00** | **51.00 ± 1.00** |"
    assert by_label["Base"] == "| Base | 62.00 ± 2.00 | 50.00 ± 0.00 |"


def test_differences_to_another_row_than_the_base_model(content, experiment):
    table = content["tables"]["table1"] | {"reference": "generative/mpssl", "title": "Of our own"}
    other = Experiment(resolve(content | {"tables": {"table1": table, "own": table}}))
    write_all(other)
    make_table(other, "own")
    text = other.paths.table("own", "md").read_text()
    assert text.startswith("# Of our own\n")
    assert "Difference to MP-SSL, paired by seed" in text
    # P-SSL - MP-SSL on MNIST: -5, -4, 0, mean -3
    pssl, mpssl = (
        [np.arange(IMAGES) < accuracy * IMAGES / 100 for accuracy in ACCURACIES[row]["mnist"]]
        for row in ("generative/pssl", "generative/mpssl")
    )
    d = two_way(100.0 * np.array(pssl) - 100.0 * np.array(mpssl))
    assert f"| P-SSL | -3.00 [{d.low:+.2f}, {d.high:+.2f}] |" in text
    table = pd.read_csv(other.paths.table("own", "csv"))
    assert table[table.method == "mpssl"].difference.isna().all()


def test_latex_marks_and_escapes(experiment):
    write_all(experiment)
    make_table(experiment, "table1")
    text = read(experiment, "tex")
    assert r"FreeMatch & \underline{$81.00^{\pm 1.00}$} & $54.00^{\pm 0.00}$ \\" in text
    assert r"MP-SSL & $\mathbf{66.00}^{\pm 0.00}$ & $\mathbf{51.00}^{\pm 1.00}$ \\" in text
    assert r"\textit{Oracle SSL (D + D\_u)}" in text
    assert text.count("{") == text.count("}")


def test_missing_runs_are_named_and_no_value_is_invented(experiment):
    write_all(experiment, skip={("generative/mpssl", "mnist", 4)})
    make_table(experiment, "table1")
    name = "mnist/50/generative/mpssl/default/resnet8/lambda-0.5/seed-4"
    text = read(experiment, "md")
    assert "| MP-SSL | missing | **51.00 ± 1.00** |" in text
    assert f"Incomplete: 1 runs are missing:\n\n- `{name}`" in text
    table = pd.read_csv(experiment.paths.table("table1", "csv"))
    entry = table[(table.method == "mpssl") & (table.dataset == "mnist")].iloc[0]
    assert pd.isna(entry["mean"]) and pd.isna(entry["std"])
    assert entry.seeds == 2
    assert entry.note == f"missing {name}"
    # without the incomplete entry P-SSL is the best of the column
    assert "| P-SSL | **63.00 ± 2.65** |" in text


def test_oracle_methods_at_100_percent_are_not_available(content, experiment):
    changed = merge(content, {"roles": {"fractions": {"default": [100]}}})
    other = Experiment(resolve(changed))
    write_all_base_only(other)
    make_table(other, "table1")
    assert "| FixMatch | n/a | n/a |" in read(other, "md")
    assert "no unlabeled images are left at 100 %" in read(other, "csv")


def write_all_base_only(experiment) -> None:
    plan = experiment.plan
    for column in plan.columns("table1"):
        for run in plan.fixed_runs(cell_of("base/base", column)):
            write_run(experiment, run, 50)


@pytest.mark.parametrize("seed", [100, "first"])
def test_select_lambda_takes_the_best_validation_accuracy_and_of_ties_the_smallest(
    content, experiment, seed
):
    search = {
        "unlabeled_weight": "search",
        "unlabeled_weight_grid": [1.0, 0.25, 0.5],
        "search_seed": seed,
    }
    searched = Experiment(resolve(content | search))
    plan = searched.plan
    cell = cell_of("generative/mpssl", plan.columns("table1")[0])
    for run, val, test in zip(
        plan.search_runs(cell), [80.0, 80.0, 70.0], [1.0, 2.0, 99.0], strict=True
    ):
        write_run(searched, run, test, val=val)
    select_lambda(searched, cell)
    chosen = json.loads(searched.paths.selected(cell).read_text())
    assert chosen["lambda"] == "0.25"
    assert chosen["val_accuracy"] == {"1": 80.0, "0.25": 80.0, "0.5": 70.0}
    for run in plan.fixed_runs(cell):
        write_run(searched, run, 3.0, lambda_=0.25)
    found = Records(searched, [cell]).of(cell)
    first = 2.0 if seed == "first" else 3.0  # the search's best run, or a run of its own
    assert [r.test_accuracy for r in found.records] == [first, 3.0, 3.0]
    assert found.missing == []

    collect_runs(searched)
    runs = pd.read_csv(searched.paths.runs_table)
    search = pd.read_csv(searched.paths.searches_table)
    assert runs.columns[:9].tolist() == [
        "experiment", "dataset", "fraction", "setting", "method", "variant", "architecture",
        "lambda", "seed",
    ]  # fmt: skip
    assert runs[["lambda", "seed", "test_accuracy"]].values.tolist() == [
        [0.25, 3, first],
        [0.25, 4, 3.0],
        [0.25, 5, 3.0],
    ]
    assert search.seed.tolist() == [3 if seed == "first" else 100] * 3


def test_select_lambda_names_an_unfinished_run(content, experiment):
    searched = Experiment(resolve(content | {"unlabeled_weight": "search"}))
    cell = cell_of("generative/mpssl", searched.plan.columns("table1")[0])
    with pytest.raises(UserError, match="lambda-0.25/seed-100 of the lambda search has not"):
        select_lambda(searched, cell)


def test_a_damaged_record_is_refused_by_name(experiment):
    write_all(experiment)
    path = next(experiment.paths.store.rglob("metrics.json"))
    path.write_text(path.read_text()[:40])
    with pytest.raises(UserError, match=r"metrics\.json is missing or damaged; delete it"):
        collect_runs(experiment)


def test_a_run_made_from_other_data_is_refused_by_name(experiment):
    write_all(experiment)
    run = experiment.plan.fixed_runs(
        cell_of("generative/mpssl", experiment.plan.columns("table1")[0])
    )[0]
    write_run(experiment, run, 50, digests=DIGESTS | {"data": "other"})
    with pytest.raises(UserError, match=f"do not belong together: {run.id} .*data of mnist.*other"):
        make_table(experiment, "table1")
    settings = experiment.plan.settings(run.cell).model_copy(update={"source": "uniform"})
    write_run(experiment, run, 50, settings=settings)
    with pytest.raises(UserError, match="settings.source is 'uniform'"):
        make_table(experiment, "table1")


def test_a_record_of_another_version_is_refused_by_name(experiment):
    write_all(experiment)
    path = next(experiment.paths.store.rglob("metrics.json"))
    write_made(path, {"run": "of an older version", "test_accuracy": 50})
    with pytest.raises(UserError, match="is no record of this version; delete"):
        make_table(experiment, "table1")


def test_a_table_of_ours_says_what_a_run_takes_and_the_papers_point_to_it(content, experiment):
    table = content["tables"]["table1"]
    both = {"table1": table, "controls": table | {"ours": True}}
    other = Experiment(resolve(content | {"tables": both}))
    write_all(other)
    for name in both:
        make_table(other, name)
    own, papers = (other.paths.table(name, "md").read_text() for name in ("controls", "table1"))
    assert "| 4,000; 1.5 s |" in own
    assert "What is gained without new images" not in own
    assert "What is gained without new images: controls.md." in papers
    assert "4,000" not in papers
    numbers = pd.read_csv(other.paths.table("controls", "csv"))
    assert set(numbers.seconds) == {1.5} and set(numbers.images) == {4000}
    assert "seconds" not in pd.read_csv(other.paths.table("table1", "csv"))


@pytest.mark.parametrize("absolute", [True, False])
def test_printed_values_from_a_file_of_ones_own(content, experiment, tmp_path, absolute):
    """The file may be anywhere, and is named from the root of the file system or from here."""
    path = tmp_path / "printed.csv"
    path.write_text(
        "table,dataset,fraction,setting,method,variant,architecture,mean,std,note\n"
        "t,mnist,50,generative,pssl,default,resnet8,12.34,0.56,\n"
    )
    named = path if absolute else os.path.relpath(path)
    write_all(experiment)
    make_table(Experiment(resolve(content | {"paper_results": str(named)})), "table1")
    table = pd.read_csv(experiment.paths.table("table1", "csv"))
    assert table.paper_mean.dropna().tolist() == [12.34]
    assert "12.34" in read(experiment, "md")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, "paper_results: cannot read"),
        ("dataset,mean\nmnist,1\n", "has no column fraction, setting, method, variant"),
        ("", "paper_results: cannot read"),
    ],
)
def test_printed_values_that_cannot_be_read_are_one_line(content, tmp_path, text, part):
    path = tmp_path / "printed.csv"
    if text is not None:
        path.write_text(text)
    config = resolve(content | {"paper_results": str(path)})
    with pytest.raises(UserError, match=part) as caught:
        paper_values(config)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)

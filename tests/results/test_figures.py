"""Figures of accuracies: their numbers, and what they draw."""

import pandas as pd
import pytest

from mpssl.config.reading import resolve
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results import figures
from mpssl.results.records import CellRecords, Records
from tests.support.records import ACCURACIES, write_accuracies, write_all


@pytest.fixture
def drawn(content, experiment):
    """An experiment with a figure of dots; all runs have finished."""
    rows = list(ACCURACIES)
    grid = {"title": "Dots", "kind": "dots", "datasets": "main", "rows": rows}
    content |= {"tables": content["tables"], "figures": {"figure3": grid}}
    experiment = Experiment(resolve(content))
    write_all(experiment)
    return experiment


def test_the_numbers_are_means_and_their_t_intervals(drawn):
    figures.make_figure(drawn, "figure3")
    numbers = pd.read_csv(drawn.paths.figure("figure3", "csv")).set_index(["row", "dataset"])
    assert len(numbers) == 10
    pssl = numbers.loc["generative/pssl", "mnist"]
    # 61, 62, 66: mean 63, standard deviation sqrt(7); t of 2 degrees of freedom is 4.3027
    half = 4.3027 * (7 / 3) ** 0.5
    assert pssl[["mean", "std", "low", "high"]].tolist() == pytest.approx(
        [63, 7**0.5, 63 - half, 63 + half], rel=1e-4
    )


def test_rows_differ_in_shape_and_every_seed_is_drawn(drawn):
    canvas, _ = figures._dots(Records(drawn, drawn.plan.cells("figure3")), "figure3")
    axes = canvas.axes[0]
    seeds = [line for line in axes.lines if line.get_alpha() == 0.35]
    assert len(seeds) == 10
    assert len({line.get_marker() for line in seeds}) == 5
    assert len(axes.get_legend().get_texts()) == 5


def test_differences_are_the_paired_ones_to_the_first_row(drawn):
    grid = drawn.config.figures["figure3"].model_copy(update={"kind": "differences"})
    drawn.config.figures["figure3"] = grid
    records = Records(drawn, drawn.plan.cells("figure3"))
    canvas, numbers = figures._differences(records, "figure3")
    reference, *rows = grid.rows
    assert len(canvas.axes) == 2
    assert [label.get_text() for label in canvas.axes[0].get_yticklabels()] == [
        figures.row_label(drawn.config, "figure3", row) for row in rows
    ]
    assert len(numbers) == 2 * len(rows)
    for line in numbers:
        column = Column(line["dataset"], line["fraction"], line["architecture"])
        ours, base = (records.of(cell_of(row, column)).records for row in (line["row"], reference))
        expected = [a.test_accuracy - b.test_accuracy for a, b in zip(ours, base, strict=True)]
        assert line["difference"] == pytest.approx(sum(expected) / len(expected))
        assert line["low"] < line["difference"] < line["high"]


@pytest.mark.parametrize("kind", ["dots", "differences", "fractions", "curves"])
@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.filterwarnings("error:.*legend")
def test_a_row_that_cannot_be_run_is_left_out(content, experiment, capsys, kind, finished):
    hidden = {"label": "Hidden", "source": "uniform", "objective": "scr", "classes": "none_such"}
    content["methods"]["generative"]["hidden"] = hidden
    rows = ["generative/hidden", *ACCURACIES]
    grid = {"title": "Some", "kind": kind, "datasets": "main", "rows": rows}
    experiment = Experiment(resolve(content | {"figures": {"some": grid}}))
    if finished:
        for row, by_dataset in ACCURACIES.items():
            for column in experiment.plan.columns("table1"):
                write_accuracies(experiment, row, column, by_dataset[column.dataset])
    figures.make_figure(experiment, "some")
    assert "foundation.class_groups has no none_such" in capsys.readouterr().out
    if finished and kind != "differences":  # whose reference is the row
        numbers = pd.read_csv(experiment.paths.figure("some", "csv"))
        assert sorted(set(numbers["row"])) == sorted(ACCURACIES)


def test_the_legend_names_what_any_panel_shows(drawn):
    grid = drawn.config.figures["figure3"].model_copy(update={"kind": "fractions"})
    drawn.config.figures["figure3"] = grid
    records = Records(drawn, drawn.plan.cells("figure3"))
    last = cell_of("generative/mpssl", drawn.plan.columns("figure3")[-1])
    records._cells[last] = CellRecords([], ["seed-3"])
    canvas, _ = figures._fractions(records, "figure3")
    assert len(canvas.axes[-1].lines) == len(canvas.axes[0].lines) - 1
    (legend,) = [found for axes in canvas.axes if (found := axes.get_legend())]
    assert len(legend.get_texts()) == len(grid.rows)

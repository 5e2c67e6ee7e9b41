"""Small multiples of accuracies."""

import xml.etree.ElementTree as ET

import pytest

from mpssl.plan.cells import Column, cell_of
from mpssl.results.page.panels import over_labels, over_training
from mpssl.results.records import Records
from tests.support.records import write_accuracies, write_history

ROWS = ("base/base", "generative/pssl")


@pytest.fixture
def records(made, column, content):
    """Two methods with 50 % and 100 % of the labels, and histories of three epochs at 50 %."""
    content["roles"]["fractions"]["default"] = [50, 100]
    records = made({row: (60, [60, 62, 64]) for row in ROWS})
    experiment = records.experiment
    for row, curve in zip(ROWS, ([30, 50, 60], [20, 55, 70]), strict=True):
        write_accuracies(experiment, row, Column("mnist", 100, "resnet8"), [80, 82, 84])
        for run in experiment.plan.fixed_runs(cell_of(row, column)):
            values = [value + run.seed for value in curve]  # the seeds are 3, 4, 5
            write_history(experiment, run, values)
    return Records(experiment, experiment.plan.wanted_cells())


def test_accuracy_over_labels_has_a_mark_a_fraction(records):
    (panels,) = over_labels(records)
    ((label, chart),) = panels.panels
    assert (panels.title, label) == ("MNIST, resnet8", "P-SSL")
    marks = [
        e.find("title").text for e in ET.fromstring(chart).iter("svg") if e.get("class") == "at"
    ]
    # 80, 82, 84: t of 2 degrees of freedom 4.303 x 2 / sqrt(3) = 4.97
    assert marks == ["50 %: 62.0 % [57.0, 67.0]", "100 %: 82.0 % [77.0, 87.0]"]


def test_learning_curves_have_the_base_model_as_reference(records, column):
    cells = [cell_of(row, column) for row in ROWS]
    (panels,) = over_training(records, cells)
    ((label, chart),) = panels.panels
    assert (panels.title, label) == ("MNIST, 50 % labeled, resnet8", "P-SSL")
    element = ET.fromstring(chart)
    assert element.get("aria-label") == (
        "P-SSL: validation accuracy from 24.0 % (at 1) to 74.0 % (at 3); "
        "base model from 34.0 % (at 1) to 64.0 % (at 3)"
    )
    assert [e.get("class") for e in element.iter("polyline")] == ["reference", "curve"]


def test_one_fraction_is_no_curve(made):
    assert over_labels(made({row: (60, [60, 62, 64]) for row in ROWS})) == []

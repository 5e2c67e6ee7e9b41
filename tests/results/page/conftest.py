"""Finished runs whose models are right about a chosen number of test images."""

import pytest

from mpssl.config.reading import resolve
from mpssl.plan.cells import Column
from mpssl.plan.experiment import Experiment
from mpssl.results.records import Records
from tests.support.records import write_accuracies

ROWS = ("base/base", "control/strong", "control/scr", "transfer/scr", "oracle/freematch")
ROWS += ("generative/pssl", "generative/mpssl", "generative/mpssl/no_lmo")


@pytest.fixture
def column():
    return Column("mnist", 50, "resnet8")


@pytest.fixture
def made(content, own_results, column):
    """A function: the records of runs, {row: (validation, test of each seed)}, in percent."""

    def make(accuracies, **changes):
        content["methods"]["control"] = {
            "strong": {
                "label": "Strong view",
                "source": "none",
                "objective": "none",
                "labeled_view": "strong",
            },
            "scr": {"label": "SCR on D", "source": "labeled", "objective": "scr"},
        }
        table = {"title": "T", "rows": [row for row in ROWS if row in accuracies]}
        content["tables"] = {"t": table}
        experiment = Experiment(resolve(content | {"unlabeled_weight": 0.5} | changes))
        for row, (validation, test) in accuracies.items():
            write_accuracies(experiment, row, column, test, validation)
        return Records(experiment, experiment.plan.wanted_cells())

    return make

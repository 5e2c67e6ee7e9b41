"""A run that serves two rows, and one that several seeds choose."""

import pytest

from mpssl.config.reading import resolve
from mpssl.plan.cells import Run, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.records import read_record
from tests.support.records import write_run


@pytest.fixture
def same(content, own_results):
    """An experiment in which a control has the settings of the base model, and both cells."""
    again = {"label": "Again", "source": "none", "objective": "none"}
    content["methods"]["control"] = {"again": again}
    experiment = Experiment(resolve(content))
    column = experiment.plan.columns("first")[0]
    return experiment, cell_of("base/base", column), cell_of("control/again", column)


def test_a_record_is_of_the_row_that_is_asked_for(same):
    experiment, base, control = same
    write_run(experiment, Run(base, "0", 3), 60)
    for cell in (base, control):
        record = read_record(experiment, Run(cell, "0", 3))
        assert record.run == Run(cell, "0", 3)
        assert record.test_accuracy == 60
    assert read_record(experiment, Run(control, "0", 4)) is None

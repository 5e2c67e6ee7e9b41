"""Predictions come back as they were written, and only those of the run itself."""

import numpy as np
import pytest

from mpssl.common.errors import UserError
from mpssl.plan.cells import cell_of
from mpssl.results.predictions import correct, predictions
from mpssl.results.records import read_record
from tests.support.records import write_predicted

RIGHT = np.array([True, False, True, True])


@pytest.fixture
def record(experiment):
    plan = experiment.plan
    run = plan.fixed_runs(cell_of("base/base", plan.columns("table1")[0]))[0]
    write_predicted(experiment, run, RIGHT)
    return read_record(experiment, run)


def test_correct_is_where_prediction_and_label_agree(experiment, record):
    assert correct(experiment, record).tolist() == RIGHT.tolist()
    assert record.test_accuracy == 100 * correct(experiment, record).mean()
    assert predictions(experiment, record)["probability"].tolist() == [0.75] * 4


def test_a_file_of_another_run_is_refused(experiment, record):
    path = experiment.paths.run(record.run).predictions
    np.savez(path, label=[0], predicted=[0], probability=[1.0])
    with pytest.raises(UserError, match=r"predictions.npz is missing or not the file"):
        correct(experiment, record)
    path.unlink()
    with pytest.raises(UserError, match=r"predictions.npz is missing or not the file"):
        predictions(experiment, record)

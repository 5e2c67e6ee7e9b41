"""What a run's model says of each test image."""

import numpy as np

from mpssl.plan.experiment import Experiment
from mpssl.results.records import verified_file
from mpssl.runs.record import RunRecord


def predictions(experiment: Experiment, record: RunRecord) -> dict[str, np.ndarray]:
    """The predictions of a run, in the order of the packed test images.

    Returns:
        `label`: the true class, uint16 [N]; `predicted`: the class of the highest logit, uint16
        [N]; `probability`: its softmax in [0, 1], float16 [N].

    Raises:
        UserError: the file is missing, or not the one that the run wrote.
    """
    files = experiment.paths.run(record.run)
    with np.load(verified_file(record, files, files.predictions), allow_pickle=False) as arrays:
        return dict(arrays)


def correct(experiment: Experiment, record: RunRecord) -> np.ndarray:
    """Which test images a run's model classifies correctly, bool [N].

    Raises:
        UserError: the file is missing, or not the one that the run wrote.
    """
    found = predictions(experiment, record)
    return found["predicted"] == found["label"]

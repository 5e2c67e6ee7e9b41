"""A configuration that the tests of results share."""

import pytest

from mpssl.config.reading import resolve
from mpssl.plan.experiment import Experiment
from tests.support.records import ACCURACIES


@pytest.fixture
def experiment(content, own_results):
    """Two data sets, five methods, three seeds, a fixed lambda; results in a folder of our own."""
    table = {"title": "Of 100 % & more_", "datasets": "main", "rows": list(ACCURACIES)}
    content["tables"] = {"table1": table}
    content["unlabeled_weight"] = 0.5
    return Experiment(resolve(content))

"""What the tests of the official data sets share."""

import pytest

from tests.support.official_fixtures import made, write


@pytest.fixture
def lists(tmp_path):
    """A function: the folder of a data set, written without its images."""
    return lambda name: write(made(name), tmp_path, images=False)

"""What the tests of wiring share."""

import pytest

from tests.support.wiring_world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A small world whose runs are made once for all files. Leave it as it is."""
    return World(tmp_path_factory.mktemp("wiring"))

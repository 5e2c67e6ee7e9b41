"""What the tests of the official data sets and of downloads share."""

import os

import pytest

from mpssl.data import download
from tests.support.downloads import PIECE
from tests.support.local_server import running, without_proxies
from tests.support.official_files import write
from tests.support.official_fixtures import made


@pytest.fixture
def lists(tmp_path):
    """A function: the folder of a data set, written without its images."""
    return lambda name: write(made(name), tmp_path, images=False)


@pytest.fixture
def no_proxies_and_small_pieces(monkeypatch):
    monkeypatch.setattr(download, "CHUNK_BYTES", PIECE)
    for name in set(os.environ) - set(without_proxies(os.environ)):
        monkeypatch.delenv(name)


@pytest.fixture
def server():
    with running() as state:
        yield state

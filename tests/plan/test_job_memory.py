"""Main memory of training runs: the images of their data sets, and no others."""

import pytest

from mpssl.config import reading
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.plan.job_memory import COPIES, PROGRAM_MB, packed_mb, training_mb


@pytest.fixture(scope="module")
def paper():
    return Experiment.load("config/config.yaml")


def test_packed_size_is_that_of_the_array(paper):
    # Food-101: 101,000 images of 256 x 256 x 3 bytes
    assert packed_mb(paper, "food101") == 101_000 * 256 * 256 * 3 // 2**20 == 18_937


def test_a_size_that_is_not_known_counts_as_nothing(changed):
    content = changed("datasets.own", {"adapter": "folder", "title": "Own", "path": "not/there"})
    assert packed_mb(Experiment(reading.resolve(content)), "own") == 0


@pytest.mark.parametrize(
    ("row", "images"),
    [("base/base", 300), ("generative/mpssl", 300), ("transfer/scr", 300 + 1000)],
)
def test_a_run_takes_the_images_that_it_reads(paper, row, images):
    sizes = {"cars": 300, paper.config.foundation.dataset: 1000}
    cell = cell_of(row, Column("cars", 50, "resnet18"))
    assert training_mb(paper, cell, sizes.get) == PROGRAM_MB + COPIES * images

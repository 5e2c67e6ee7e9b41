"""The embedded benchmark's steps at a tiny size, and float64."""

import pytest
import torch

from benchmarks import gpu_check
from mpssl.config import reading
from mpssl.plan.experiment import Experiment
from mpssl.tools.calibration import random_generator

BATCH = 4


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="package")
def config():
    return gpu_check.smaller(reading.load("config/mini.yaml"), BATCH)


@pytest.fixture(scope="module")
def frozen(config):
    return random_generator(Experiment(config))

"""A small plan with hand-made seconds of its steps."""

import pytest

from mpssl.config.experiment import Config
from mpssl.plan.cost import Calibration
from mpssl.plan.experiment import Experiment

# conftest's configuration: table first has base, FixMatch and MP-SSL on two data sets; second has
# base and MP-SSL without LMO on mnist at 50 and 100 %. Three seeds, a grid of two, pools of 20.


@pytest.fixture
def experiment(content):
    content["training"] = {"epochs": 10, "batch_size": 4, "image_size": 32}
    content["packing"] = {"size": 32}
    return Experiment(Config.model_validate(content))


@pytest.fixture
def plan(experiment):
    return experiment.plan


@pytest.fixture
def calibration():
    """Seconds of a step, an evaluated image and a compilation, easy to multiply by."""
    return Calibration(
        "a fake",
        {
            ("none+none", "resnet8"): (1.0, 0.5, 0.0),
            ("real+fixmatch x7", "resnet8"): (2.0, 0.5, 3.0),
            ("lmo+scr", "resnet8"): (10.0, 0.5, 0.0),
            ("uniform+scr", "resnet8"): (4.0, 0.5, 0.0),
        },
    )

"""The formula of a step's memory: against measurements, and what is chosen by it."""

import pytest

from mpssl.config import reading
from mpssl.config.step_memory import RESERVE, StepMemory, generator_maps
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.cost_report import report
from mpssl.plan.device_memory import OFFICIAL_LAYERS, OFFICIAL_WIDTH, step_memory
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan

GIB = 2**30
BIGGAN = generator_maps(OFFICIAL_LAYERS, OFFICIAL_WIDTH)


def paper(batch):
    return StepMemory("resnet18", 224, batch, batch, 220_000_000, BIGGAN, learns=True)


def test_maps_by_hand():
    # At 4 x 4 the inputs of two convolutions, at 8 x 8 those of two more and of the last one.
    assert generator_maps([(True, 2, 1)], 16) == (32 + 8) * 16 + 2 * 8 * 64 + 16 * 64


@pytest.mark.parametrize(
    ("batch", "part", "measured"),  # GiB, by `python -m benchmarks.memory`, its weights included
    [(2, 2, 1.02), (4, 4, 1.66), (2, 1, 0.60), (4, 1, 0.66), (64, 8, 4.78)],
)
def test_the_formula_is_near_what_was_measured(batch, part, measured):
    assert 1 < paper(batch).bytes(part) / GIB / measured < 1.7


@pytest.mark.parametrize(
    ("architecture", "ratio", "learns", "measured"),
    [  # bytes that each labeled image adds to a step in blocks
        ("resnet18", 7, False, 225_278_520),
        ("resnet50", 7, False, 438_827_576),
        ("resnet18", 1, True, 72_126_011),
        ("resnet50", 1, True, 171_729_073),
    ],
)
def test_the_formula_is_near_what_an_image_was_measured_to_add(
    architecture, ratio, learns, measured
):
    found = [
        StepMemory(architecture, 224, batch, ratio * batch, learns=learns).bytes(1)
        for batch in (32, 64)
    ]
    assert 1 < (found[1] - found[0]) / 32 / measured < 1.3


def test_one_card_of_80_gb_holds_the_largest_step_of_the_paper():
    assert StepMemory("resnet101", 224, 64, 7 * 64).card() == 80


def test_smaller_parts_take_less():
    taken = [paper(64).bytes(part) for part in (64, 32, 16)]
    assert taken[0] > 24 * GIB > 11 * GIB > taken[1] > taken[2]


@pytest.mark.parametrize("free", [7.5e9, 11e9, 23e9, 79e9])
def test_the_largest_part_that_fits_is_chosen(free):
    memory = paper(64)
    part = memory.images_per_pass(free)
    assert memory.bytes(part) <= RESERVE * free
    assert part == 64 or memory.bytes(2 * part) > RESERVE * free


def test_a_device_that_holds_nothing_gets_parts_of_one():
    assert paper(64).images_per_pass(1e6) == 1
    assert StepMemory("resnet101", 224, 9000, 9000).card() is None


def test_mpssl_at_full_size_fits_on_12_gb():
    assert paper(64).card() <= 12


@pytest.mark.parametrize("row", ["base/base", "oracle/fixmatch", "generative/mpssl"])
def test_embedded_steps_are_whole_in_a_gigabyte(row):
    plan = Plan(reading.load("config/mini.yaml"))
    memory = step_memory(plan, cell_of(row, Column("mnist", 25, "resnet8")))
    assert memory.images_per_pass(1e9) == memory.images


def test_the_plan_prints_memory_and_cards():
    text = report(Experiment.load("config/config.yaml"), ["table1"])
    line = next(line for line in text.splitlines() if line.startswith("resnet18, lmo+scr"))
    assert line.split()[-2:] == ["12", "GB"]

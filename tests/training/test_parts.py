"""Compiled networks in a step: its losses and gradients are those of the plain step."""

import shutil
from functools import partial

import pytest
import torch

from benchmarks import gpu_check
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import measure, random_task

CPU = torch.device("cpu")
ROWS = ["base/base", "oracle/freematch", "generative/pssl", "generative/mpssl"]


@pytest.fixture
def graphs(monkeypatch):
    """The compiler's front end with PyTorch's own kernels, and the shapes of what it was given."""
    torch._dynamo.reset()
    seen = []

    def backend(graph, inputs):
        seen.append([tuple(x.shape) for x in inputs])
        return graph

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    return seen


def planned(config, **training):
    changed = config.training.model_copy(update=training)
    return Plan(config.model_copy(update={"training": changed}))


def cell_for(config, row):
    roles = config.roles
    column = Column(roles.datasets["main"][0], roles.fractions["default"][0], "resnet8")
    return cell_of(row, column)


def compare(config, frozen, row):
    plain, fast = (
        gpu_check.observe(
            planned(config, compile=c), cell_for(config, row), CPU, torch.float64, frozen
        )
        for c in (False, True)
    )
    for name, error in gpu_check.errors(plain, fast).items():
        assert error < 1e-9, name


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_a_compiled_step_is_the_plain_step(config, frozen, graphs, row):
    compare(config, frozen, row)
    assert len(graphs) == 1 + row.startswith("generative")  # the classifier, the generator


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_pytorchs_compiler_makes_the_same_step(config, frozen, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    with torch._inductor.config.patch(compile_threads=1):
        compare(config, frozen, "base/base")


def test_parts_are_not_compiled(config, frozen, graphs):
    plan = planned(config, compile=True, images_per_pass=2)
    gpu_check.observe(plan, cell_for(config, ROWS[2]), CPU, torch.float64, frozen)
    assert graphs == []


@pytest.mark.parametrize("compiles", [False, True])
def test_the_time_of_compilation_is_measured(config, graphs, compiles):
    plan = planned(config, compile=compiles)
    measured = measure(random_task(plan, cell_for(config, ROWS[0]), CPU, None), 2)
    assert (measured.seconds_of_compilation > 0) == compiles == bool(graphs)

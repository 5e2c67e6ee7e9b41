"""Numbers repeat on a GPU: operations that do not repeat are replaced."""

import re

import pytest
import torch
import torch.nn.functional as F

from benchmarks import determinism as benchmark
from benchmarks.gpu_check import DrawOnCpu
from mpssl.common.errors import UserError
from mpssl.machine.determinism import deterministic
from mpssl.training.train import train
from tests.support.toys import toy_task


def gradient(function, x):
    """Value, gradient and a second-order gradient at x."""
    x = x.clone().requires_grad_()
    value = function(x).pow(3).sum()
    (first,) = torch.autograd.grad(value, x, create_graph=True)
    (second,) = torch.autograd.grad(first.pow(2).sum(), x)
    return torch.cat([value.view(1), first.flatten(), second.flatten()]).detach()


def sample(mode, padding, corners):
    grid = torch.rand(2, 5, 7, 2, generator=torch.Generator().manual_seed(0)).double() * 3 - 1.5
    return lambda x: F.grid_sample(x, grid, mode, padding, corners)


def interpolate(size):
    options = {"mode": "bilinear", "antialias": True, "align_corners": False}
    return lambda x: F.interpolate(x, size=size, **options)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (sample("bilinear", "zeros", False), "GridSampler2D"),
        (sample("bilinear", "zeros", True), "GridSampler2D"),
        (sample("nearest", "border", False), "GridSampler2D"),
        (interpolate(6), "UpsampleBilinear2DAa"),
        (interpolate((11, 4)), "UpsampleBilinear2DAa"),
    ],
)
def test_operations_that_do_not_repeat_on_a_gpu_are_replaced(function, name):
    x = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(1)).double()
    expected = gradient(function, x)
    assert name in graph(function, x)
    with deterministic(True):
        assert name not in graph(function, x)
        assert torch.allclose(gradient(function, x), expected, atol=1e-10)


def graph(function, x) -> str:
    """Names of the nodes of the backward graph."""
    names, waiting = [], [function(x.clone().requires_grad_()).grad_fn]
    while waiting:
        if (node := waiting.pop()) is not None:
            names.append(type(node).__name__)
            waiting.extend(parent for parent, _ in node.next_functions)
    return " ".join(names)


def test_the_mode_ends_with_the_block():
    with deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()
    with deterministic(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_an_operation_that_cannot_repeat_is_one_clear_error():
    with (
        pytest.raises(UserError, match="cannot repeat AdaptiveMaxPool on this device; leave"),
        deterministic(True),
    ):
        raise RuntimeError("AdaptiveMaxPool does not have a deterministic implementation, but ...")
    with pytest.raises(RuntimeError, match="something else"), deterministic(True):
        raise RuntimeError("something else")


@pytest.mark.slow
def test_training_under_the_mode_is_the_same_training(tmp_path):
    """In float64: in float32 a few steps of a meta-gradient make rounding visible."""
    histories = []
    for mode in (False, True):
        task = toy_task("lmo", "scr")
        source = task.source
        for module in (task.model, source.mapper, source.converter, source.generator):
            module.double()
        with DrawOnCpu(torch.float64), deterministic(mode):
            histories.append(train(task, tmp_path / f"{mode}.pt").history)
    for row, other in zip(*histories, strict=True):
        assert row == pytest.approx(other, rel=1e-9)


@pytest.mark.slow
def test_the_benchmark_prints_a_ratio_for_each_row(capfd):
    rows = ["base/base", "generative/mpssl"]
    size = ["--device", "cpu", "--size", "small", "--steps", "1", "--rounds", "1"]
    assert benchmark.main([*size, "--rows", *rows]) == 0
    printed = capfd.readouterr().out
    pattern = r"^{}: ([\d.]+) ms a step, deterministic ([\d.]+) ms, ratio ([\d.]+);.* repeats"
    for row in rows:
        (found,) = re.findall(pattern.format(row), printed, re.MULTILINE)
        plain, slow, ratio = map(float, found)
        assert plain > 0 and slow > 0
        assert ratio == pytest.approx(slow / plain, rel=0.1)

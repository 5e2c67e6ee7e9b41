"""The reference of the benchmark and the training step make the same steps."""

import copy

import pytest
import torch

from benchmarks.gpu_check import DrawOnCpu, smaller
from benchmarks.plain import PlainStep
from mpssl.config import reading
from mpssl.models.biggan import FoldedBigGan
from mpssl.models.generator import FrozenGenerator
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import random_network, random_task
from mpssl.training.train import Loop
from tests.support.extras import need_timm
from tests.support.pipeline import ROOT

STEPS, RATE = 3, 0.05


@pytest.mark.parametrize(
    ("row", "architecture"),
    [
        ("generative/mpssl", "resnet8"),
        ("generative/mpssl/loss_freematch", "resnet8"),
        *[("generative/mpssl", f"timm.test_{name}") for name in ("resnet", "vit", "convnext")],
    ],
)
def test_several_steps_are_those_of_the_plain_reference(row, architecture, monkeypatch):
    if architecture.startswith("timm."):
        need_timm()
    monkeypatch.chdir(ROOT)
    config = smaller(reading.load("config/mini.yaml"), batch=6)
    cell = cell_of(row, Column("mnist", 25, architecture))
    network = random_network(config).double().eval().requires_grad_(False)
    tasks = []
    for _ in range(2):
        folded = FoldedBigGan(copy.deepcopy(network), config.foundation.truncation)
        frozen = FrozenGenerator(folded, config.training.image_size)
        task = random_task(Plan(config), cell, torch.device("cpu"), frozen)
        torch.manual_seed(0)
        task.source.mapper.mlp[-1].weight.data.normal_(std=0.01)  # at its 0 layers before are deaf
        for module in (task.model, task.source.mapper, task.source.converter, task.objective):
            module.double()
        task.model.train()
        tasks.append(task)
    ours, plain = Loop(tasks[0]).step, PlainStep(tasks[1], network)
    start = [p.detach().clone() for p in tasks[0].source.mapper.parameters()]
    with DrawOnCpu(torch.float64):
        for number in range(1, STEPS + 1):
            ours(number, RATE)
            plain(number, RATE)
    for a, b in zip(*map(parts, tasks), strict=True):
        assert ((a - b).norm() / b.norm()).item() < 1e-9
    moved = [
        (p - q).norm() for p, q in zip(tasks[0].source.mapper.parameters(), start, strict=True)
    ]
    assert all(distance > 0 for distance in moved)


def parts(task):
    """Theta, phi and xi, and the gradients that the last step left at phi and xi."""
    learned = [*task.source.mapper.parameters(), *task.source.converter.parameters()]
    return [*task.model.parameters(), *learned, *(p.grad for p in learned)]

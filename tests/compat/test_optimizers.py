"""The optimizers take torch's own steps and do not import its compiler."""

import subprocess
import sys

import pytest
import torch

from mpssl.compat import optimizers

KINDS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adam": {"lr": 0.01, "betas": (0.5, 0.99)},
}
STEPS = """
import sys, torch
from mpssl.compat import optimizers
p = torch.nn.Parameter(torch.ones(3))
for optimizer in (optimizers.SGD([p], lr=0.1, momentum=0.9), optimizers.Adam([p], fused=True)):
    p.grad = torch.ones(3)
    optimizer.step()
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
assert p[0] < 1 and "torch._dynamo" not in sys.modules
"""


def train(kind, options, steps, state=None):
    torch.manual_seed(0)
    start = torch.linspace(-1, 1, 4) if state is None else state[0]
    parameters = [torch.nn.Parameter(start.clone()), torch.nn.Parameter(torch.ones(2))]
    optimizer = kind([{"params": [p]} for p in parameters], **options)
    if state is not None:
        optimizer.load_state_dict(state[1])
    for _ in range(steps):
        optimizer.zero_grad()
        parameters[0].pow(3).sum().backward()  # nothing reaches the second one
        optimizer.step()
    return parameters[0].detach(), optimizer.state_dict()


@pytest.mark.parametrize("name", KINDS)
def test_steps_and_states_are_torchs(name):
    expected = train(getattr(torch.optim, name), KINDS[name], 4)
    kind = getattr(optimizers, name)
    value, state = train(kind, KINDS[name], 2, train(kind, KINDS[name], 2))
    assert torch.equal(value, expected[0])
    assert not torch.equal(value, torch.linspace(-1, 1, 4))
    assert state["param_groups"] == expected[1]["param_groups"]
    for mine, its in zip(state["state"].values(), expected[1]["state"].values(), strict=True):
        assert all(torch.equal(mine[key], its[key]) for key in its)


@pytest.mark.slow
def test_the_compiler_is_not_imported():
    subprocess.run([sys.executable, "-c", STEPS], check=True)

"""A compiled network computes what it is compiled from, and a machine that cannot says so."""

from functools import partial

import pytest
import torch
from torch import nn

from mpssl.common.errors import UserError
from mpssl.machine.compiled import compiled


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh()).double()


def test_a_shape_is_compiled_once(monkeypatch):
    seen = []

    def backend(graph, inputs):
        seen.append([tuple(x.shape) for x in inputs])
        return graph

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    plain = network()
    call = compiled(plain)
    for size in (2, 5, 2, 5):
        x = torch.rand(size, 3, dtype=torch.float64)
        plain.eval()
        torch.testing.assert_close(call(x), plain(x))
    assert len(seen) == 2


def test_without_a_compiler_it_says_what_to_do(monkeypatch):
    def backend(graph, inputs):
        raise RuntimeError("No working\nC++ compiler found")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    with pytest.raises(UserError, match="C\\+\\+ compiler found.*install a C\\+\\+ compiler, or l"):
        compiled(network())(torch.rand(2, 3, dtype=torch.float64))

"""torchvision imports on any combination of wheels."""

import runpy
import sys
from types import ModuleType

import pytest
import torch

from mpssl.compat import torchvision
from mpssl.compat.torchvision import models


def test_a_network_of_torchvision_runs():
    with torch.no_grad():
        assert models.resnet18(num_classes=3).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


class Failing(ModuleType):
    """A torchvision whose import fails with the errors that are left."""

    def __init__(self, *messages):
        super().__init__("torchvision")
        self.messages = list(messages)

    def __getattr__(self, name):
        if name in ("datasets", "models"):
            if self.messages:
                raise RuntimeError(self.messages.pop())
            return name
        raise AttributeError(name)


def test_missing_operators_are_declared_and_the_import_tried_again(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", Failing("torchvision::nms does not exist"))
    names = runpy.run_path(torchvision.__file__)
    assert (names["datasets"], names["models"]) == ("datasets", "models")
    assert hasattr(torch.ops.torchvision, "nms")


def test_other_errors_are_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", Failing("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        runpy.run_path(torchvision.__file__)

"""Print `mpssl/config/torchvision_list.py`: what torchvision's classification models need.

    python benchmarks/list_torchvision.py > new.py && ruff format new.py

Networks are built without memory (on torch's meta device), so the largest are no problem.
"""

from pathlib import Path

import torch
from torch import nn

from mpssl.common.errors import UserError
from mpssl.compat.torchvision import models
from mpssl.models.classifier import split_last_linear, torchvision_network

SIZES = (32, 48, 64, 75, 128, 224)  # sides tried for the smallest that works, pixels


def on_meta(name: str) -> nn.Module:
    """A network without memory; RegNet reads its widths from tensors, which must be real."""
    regnet = models.regnet
    derive = regnet.BlockParams.from_init_params

    def with_values(**settings):
        with torch.device("cpu"):
            return derive(**settings)

    regnet.BlockParams.from_init_params = with_values
    try:
        with torch.device("meta"):
            return torchvision_network(name).eval()
    finally:
        regnet.BlockParams.from_init_params = derive


def works(network: nn.Module, side: int) -> bool:
    """Whether images of a side pass."""
    try:
        network(torch.empty(2, 3, side, side, device="meta"))
    except (RuntimeError, AssertionError, ValueError):
        return False
    return True


def describe(name: str) -> str:
    """One entry of the list."""
    network = on_meta(name)
    sides = [side for side in SIZES if works(network, side)]
    weights = models.get_model_weights(name).__members__.get("IMAGENET1K_V1")
    file = Path(weights.url).name if weights else None
    try:
        features = split_last_linear(name, network, sides[0]).in_features
    except UserError as error:
        return f"    # {error}"
    stored = sum(v.numel() * v.element_size() for v in network.state_dict().values())
    fixed = not works(network, sides[0] + 32)
    return f'    "{name}": Backbone({stored}, {features}, {sides[0]}, {fixed}, {file!r}),'


if __name__ == "__main__":
    names = models.list_models(module=models)
    entries = [describe(name) for name in names]
    print('"""torchvision\'s classification models, made by `benchmarks/list_torchvision.py`."""\n')
    print("from typing import NamedTuple\n\n")
    print("class Backbone(NamedTuple):")
    print('    """What a plan must know of g without building it."""\n')
    print('    bytes: int\n    """Of the weights and buffers."""')
    print('    features: int\n    """D."""')
    print('    smallest: int\n    """Side of the smallest images that pass, of those tried."""')
    print('    fixed: bool\n    """Whether no other size than that passes."""')
    print('    weights: str | None\n    """File of IMAGENET1K_V1; its name ends in the first')
    print('    digits of the sha256."""\n\n')
    print("TORCHVISION = {")
    print("\n".join(entries))
    print("}")

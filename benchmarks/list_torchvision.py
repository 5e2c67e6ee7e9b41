"""Write `mpssl/shipped/torchvision.csv`: what torchvision's classification models need.

    python -m benchmarks.list_torchvision

Networks are built without memory (on torch's meta device), so the largest are no problem.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from mpssl.common.errors import UserError
from mpssl.common.files import csv_text, write_text
from mpssl.compat.torchvision import models
from mpssl.config.architectures import UNSPLITTABLE_REASON
from mpssl.models.classifier import last_linear, torchvision_network
from mpssl.shipped import TORCHVISION

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


def _numbers(output) -> int:
    """Numbers in what a layer returns; a recurrent layer returns its state too."""
    return output.numel() if isinstance(output, Tensor) else sum(map(_numbers, output))


def maps(network: nn.Module, side: int) -> int:
    """Numbers that the layers return for an image, for each of its pixels."""
    counted = []
    hooks = [
        layer.register_forward_hook(lambda _, inputs, output: counted.append(_numbers(output)))
        for layer in network.modules()
        if not any(True for _ in layer.children())
    ]
    network(torch.empty(1, 3, side, side, device="meta"))
    for hook in hooks:
        hook.remove()
    return round(sum(counted) / side**2)


def split_last_linear(architecture: str, network: nn.Module, side: int) -> nn.Linear:
    """Take the last linear layer h out of a network, which becomes g, and check that f = h o g.

    Args:
        architecture: its name, for messages.
        network: in evaluation mode; changed in place.
        side: of images that it takes, pixels.

    Raises:
        UserError: the network does more after that layer, or its input is no [B, D].
    """
    refusal = f"{architecture} {UNSPLITTABLE_REASON}"
    try:
        name, linear = last_linear(network)
    except UserError:
        raise UserError(refusal) from None
    seen: dict[str, Tensor] = {}
    hook = linear.register_forward_hook(
        lambda _, inputs, output: seen.update(features=inputs[0], logits=output)
    )
    images = torch.zeros(2, 3, side, side, device=linear.weight.device)
    with torch.no_grad():
        logits = network(images)
        hook.remove()
        network.set_submodule(name, nn.Identity())
        features = network(images)
    if seen.get("logits") is not logits or features.shape != (2, linear.in_features):
        raise UserError(refusal)
    if not features.is_meta and not torch.equal(features, seen["features"]):
        raise UserError(refusal)
    return linear


def describe(name: str) -> dict:
    """One row of the list; of a model that cannot be split only its name."""
    network = on_meta(name)
    sides = [side for side in SIZES if works(network, side)]
    weights = models.get_model_weights(name).__members__.get("IMAGENET1K_V1")
    try:
        features = split_last_linear(name, network, sides[0]).in_features
    except UserError:
        return {"name": name}
    return {
        "name": name,
        "bytes": sum(v.numel() * v.element_size() for v in network.state_dict().values()),
        "features": features,
        "maps": maps(network, sides[-1]),
        "smallest": sides[0],
        "fixed": int(not works(network, sides[0] + 32)),
        "weights": Path(weights.url).name if weights else None,
    }


if __name__ == "__main__":
    write_text(TORCHVISION, csv_text([describe(n) for n in models.list_models(module=models)]))

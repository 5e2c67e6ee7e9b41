"""Classifiers of the package timm, as features g and a linear head h; it is an extra (`[timm]`)."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mpssl.common.errors import UserError
from mpssl.config.architectures import TIMM
from mpssl.models.activations import smooth

OFF = {"Dropout": "p", "DropPath": "drop_prob", "PatchDropout": "prob"}  # random layers
# A transformer takes images of other sides if it is told so; others do not know the words.
ANY_SIDE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


def import_timm():
    """The package timm.

    Raises:
        UserError: it is not installed.
    """
    from mpssl.compat.torchvision import models  # noqa: F401, which timm imports

    try:
        import timm
    except ImportError:
        raise UserError("classifiers of timm need the package: pip install 'mpssl[timm]'") from None
    return timm


def build(name: str, **options: Any) -> nn.Module:
    """A network of timm without random layers, with random weights.

    Args:
        name: as `timm.resnet18.a1_in1k`.
        options: of `timm.create_model`.

    Raises:
        UserError: timm is not installed, or its version does not know the name.
    """
    timm, name = import_timm(), name.removeprefix(TIMM)
    if not timm.is_model(name):
        raise UserError(
            f"timm {timm.__version__} has no model {name}; pip install --upgrade timm, or take "
            "another"
        )
    for more in ANY_SIDE:
        try:
            network = timm.create_model(name, **options, **more)
            break
        except TypeError as error:
            if not more or not any(word in str(error) for word in more):
                raise
    for module in network.modules():
        attribute = OFF.get(type(module).__name__)
        if attribute is not None:
            setattr(module, attribute, 0.0)
    return smooth(network)


def features_of(name: str) -> tuple[nn.Module, int]:
    """The feature extractor g of a model, and D."""
    network = build(name, num_classes=0)
    return network, getattr(network, "head_hidden_size", None) or network.num_features


def head_of(network: nn.Module) -> nn.Linear | nn.Conv2d | None:
    """The last layer of a network with its classes; None if it has none, or several."""
    head = network.get_classifier()
    return head if isinstance(head, nn.Linear | nn.Conv2d) else None


def read_weights(path: Path, name: str) -> dict[str, Tensor]:
    """Published weights as those of a `Classifier`; a head of no classes is one zero row.

    Raises:
        UserError: timm is not installed or does not know the name.
        RuntimeError: the file has other weights.
    """
    overlay = {"file": str(path), "source": "file"}
    network = build(name, pretrained=True, pretrained_cfg_overlay=overlay)
    state, head = network.state_dict(), head_of(network)
    backbone, features = features_of(name)
    found = {f"backbone.{key}": state[key] for key in backbone.state_dict()}
    if head is None:
        return found | {"head.weight": torch.zeros(1, features), "head.bias": torch.zeros(1)}
    weight = head.weight.flatten(1)
    bias = weight.new_zeros(len(weight)) if head.bias is None else head.bias
    return found | {"head.weight": weight.detach(), "head.bias": bias.detach()}

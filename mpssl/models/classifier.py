"""The classifier f = h o g: feature extractor g and linear head h, apart (Sec. 2.1)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from mpssl import weights
from mpssl.config import nearest
from mpssl.errors import UserError
from mpssl.models import ARCHITECTURES, SMALL_RESNETS, TORCHVISION_RESNETS


class Classifier(nn.Module):
    """f = h o g on images x [B, 3, H, W] in [0, 1].

    `features` is g with the input's normalization before it: [B, D]; `head` is h: [B, D] -> [B, K].
    """

    def __init__(
        self,
        architecture: str,
        classes: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.backbone, dimension = _backbone(architecture)
        self.head = nn.Linear(dimension, classes)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def features(self, x: Tensor) -> Tensor:
        """g(x): [B, 3, H, W] in [0, 1] -> [B, D]."""
        return self.backbone((x - self.mean) / self.std)

    def forward(self, x: Tensor) -> Tensor:
        """f(x): logits [B, K]."""
        return self.head(self.features(x))

    @contextmanager
    def statistics_frozen(self) -> Iterator[None]:
        """Forwards inside use batch statistics and leave the running ones as they are."""
        layers = [m for m in self.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        before = [layer.track_running_stats for layer in layers]
        for layer in layers:
            layer.track_running_stats = False
        try:
            yield
        finally:
            for layer, tracked in zip(layers, before, strict=True):
                layer.track_running_stats = tracked


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut (He et al., 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def small_resnet(blocks: int, widths: tuple[int, ...] = (32, 64, 128)) -> tuple[nn.Module, int]:
    """A ResNet for images of about 32 x 32, 6 * blocks + 2 layers; and its feature size."""
    layers = [
        nn.Conv2d(3, widths[0], 3, 2, 1, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
    ]
    inputs = widths[0]
    for width in widths:
        for block in range(blocks):
            layers.append(BasicBlock(inputs, width, stride=2 if block == 0 else 1))
            inputs = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers), inputs


def _backbone(architecture: str) -> tuple[nn.Module, int]:
    if architecture in SMALL_RESNETS:
        return small_resnet(SMALL_RESNETS[architecture])
    if architecture not in TORCHVISION_RESNETS:
        hint = nearest(architecture, ARCHITECTURES)
        raise UserError(f"unknown architecture '{architecture}'{hint}")
    from mpssl.torchvision_compat import models  # slow to import; the small networks need none

    network = models.get_model(architecture)
    dimension = network.fc.in_features
    network.fc = nn.Identity()
    return network, dimension


def load_foundation_classifier(
    path: Path, architecture: str, mean: tuple, std: tuple
) -> Classifier:
    """The foundation classifier f_F: our own .safetensors, or torchvision's .pth weights.

    Raises:
        UserError: the file is missing, damaged or of another architecture.
    """
    try:
        if path.suffix == ".safetensors":
            state: Mapping[str, Tensor] = weights.load(path)[0]
        else:
            state = _split_head(torch.load(path, map_location="cpu", weights_only=True))
        model = Classifier(architecture, len(state["head.weight"]), mean, std)
        model.load_state_dict(state)
    except FileNotFoundError:
        raise UserError(f"the foundation classifier {path} does not exist") from None
    except UserError:
        raise
    except Exception as error:  # each format has its own exceptions for damaged files
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"the foundation classifier {path} is damaged or not a {architecture}: {reason}"
        ) from None
    return model.eval().requires_grad_(False)


def _split_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's names (conv1..., fc) as ours (backbone..., head)."""
    return {
        f"head.{name[3:]}" if name.startswith("fc.") else f"backbone.{name}": value
        for name, value in state.items()
    }

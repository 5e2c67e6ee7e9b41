"""Small stand-ins that several tests share: smooth, fast, with the package's interfaces."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpssl.data.batches import Batches
from mpssl.models.classifier import Classifier
from mpssl.training.rng import Streams
from mpssl.training.sources.base import Ingredients, Step

CPU = torch.device("cpu")
SIDE = 8
CLASSES = 3  # of the target
FOUNDATION_CLASSES = 5


class SmoothClassifier(Classifier):
    """A classifier with batch norm and without kinks."""

    def __init__(self, classes: int = CLASSES) -> None:
        nn.Module.__init__(self)
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1, bias=False),
            nn.BatchNorm2d(4),
            nn.Softplus(),
            nn.Conv2d(4, 6, 3, 2, 1, bias=False),
            nn.BatchNorm2d(6),
            nn.Tanh(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(6, classes)
        self.register_buffer("mean", torch.tensor(0.5))
        self.register_buffer("std", torch.tensor(0.25))


class SmoothGenerator(nn.Module):
    """G(z, y), smooth in both; remembers every (z, y) that it was called with."""

    def __init__(self, z_dim: int = 4, classes: int = FOUNDATION_CLASSES, seed: int = 0) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        weight = torch.randn(
            z_dim + classes, 3 * SIDE * SIDE, generator=torch.Generator().manual_seed(seed)
        )
        self.weight = nn.Parameter(weight.to(torch.get_default_dtype()), requires_grad=False)
        self.calls: list[tuple[Tensor, Tensor]] = []

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        self.calls.append((z.detach().clone(), y.detach().clone()))
        return torch.sigmoid(torch.cat([z, y], dim=1) @ self.weight).view(-1, 3, SIDE, SIDE)


class ToyBatches(Batches):
    """Images [N, 3, S, S] and their classes [N], as they are."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        super().__init__(labels, images.shape[-1])
        self.images = images

    def whole(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.images[rows], self.labels[rows]


class Flip(nn.Module):
    """A deterministic weak view."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(3)


class Darken(nn.Module):
    """A deterministic, smooth strong view: darker, and shifted by a pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return (x**2).roll(1, dims=2)


def labeled_gradient(model: Classifier, x: Tensor, y: Tensor) -> list[Tensor]:
    """The gradient of the labeled loss, which leaves the running statistics."""
    with model.statistics_frozen():
        return list(torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters())))


def make_ingredients(seed: int = 0, **changes) -> Ingredients:
    """What a source of the toy run needs; `changes` replace or add."""
    defaults = {
        "classes": CLASSES,
        "device": CPU,
        "streams": Streams(seed, CPU),
        "ratio": 1,
        "generator": SmoothGenerator(),
    }
    return Ingredients(**defaults | changes)


def make_step(model: Classifier, objective, x: Tensor, y: Tensor, **changes) -> Step:
    """A training step of the toy run; `changes` replace."""
    defaults = {
        "weak": Flip(),
        "strong": Darken(),
        "labeled_gradient": labeled_gradient(model, x, y),
        "learning_rate": 0.1,
        "weight": 1.0,
        "number": 0,
    }
    return Step(model=model, objective=objective, x=x, y=y, **defaults | changes)

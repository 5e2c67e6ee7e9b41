"""What a source of unlabeled images is, and what it may use."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mpssl.config.method import Lmo
from mpssl.data.batches import Batches
from mpssl.models.classifier import Classifier
from mpssl.models.generator import FrozenGenerator
from mpssl.training.objectives.base import Objective
from mpssl.training.rng import Streams


@dataclass
class Ingredients:
    """What a run has at hand for its source; None where the source does not need it."""

    classes: int
    device: torch.device
    streams: Streams
    ratio: int
    """Unlabeled images for each labeled one."""
    generator: FrozenGenerator | None = None
    foundation_classifier: Classifier | None = None
    unlabeled: Batches | None = None
    """D_u, or the foundation's real images."""
    validation: Batches | None = None
    """D_val."""
    lmo: Lmo | None = None


@dataclass
class Step:
    """The present training step as a learning source sees it, before theta is updated."""

    model: Classifier
    objective: Objective
    weak: nn.Module
    strong: nn.Module
    x: Tensor
    """Labeled images [B, 3, S, S]."""
    y: Tensor
    """Their classes, int64 [B]."""
    labeled_gradient: list[Tensor | None]
    """Gradient of the labeled loss at each parameter of the model."""
    learning_rate: float
    weight: float
    """lambda."""
    number: int


class Source:
    """A source of unlabeled images; this one has none (the base method)."""

    def __init__(self, ingredients: Ingredients) -> None:
        self.streams = ingredients.streams
        self.ratio = ingredients.ratio

    def adapt(self, step: Step) -> dict[str, Tensor]:
        """Learn before the classifier's step; returns what to record. Most sources do nothing."""
        return {}

    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """Unlabeled images [ratio * B, 3, S, S] for the labeled batch x [B, 3, S, S], y [B]."""
        raise RuntimeError("the base method has no unlabeled images")

    def foundation_labels(self, x: Tensor, y: Tensor) -> Tensor | None:
        """How likely each foundation class is for (x, y): [B, classes], where that is learned."""
        return None

    def statistics(self) -> dict[str, float]:
        """What the source has learned, in numbers for the record of the run."""
        return {}

    def state_dict(self) -> dict:
        """Everything that the source's next images depend on, random streams apart."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Go on where `state` was taken."""

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
    """What a source may be made of; None for what it does not need."""

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
    """eta, the present one of the schedule."""
    lambda_: float
    """Weight of the objective."""
    number: int
    """How many steps of training came before."""


class Source:
    """A source of unlabeled images; this one has none (the base method)."""

    def __init__(self, ingredients: Ingredients) -> None:
        self.streams = ingredients.streams
        self.ratio = ingredients.ratio

    def for_step(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """The unlabeled images of a training step, and what to record of it.

        A source that learns does so here, before it makes the images; most sources only sample.
        """
        return self.sample(step.x, step.y), {}

    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """Unlabeled images [ratio * B, 3, S, S] for labeled images x [B, 3, S, S], classes y [B].

        For training and for a look at what the source makes; nothing is learned.
        """
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

"""What a source of unlabeled images is, and what it is made of."""

from dataclasses import dataclass
from typing import NamedTuple

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
    """What a source may be made of; a part that it does not need may be None."""

    classes: int
    """K, the number of target classes."""
    device: torch.device
    streams: Streams
    ratio: int
    """Unlabeled images for each labeled one."""
    generator: FrozenGenerator | None = None
    """G_F."""
    foundation_classifier: Classifier | None = None
    """f_F."""
    labeled: Batches | None = None
    """D."""
    unlabeled: Batches | None = None
    """D_u, the foundation's real images, or D itself."""
    validation: Batches | None = None
    """D_val."""
    foundation_classes: list[int] | None = None
    """The foundation classes to draw from; None for all."""
    class_map: list[list[int]] | None = None
    """The foundation classes of each target class."""
    lmo: Lmo | None = None


@dataclass
class Step:
    """The present training step as a learning source sees it, before theta is updated."""

    model: Classifier
    """f at theta, in training mode."""
    objective: Objective
    weak: nn.Module
    """Makes random weak views of images."""
    strong: nn.Module
    """Makes random strong views of images."""
    x: Tensor
    """Labeled images [B, 3, S, S]."""
    y: Tensor
    """Their classes, int64 [B]."""
    labeled_gradient: list[Tensor | None]
    """Gradient of the labeled loss at each parameter of the model."""
    learning_rate: float
    """eta of the present epoch."""
    lambda_: float
    """Weight of the objective."""
    number: int
    """Number of training steps before this one."""


class Images(NamedTuple):
    """The unlabeled images of a step, and what is known of them."""

    pixels: Tensor
    """[ratio * B, 3, S, S] in [0, 1]."""
    record: dict[str, Tensor] = {}  # noqa: RUF012
    """What to record of the step."""
    classes: Tensor | None = None
    """Target classes, int64 [ratio * B], if the source knows them."""


class Source:
    """A source of unlabeled images; this one has none (the base method)."""

    def __init__(self, ingredients: Ingredients) -> None:
        self.streams = ingredients.streams
        self.ratio = ingredients.ratio

    def for_step(self, step: Step) -> Images:
        """The unlabeled images of a training step, and what to record of it.

        A source that learns does so here, before it makes the images; most sources only sample.
        """
        return Images(self.sample(step.x, step.y))

    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """Unlabeled images [ratio * B, 3, S, S] for labeled images x [B, 3, S, S], classes y [B].

        Training calls it through `for_step`; calls from elsewhere look at what the source makes. It
        learns nothing.
        """
        raise RuntimeError("the base method has no unlabeled images")

    def foundation_labels(self, x: Tensor, y: Tensor) -> Tensor | None:
        """Probabilities [B, classes] of the foundation classes for (x, y); None if it has none."""
        return None

    def foundation_map(self) -> Tensor | None:
        """Probability [K, foundation classes] by target class; None if the source learns none."""
        return None

    def statistics(self) -> dict[str, float]:
        """What the source has learned, in numbers for the record of the run."""
        return {}

    def state_dict(self) -> dict:
        """Everything that the source's next images depend on, except the random streams."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Continue from `state`, which `state_dict` returned."""

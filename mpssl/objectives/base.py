"""What a consistency objective is."""

from typing import Literal

import torch
from torch import Tensor, nn

from mpssl.models.classifier import Classifier


class Objective(nn.Module):
    """A loss on the weak and the strong view of the same unlabeled images.

    Subclasses say in which `space` they compare the views and implement `forward(weak, strong,
    update)` on tensors [U, K] or [U, D]. Running state, if any, is kept in buffers and moves only
    where `update` is true.
    """

    space: Literal["logits", "features"]

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def on_views(
        self, model: Classifier, x_weak: Tensor, x_strong: Tensor, *, update: bool
    ) -> Tensor:
        """The loss of `model` on two views [U, 3, H, W], sent through it as one batch."""
        outputs = model.features(torch.cat([x_weak, x_strong]))
        if self.space == "logits":
            outputs = model.head(outputs)
        weak, strong = outputs.chunk(2)
        return self(weak, strong, update)

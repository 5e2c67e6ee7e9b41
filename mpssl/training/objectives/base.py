"""What a consistency objective is."""

from typing import Literal

import torch
from torch import Tensor, nn

from mpssl.models.classifier import Classifier


class Objective(nn.Module):
    """A loss on the weak and the strong view of the same unlabeled images.

    Subclasses say in which `space` they compare the views and implement `forward(weak, strong,
    update)` on tensors [U, K] or [U, D]. Running state, if any, is kept in buffers and changes only
    if `update` is true.
    """

    space: Literal["logits", "features"]
    weak_is_target = False
    """True if no gradient flows through the weak view's outputs."""

    def __init__(self, classes: int, views: Literal["joint", "separate"]) -> None:
        super().__init__()
        self.classes = classes
        self.views = views

    def on_views(
        self,
        model: Classifier,
        x_weak: Tensor,
        x_strong: Tensor,
        *,
        update: bool,
        classes: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The loss of `model` on two views [U, 3, H, W]; only `supervised` reads `classes` [U].

        Joint views go through the model as one batch. Separate views are a batch each: batch norm
        normalizes each by itself, and a weak view that is a target needs no backward pass.

        `weights` [U] leave the loss as it is and multiply the gradient that flows through each
        image's outputs.
        """
        if self.views == "joint":
            weak, strong = self._outputs(model, torch.cat([x_weak, x_strong])).chunk(2)
        else:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.weak_is_target):
                weak = self._outputs(model, x_weak)
            strong = self._outputs(model, x_strong)
        if weights is not None:
            weak, strong = (weighted(outputs, weights) for outputs in (weak, strong))
        return self(weak, strong, update)

    def _outputs(self, model: Classifier, x: Tensor) -> Tensor:
        features = model.features(x)
        return model.head(features) if self.space == "logits" else features


def weighted(outputs: Tensor, weights: Tensor) -> Tensor:
    """Outputs [U, .] as they are; the gradient that flows through them is times weights [U]."""
    value = outputs.detach()
    return value + weights[:, None] * (outputs - value)

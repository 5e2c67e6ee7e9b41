"""Cross-entropy on images whose classes are known."""

import torch.nn.functional as F
from torch import Tensor

from mpssl.models.classifier import Classifier
from mpssl.training.objectives.base import Objective, weighted


class Supervised(Objective):
    """Cross-entropy of the strong view's logits with the images' classes.

    It is no consistency: the weak view takes no part. On D itself it is the control that learns the
    labels as often as another method sees images; on generated images it is their use as labeled
    ones.
    """

    space = "logits"

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
        """The mean loss on the strong view [U, 3, H, W], with `classes` [U]."""
        logits = model(x_strong)
        return F.cross_entropy(logits if weights is None else weighted(logits, weights), classes)

"""FixMatch (Sohn et al., 2020): hard pseudo-labels of confident images."""

import torch.nn.functional as F
from torch import Tensor

from mpssl.training.objectives.base import Objective


class FixMatch(Objective):
    """Cross-entropy of the strong view with the weak view's class, if that is confident."""

    space = "logits"
    weak_is_target = True

    def __init__(self, classes: int, confidence_threshold: float, **options) -> None:
        super().__init__(classes, **options)
        self.confidence_threshold = confidence_threshold

    def forward(self, weak: Tensor, strong: Tensor, update: bool = True) -> Tensor:
        """Logits [U, K] of both views -> loss, mean over all U; no gradient through `weak`."""
        confidence, pseudo_label = weak.detach().softmax(dim=1).max(dim=1)
        loss = F.cross_entropy(strong, pseudo_label, reduction="none")
        return (loss * (confidence >= self.confidence_threshold)).mean()

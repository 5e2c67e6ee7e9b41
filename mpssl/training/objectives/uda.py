"""UDA (Xie et al., 2020): sharpened soft targets of confident images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl.training.objectives.base import Objective


class Uda(Objective):
    """KL(softmax(weak / T) || softmax(strong)) if the unsharpened weak view is confident."""

    space = "logits"
    weak_is_target = True

    def __init__(
        self, classes: int, confidence_threshold: float, temperature: float, **options
    ) -> None:
        super().__init__(classes, **options)
        self.confidence_threshold = confidence_threshold
        self.temperature = temperature

    def forward(self, weak: Tensor, strong: Tensor, update: bool = True) -> Tensor:
        """Logits [U, K] of both views -> loss, mean over all U; no gradient through `weak`."""
        weak = weak.detach()
        confident = weak.softmax(dim=1).amax(dim=1) > self.confidence_threshold
        target = torch.softmax(weak / self.temperature, dim=1)
        divergence = F.kl_div(strong.log_softmax(dim=1), target, reduction="none").sum(dim=1)
        return (divergence * confident).mean()

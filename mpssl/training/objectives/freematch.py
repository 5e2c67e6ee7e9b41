"""FreeMatch (Wang et al., 2023): self-adaptive thresholds and fairness."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl.training.objectives.base import Objective


class FreeMatch(Objective):
    """FixMatch with a global and a per-class threshold that follow the model's confidence.

    State (FreeMatch's symbols): `global_threshold` tau_t, `class_probability` p~_t [K] and
    `label_histogram` h~_t [K], all moving averages that start at 1/K.
    """

    space = "logits"
    weak_is_target = True

    def __init__(
        self, classes: int, threshold_momentum: float, fairness_weight: float, **options
    ) -> None:
        super().__init__(classes, **options)
        self.momentum = threshold_momentum
        self.fairness_weight = fairness_weight
        self.register_buffer("global_threshold", torch.tensor(1 / classes))
        self.register_buffer("class_probability", torch.full((classes,), 1 / classes))
        self.register_buffer("label_histogram", torch.full((classes,), 1 / classes))

    def forward(self, weak: Tensor, strong: Tensor, update: bool = True) -> Tensor:
        """Logits [U, K] of both views -> loss; no gradient through `weak`."""
        probability = weak.detach().softmax(dim=1)
        confidence, pseudo_label = probability.max(dim=1)
        if update:
            self._update(probability, confidence, pseudo_label)
        relative = self.class_probability / self.class_probability.max()
        confident = confidence >= self.global_threshold * relative[pseudo_label]
        loss = F.cross_entropy(strong, pseudo_label, reduction="none")
        return (loss * confident).mean() + self.fairness_weight * self._fairness(strong, confident)

    @torch.no_grad()
    def _update(self, probability: Tensor, confidence: Tensor, pseudo_label: Tensor) -> None:
        histogram = torch.bincount(pseudo_label, minlength=self.classes) / len(pseudo_label)
        for state, value in (
            (self.global_threshold, confidence.mean()),
            (self.class_probability, probability.mean(dim=0)),
            (self.label_histogram, histogram),
        ):
            state.lerp_(value.to(state), 1 - self.momentum)

    def _fairness(self, strong: Tensor, confident: Tensor) -> Tensor:
        """FreeMatch's Eq. (11): minus the cross-entropy H(norm(p~ / h~), norm(p / h)).

        p and h are the mean probability and the histogram of the confident strong views. The sign
        is that of the paper and of its code: minimizing the loss raises that cross-entropy.
        """
        count = confident.sum().clamp(min=1)
        probability = strong.softmax(dim=1) * confident[:, None]
        predicted = F.one_hot(strong.argmax(dim=1), self.classes) * confident[:, None]
        target = _normalize_by(self.class_probability, self.label_histogram)
        batch = _normalize_by(probability.sum(dim=0) / count, predicted.sum(dim=0) / count)
        return (target * torch.log(batch + 1e-12)).sum() * confident.any()


def _normalize_by(probability: Tensor, histogram: Tensor) -> Tensor:
    """probability / histogram, scaled to sum one; classes that never occur count as zero."""
    ratio = torch.where(histogram > 0, probability / histogram.clamp(min=1e-12), 0)
    return ratio / ratio.sum().clamp(min=1e-12)

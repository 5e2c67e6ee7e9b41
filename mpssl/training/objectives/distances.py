"""Distances between the features of two views: SCR and its alternatives of Table 6.

They act on g alone; the gradient flows through both views.
"""

import torch.nn.functional as F
from torch import Tensor

from mpssl.training.objectives.base import Objective


class CosineDistance(Objective):
    """Synthetic consistency regularization: 1 - cos(g(T_w(x)), g(T_s(x))). Paper: Eq. (13)."""

    space = "features"

    def forward(self, weak: Tensor, strong: Tensor, update: bool = True) -> Tensor:
        """Features [U, D] of both views -> mean loss in [0, 2]."""
        return (1 - F.cosine_similarity(weak, strong, dim=1)).mean()


class L1Distance(Objective):
    """Sum of absolute differences of the features, mean over images. Paper: Sec. 4.5.4 (b)."""

    space = "features"

    def forward(self, weak: Tensor, strong: Tensor, update: bool = True) -> Tensor:
        """Features [U, D] of both views -> mean loss, non-negative."""
        return (weak - strong).abs().sum(dim=1).mean()


class L2Distance(Objective):
    """Squared Euclidean distance of the features, mean over images. Paper: Sec. 4.5.4 (c)."""

    space = "features"

    def forward(self, weak: Tensor, strong: Tensor, update: bool = True) -> Tensor:
        """Features [U, D] of both views -> mean loss, non-negative."""
        return (weak - strong).square().sum(dim=1).mean()


class SmoothL1Distance(Objective):
    """Girshick's smooth L1 of the features, mean over images. Paper: Sec. 4.5.4 (d)."""

    space = "features"

    def forward(self, weak: Tensor, strong: Tensor, update: bool = True) -> Tensor:
        """Features [U, D] of both views -> mean loss, non-negative."""
        return F.smooth_l1_loss(weak, strong, reduction="none").sum(dim=1).mean()

"""L_gap: how far the features of synthetic images are from those of labeled ones."""

import torch
from torch import Tensor

from mpssl.config.method import Lmo


def feature_gap(settings: Lmo, real: Tensor, synthetic: Tensor) -> Tensor:
    """L_gap of features g(x), g(x_u) [U, D], a scalar; row i of both is a pair of one class."""
    gap = GAPS[settings.gap](real, synthetic)
    if settings.gap_reduction == "mean" and settings.gap != "mmd":  # MMD has no scale
        gap = gap / real.shape[1]
    return gap


def pairwise_gap(real: Tensor, synthetic: Tensor) -> Tensor:
    """Mean of ||g(x_i) - g(x_u,i)||^2 over pairs of the same class. Paper: Eq. (8)."""
    return (real - synthetic).square().sum(dim=1).mean()


def batch_mean_gap(real: Tensor, synthetic: Tensor) -> Tensor:
    """||mean g(x) - mean g(x_u)||^2. Paper: Algorithm 1, line 8 (which prints f for g)."""
    return (real.mean(dim=0) - synthetic.mean(dim=0)).square().sum()


def mmd_gap(real: Tensor, synthetic: Tensor) -> Tensor:
    """Squared maximum mean discrepancy under a sum of Gaussian kernels. Paper: Table 11.

    Bandwidths are 1/4 to 4 times the mean squared distance, which carries no gradient.
    """
    both = torch.cat([real, synthetic])
    distance = (both[:, None] - both[None, :]).square().sum(dim=2)
    scale = distance.detach().sum() / (len(both) * (len(both) - 1))
    scale = scale.clamp(min=torch.finfo(scale.dtype).tiny)  # collapsed features have no distance
    kernel = sum(torch.exp(-distance / (2 * factor * scale)) for factor in (0.25, 0.5, 1, 2, 4))
    n = len(real)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


GAPS = {"pairwise": pairwise_gap, "batch_mean": batch_mean_gap, "mmd": mmd_gap}

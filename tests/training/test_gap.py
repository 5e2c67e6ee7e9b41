"""L_gap by hand, in its three forms and both reductions."""

import pytest
import torch

from mpssl.config.method import Lmo
from mpssl.training.gap import GAPS, feature_gap

REAL = torch.tensor([[0.0, 0.0], [2.0, 1.0]])
SYNTHETIC = torch.tensor([[1.0, 0.0], [2.0, 4.0]])


def test_pairwise_gap_by_hand():
    assert GAPS["pairwise"](REAL, SYNTHETIC).item() == pytest.approx((1 + 9) / 2)  # Eq. (8)
    assert GAPS["pairwise"](REAL, REAL.flip(0)).item() == pytest.approx(5)  # pairs matter


def test_batch_mean_gap_by_hand():
    # Means (1, 0.5) and (1.5, 2). Algorithm 1, line 8.
    assert GAPS["batch_mean"](REAL, SYNTHETIC).item() == pytest.approx(0.25 + 2.25)
    assert GAPS["batch_mean"](REAL, REAL.flip(0)).item() == 0  # pairs do not matter


def test_mmd_gap_by_hand():
    # One point each at distance 1: the mean squared distance is 1, k(0) = 5 kernels of 1.
    real, synthetic = torch.tensor([[0.0]]), torch.tensor([[1.0]])
    factors = torch.tensor([0.25, 0.5, 1, 2, 4])
    expected = 5 + 5 - 2 * torch.exp(-1 / (2 * factors)).sum()
    torch.testing.assert_close(GAPS["mmd"](real, synthetic), expected)


def test_mmd_gap_grows_with_the_shift():
    torch.manual_seed(0)
    real, noise = torch.randn(50, 3), torch.randn(50, 3)
    assert GAPS["mmd"](real, real.clone()).abs() < 1e-5
    distances = [GAPS["mmd"](real, noise + shift) for shift in (0, 1, 3)]
    assert 0 < distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize("gap", GAPS)
def test_gap_has_a_gradient_at_the_synthetic_features_only_where_it_should(gap):
    synthetic = SYNTHETIC.clone().requires_grad_()
    GAPS[gap](REAL, synthetic).backward()
    assert torch.isfinite(synthetic.grad).all()
    assert synthetic.grad.abs().sum() > 0


def test_mmd_of_collapsed_features_is_finite():
    synthetic = torch.zeros(3, 2, requires_grad=True)
    gap = GAPS["mmd"](torch.zeros(3, 2), synthetic)
    gap.backward()
    assert gap == 0
    assert torch.isfinite(synthetic.grad).all()


@pytest.mark.parametrize("gap", ["pairwise", "batch_mean"])
def test_mean_over_the_features_is_a_mean_squared_error(gap):
    torch.manual_seed(0)
    real, synthetic = torch.randn(7, 5), torch.randn(7, 5)
    pair = (real, synthetic)
    if gap == "batch_mean":
        pair = (real.mean(dim=0), synthetic.mean(dim=0))
    error = torch.nn.functional.mse_loss(*pair)
    found = feature_gap(Lmo(gap=gap, gap_reduction="mean"), real, synthetic)
    torch.testing.assert_close(found, error)
    torch.testing.assert_close(feature_gap(Lmo(gap=gap), real, synthetic), 5 * error)


def test_mmd_has_no_scale():
    real, synthetic = REAL, SYNTHETIC
    found = [
        feature_gap(Lmo(gap="mmd", gap_reduction=reduction), factor * real, factor * synthetic)
        for reduction in ("sum", "mean")
        for factor in (1, 10)
    ]
    torch.testing.assert_close(torch.stack(found), found[0].expand(4))

"""SCR, Eq. (13), and the other feature distances of Table 6."""

import pytest
import torch

from tests.support.toys import make_objective

WEAK = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
STRONG = torch.tensor([[4.0, 3.0], [0.0, 2.0]])


def distance(name, weak=WEAK, strong=STRONG):
    return make_objective(name, 10, {})(weak, strong).item()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scr", 0.52),  # 1 - (12 + 12) / (5 * 5) = 0.04;  1 - 0 = 1;  mean
        ("l1", 2.5),  # 1 + 1 = 2;  1 + 2 = 3;  mean
        ("l2", 3.5),  # 1 + 1 = 2;  1 + 4 = 5;  mean
        ("smooth_l1", 1.5),  # 1/2 + 1/2 = 1;  1/2 + (2 - 1/2) = 2;  mean
    ],
)
def test_value_by_hand(name, expected):
    assert distance(name) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["scr", "l1", "l2", "smooth_l1"])
def test_symmetric_and_zero_for_equal_views(name):
    assert distance(name, STRONG, WEAK) == pytest.approx(distance(name), abs=1e-6)
    assert distance(name, WEAK, WEAK) == pytest.approx(0, abs=1e-6)


def test_cosine_lies_between_0_and_2_and_ignores_scale():
    assert distance("scr", WEAK, -WEAK) == pytest.approx(2, abs=1e-6)
    assert distance("scr", 100 * WEAK, 0.01 * STRONG) == pytest.approx(0.52, abs=1e-6)


@pytest.mark.parametrize("name", ["l1", "l2", "smooth_l1"])
def test_other_distances_see_scale(name):
    assert distance(name, 10 * WEAK, 10 * STRONG) > 5 * distance(name)


def test_gradient_of_the_cosine_by_hand():
    weak = torch.tensor([[2.0, 0.0]], requires_grad=True)
    strong = torch.tensor([[0.0, 5.0]], requires_grad=True)
    make_objective("scr", 10, {})(weak, strong).backward()
    # at right angles d(1 - cos)/da = -b / (|a| |b|): -(0, 5) / 10 and -(2, 0) / 10
    torch.testing.assert_close(weak.grad, torch.tensor([[0.0, -0.5]]))
    torch.testing.assert_close(strong.grad, torch.tensor([[-0.2, 0.0]]))


def test_cosine_of_zero_features_stays_finite():
    weak = torch.zeros(2, 3, requires_grad=True)
    strong = torch.zeros(2, 3, requires_grad=True)
    loss = make_objective("scr", 10, {})(weak, strong)
    loss.backward()
    assert loss.item() == 1
    assert weak.grad.isfinite().all() and strong.grad.isfinite().all()

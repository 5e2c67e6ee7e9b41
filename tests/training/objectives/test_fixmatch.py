"""FixMatch (Sohn et al., 2020), Eq. (4)."""

import pytest
import torch

from mpssl.training.objectives.fixmatch import FixMatch


def logits(*probabilities):
    """Logits whose softmax is the given probabilities."""
    return torch.tensor(probabilities).log()


def test_value_by_hand():
    weak = logits([0.97, 0.03], [0.10, 0.90], [0.02, 0.98])
    strong = logits([0.25, 0.75], [0.50, 0.50], [0.20, 0.80])
    # confident at 0.95: the first, class 0, -ln 0.25 = 1.386294; the third, class 1, -ln 0.8 =
    # 0.223144; not the second. Over all three: 1.609438 / 3
    loss = FixMatch(2, confidence_threshold=0.95, views="joint")(weak, strong)
    assert loss.item() == pytest.approx(0.536479, abs=1e-5)


def test_threshold_changes_the_value():
    weak, strong = logits([0.9, 0.1]), logits([0.5, 0.5])
    # -ln 0.5, or nothing
    assert FixMatch(2, 0.89, views="joint")(weak, strong).item() == pytest.approx(
        0.693147, abs=1e-5
    )
    assert FixMatch(2, 0.91, views="joint")(weak, strong).item() == 0


def test_confidence_at_the_threshold_counts():
    weak, strong = torch.zeros(1, 2), logits([0.25, 0.75])
    # softmax(0, 0) is exactly 0.5; max >= threshold, and the first class is the pseudo-label
    assert FixMatch(2, 0.5, views="joint")(weak, strong).item() == pytest.approx(1.386294, abs=1e-5)


def test_gradient_by_hand():
    weak = logits([0.97, 0.03], [0.6, 0.4])
    strong = logits([0.25, 0.75], [0.5, 0.5]).requires_grad_()
    FixMatch(2, 0.95, views="joint")(weak, strong).backward()
    # (softmax - one-hot) / 2 images = (0.25 - 1, 0.75) / 2; the second image is masked
    torch.testing.assert_close(strong.grad, torch.tensor([[-0.375, 0.375], [0.0, 0.0]]))

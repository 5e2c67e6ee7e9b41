"""UDA (Xie et al., 2020): Eq. (1) with confidence masking and sharpening (its Sec. 2.3)."""

import pytest
import torch

from mpssl.training.objectives.uda import Uda


def logits(*probabilities):
    """Logits whose softmax is the given probabilities."""
    return torch.tensor(probabilities).log()


def test_value_by_hand():
    weak, strong = logits([0.9, 0.1], [0.6, 0.4]), logits([0.5, 0.5], [0.1, 0.9])
    # T = 1/2 squares: (0.81, 0.01) / 0.82 = (0.987805, 0.012195)
    # KL = 0.987805 ln(0.987805 / 0.5) + 0.012195 ln(0.012195 / 0.5) = 0.672574 - 0.045287
    # = 0.627286; the second image is masked: 0.627286 / 2
    loss = Uda(2, confidence_threshold=0.8, temperature=0.5, views="joint")(weak, strong)
    assert loss.item() == pytest.approx(0.313643, abs=1e-5)


def test_temperature_acts():
    weak, strong = logits([0.9, 0.1]), logits([0.5, 0.5])
    # T = 1: 0.9 ln 1.8 + 0.1 ln 0.2 = 0.529008 - 0.160944
    assert Uda(2, 0.8, 1.0, views="joint")(weak, strong).item() == pytest.approx(0.368064, abs=1e-5)
    assert Uda(2, 0.8, 0.5, views="joint")(weak, strong).item() == pytest.approx(0.627286, abs=1e-5)


def test_confidence_is_that_of_the_unsharpened_view():
    weak, strong = logits([0.7, 0.3]), logits([0.5, 0.5])
    # sharpened by T = 1/2 it would be 0.49 / 0.58 = 0.845 > 0.8
    assert (
        Uda(2, confidence_threshold=0.8, temperature=0.5, views="joint")(weak, strong).item() == 0
    )
    assert (
        Uda(2, confidence_threshold=0.69, temperature=0.5, views="joint")(weak, strong).item() > 0.1
    )


def test_confidence_at_the_threshold_does_not_count():
    weak, strong = torch.zeros(1, 2), logits([0.25, 0.75])
    # softmax(0, 0) is exactly 0.5; UDA wants max > threshold
    assert (
        Uda(2, confidence_threshold=0.5, temperature=1.0, views="joint")(weak, strong).item() == 0
    )


def test_equal_views_at_temperature_one_have_no_loss():
    view = logits([0.9, 0.1], [0.05, 0.95])
    assert Uda(2, 0.8, 1.0, views="joint")(view, view).item() == pytest.approx(0, abs=1e-6)


def test_gradient_by_hand():
    weak, strong = logits([0.9, 0.1]), logits([0.5, 0.5]).requires_grad_()
    Uda(2, 0.8, 0.5, views="joint")(weak, strong).backward()
    # softmax - target = (0.5 - 0.987805, 0.5 - 0.012195)
    torch.testing.assert_close(
        strong.grad, torch.tensor([[-0.487805, 0.487805]]), atol=1e-5, rtol=0
    )

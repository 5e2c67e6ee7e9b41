"""The score function's credits: unbiased by enumeration, and by hand."""

from itertools import product

import pytest
import torch

from mpssl.config.method import Converter, Lmo
from mpssl.models.latents import LabelConverter
from mpssl.training.gap import GAPS, feature_gap
from mpssl.training.score_function import credit_of_pairs, credit_of_shares

IMAGES, TARGETS, FOUNDATION = 3, 2, 3
Y = torch.tensor([0, 1, 0])


@pytest.mark.parametrize("gap", GAPS)
def test_expected_gradient_is_the_gradient_of_the_expected_loss(gap):
    """Over all draws of the labels; features of an image depend on its own label alone."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(IMAGES, FOUNDATION, 4, generator=generator, dtype=torch.float64)
    real = torch.randn(IMAGES, 4, generator=generator, dtype=torch.float64)
    logits = torch.randn(TARGETS, FOUNDATION, generator=generator, dtype=torch.float64)
    logits.requires_grad_()

    def loss(*pair):
        return feature_gap(Lmo(gap=gap), *pair)

    expected_loss, expected_gradient = 0, 0
    for labels in product(range(FOUNDATION), repeat=IMAGES):
        log_p = logits.log_softmax(dim=1)[Y, labels]
        synthetic = features[torch.arange(IMAGES), labels]
        expected_loss = expected_loss + log_p.sum().exp() * loss(real, synthetic)
        credit = credit_of_pairs(loss, real, synthetic)
        (gradient,) = torch.autograd.grad(log_p, logits, credit, retain_graph=True)
        expected_gradient = expected_gradient + log_p.sum().exp().detach() * gradient
    (exact,) = torch.autograd.grad(expected_loss, logits)
    assert exact.abs().max() > 1e-3
    torch.testing.assert_close(expected_gradient, exact, rtol=1e-9, atol=1e-12)


def test_credit_of_a_pair_by_hand():
    real, synthetic = torch.zeros(3, 1), torch.tensor([[1.0], [2.0], [0.0]])  # distances 1, 4, 0
    credit = credit_of_pairs(GAPS["pairwise"], real, synthetic)
    by_hand = torch.tensor([1 - (4 + 0) / 2, 4 - (1 + 0) / 2, 0 - (1 + 4) / 2]) / 3
    torch.testing.assert_close(credit, by_hand)
    torch.testing.assert_close(credit_of_shares(torch.tensor([1.0, 4.0, 0.0]) / 3), by_hand)


def test_a_single_image_has_no_baseline_and_no_credit():
    one = torch.ones(1, 2)
    assert credit_of_pairs(GAPS["pairwise"], one, 2 * one).tolist() == [0]
    assert credit_of_shares(torch.tensor([3.0])).tolist() == [0]


def make_converter():
    converter = LabelConverter(Converter(estimator="score_function"), TARGETS, FOUNDATION)
    converter.logits.data = torch.tensor([[0.0, 1.0, 2.0], [0.5, 0.0, -1.0]])
    return converter


def test_labels_carry_no_gradient_and_their_log_probability_does():
    converter, noise = make_converter(), torch.tensor([[3.0, 0, 0], [0, 0, 4], [0, 0, 0]])
    assert converter.drawn(Y, noise).tolist() == [0, 2, 2]
    labels = converter(Y, noise)
    assert labels.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert not labels.requires_grad
    credit = torch.tensor([1.0, -2.0, 3.0])
    converter.log_probability(Y, noise).backward(credit)
    errors = labels - converter.logits.detach().softmax(dim=1)[Y]
    by_hand = torch.stack([errors[0] + 3 * errors[2], -2 * errors[1]])
    torch.testing.assert_close(converter.logits.grad, by_hand)


def test_both_estimators_draw_the_same_labels():
    converter = make_converter()
    other = LabelConverter(Converter(), TARGETS, FOUNDATION)
    other.load_state_dict(converter.state_dict())
    y = torch.arange(500) % TARGETS
    noise = converter.draw_noise(500)
    torch.testing.assert_close(converter(y, noise), other(y, noise))


@pytest.mark.parametrize("kind", ["soft_gumbel", "soft_label"])
def test_soft_labels_keep_their_exact_gradient(kind):
    converter = LabelConverter(Converter(kind=kind, estimator="score_function"), 1, 3)
    assert not converter.by_score
    assert converter(torch.tensor([0]), converter.draw_noise(1)).requires_grad

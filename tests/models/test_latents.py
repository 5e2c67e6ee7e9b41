"""The mapper and the converter: how they start, what they return, where gradients go."""

import math

import pytest
import torch

from mpssl.config.method import Converter, Mapper
from mpssl.models.latents import ConditionalMapper, LabelConverter

Z, CLASSES = 32, 4


def make_mapper(**settings):
    torch.manual_seed(0)
    return ConditionalMapper(Mapper(**settings), Z, CLASSES)


def make_converter(logits, **settings):
    logits = torch.tensor(logits)
    converter = LabelConverter(Converter(**settings), *logits.shape)
    converter.logits.data.copy_(logits)
    return converter


@pytest.fixture
def latents():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2000, Z, generator=generator), torch.arange(2000) % CLASSES


# ---------------------------------------------------------------------------------------- mapper


def test_residual_mapper_starts_as_the_identity(latents):
    z, y = latents
    assert torch.equal(make_mapper(form="residual")(z, y), z)


@pytest.mark.parametrize(
    ("form", "least", "most"),
    [("residual", 0.97, 1.03), ("scaled", 0.7, 1.4), ("plain", 0.03, 0.2)],
)
def test_spread_of_the_mapped_latents_at_the_start(latents, form, least, most):
    assert least < make_mapper(form=form)(*latents).std().item() < most


def test_three_linear_layers_of_the_configured_sizes():
    mapper = make_mapper(hidden=7, embedding=5)
    shapes = [tuple(layer.weight.shape) for layer in mapper.mlp[::2]]
    assert shapes == [(7, Z + 5), (7, 7), (Z, 7)]
    assert tuple(mapper.embedding.weight.shape) == (CLASSES, 5)


def test_conditional_mapper_depends_on_the_class_and_the_other_does_not(latents):
    z, y = latents
    conditional = make_mapper(form="scaled")
    assert not torch.allclose(conditional(z, y), conditional(z, (y + 1) % CLASSES), atol=1e-3)
    unconditional = make_mapper(form="scaled", conditional=False)
    assert torch.equal(unconditional(z, y), unconditional(z, (y + 1) % CLASSES))
    assert unconditional.mlp[0].in_features == Z


def test_gradient_reaches_the_embedding_of_the_classes_at_hand(latents):
    z, _ = latents
    mapper = make_mapper(form="scaled")
    mapper(z[:8], torch.full((8,), 2)).square().sum().backward()
    used = mapper.embedding.weight.grad.abs().sum(dim=1) > 0
    assert used.tolist() == [False, False, True, False]


def test_residual_mapper_starts_to_learn_at_its_last_layer(latents):
    mapper = make_mapper(form="residual")
    mapper(*latents).square().sum().backward()
    assert mapper.mlp[-1].weight.grad.abs().sum() > 0
    assert mapper.mlp[-1].bias.grad.abs().sum() > 0


# ------------------------------------------------------------------------------------- converter


def test_hard_labels_are_the_one_hot_arg_max_of_logits_and_noise():
    converter = make_converter([[0.0, 1.0, 2.0], [5.0, 0.0, 0.0]])
    noise = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 4.0]])
    labels = converter(torch.tensor([0, 0, 1]), noise)
    assert labels.tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_straight_through_gradient_is_that_of_the_soft_sample():
    """By hand: d p_1 / d logits = p_1 p_2 / tau * (1, -1) for p = softmax of two classes."""
    tau, logits, noise = 0.5, (0.3, -0.2), (0.1, 0.4)
    converter = make_converter([logits], kind="hard_gumbel", temperature=tau)
    weights = torch.tensor([2.0, -1.0])  # of the loss sum(weights * label)
    (converter(torch.tensor([0]), torch.tensor([noise])) * weights).sum().backward()
    gap = (logits[0] + noise[0] - logits[1] - noise[1]) / tau
    p = 1 / (1 + math.exp(-gap))
    by_hand = (2.0 - (-1.0)) * p * (1 - p) / tau
    torch.testing.assert_close(converter.logits.grad, torch.tensor([[by_hand, -by_hand]]))
    soft = make_converter([logits], kind="soft_gumbel", temperature=tau)
    (soft(torch.tensor([0]), torch.tensor([noise])) * weights).sum().backward()
    torch.testing.assert_close(converter.logits.grad, soft.logits.grad)


def test_soft_gumbel_by_hand():
    converter = make_converter([[0.0, 1.0, -1.0]], kind="soft_gumbel", temperature=0.5)
    noise = torch.tensor([[1.0, 0.0, 0.5]])
    label = converter(torch.tensor([0]), noise)
    powers = [math.exp(2 * v) for v in (1.0, 1.0, -0.5)]
    torch.testing.assert_close(label, torch.tensor([[v / sum(powers) for v in powers]]))


def test_temperature_sharpens_the_soft_sample():
    noise = torch.tensor([[0.3, 0.0, -0.2]])
    largest = [
        make_converter([[0.0, 0.1, 0.0]], kind="soft_gumbel", temperature=tau)(
            torch.tensor([0]), noise
        ).max()
        for tau in (10, 1, 0.1, 0.01)
    ]
    assert largest == sorted(largest)
    assert largest[0] < 0.36
    assert largest[-1] > 0.999


def test_soft_label_is_the_softmax_of_the_row_whatever_the_noise():
    converter = make_converter([[0.0, math.log(3)]], kind="soft_label", temperature=0.1)
    y = torch.tensor([0, 0])
    labels = converter(y, torch.tensor([[0.0, 0.0], [9.0, -9.0]]))
    torch.testing.assert_close(labels, torch.tensor([[0.25, 0.75]] * 2))


@pytest.mark.parametrize("kind", ["hard_gumbel", "soft_gumbel", "soft_label"])
def test_rows_sum_to_one_and_carry_a_gradient(kind):
    torch.manual_seed(0)
    converter = make_converter(torch.randn(CLASSES, 6).tolist(), kind=kind, temperature=0.5)
    y = torch.arange(32) % CLASSES
    labels = converter(y, converter.draw_noise(32))
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(32))
    (labels * torch.arange(6.0)).sum().backward()
    assert (converter.logits.grad.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("estimator", ["straight_through", "score_function"])
def test_a_shared_row_is_drawn_from_and_learned_by_every_class(estimator):
    converter = LabelConverter(Converter(conditional=False, estimator=estimator), CLASSES, 3)
    converter.logits.data.copy_(torch.tensor([[0.0, 1.0, 2.0]]))
    assert converter.logits.shape == (1, 3)
    own = make_converter([[0.0, 1.0, 2.0]] * CLASSES, estimator=estimator)
    y, noise = torch.arange(CLASSES), own.draw_noise(CLASSES)
    assert torch.equal(converter(y, noise), own(y, noise))
    assert torch.equal(converter.rows(), own.rows())
    for each in (converter, own):
        label = each.log_probability(y, noise) if each.by_score else each(y, noise)[:, 2]
        (label * torch.arange(1.0, CLASSES + 1)).sum().backward()
    assert own.logits.grad.abs().sum() > 0
    torch.testing.assert_close(converter.logits.grad[0], own.logits.grad.sum(dim=0))


@pytest.mark.parametrize("temperature", [1e-5, 1e-7])
def test_hard_gumbel_at_the_lowest_temperatures_passes_no_gradient(temperature):
    """Measured in the paper's Table 5 settings: xi never moves there."""
    torch.manual_seed(0)
    converter = make_converter([[0.0] * 10] * CLASSES, temperature=temperature)
    labels = converter(torch.arange(64) % CLASSES, converter.draw_noise(64))
    assert (labels.max(dim=1).values == 1).all()
    (labels * torch.randn(10)).sum().backward()
    assert converter.logits.grad.abs().max() < 1e-6


def test_classes_are_equally_likely_at_the_start():
    torch.manual_seed(0)
    converter = LabelConverter(Converter(), CLASSES, 5)
    labels = converter(torch.zeros(20000, dtype=torch.long), converter.draw_noise(20000))
    assert (labels.mean(dim=0) - 0.2).abs().max() < 5 * (0.2 * 0.8 / 20000) ** 0.5


def test_hard_gumbel_draws_each_class_by_its_probability():
    torch.manual_seed(0)
    converter = make_converter([[math.log(0.7), math.log(0.2), math.log(0.1)]])
    labels = converter(torch.zeros(20000, dtype=torch.long), converter.draw_noise(20000))
    assert (labels.mean(dim=0) - torch.tensor([0.7, 0.2, 0.1])).abs().max() < 0.017


def test_noise_is_standard_gumbel():
    torch.manual_seed(0)
    noise = LabelConverter(Converter(), 1, 1000).draw_noise(400)
    assert noise.shape == (400, 1000)
    assert torch.isfinite(noise).all()
    assert noise.mean().item() == pytest.approx(0.57722, abs=0.01)  # Euler's constant
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.03)


def test_noise_is_finite_at_both_ends_of_the_uniform_draw(monkeypatch):
    ends = torch.tensor([[0.0, 1 - 2**-24, 0.5]])
    monkeypatch.setattr(torch, "rand", lambda *size, **options: ends)
    assert torch.isfinite(LabelConverter(Converter(), 1, 3).draw_noise(1)).all()


def test_statistics_by_hand():
    rows = [[0.0, 0.0], [math.log(3), 0.0]]  # probabilities (1/2, 1/2) and (3/4, 1/4)
    statistics = make_converter(rows).statistics()
    entropy = (math.log(2) + 0.75 * math.log(4 / 3) + 0.25 * math.log(4)) / 2
    assert statistics == pytest.approx(
        {"converter_entropy": entropy, "converter_largest": (0.5 + 0.75) / 2}
    )

"""The meta-gradient against a plain unroll and against finite differences, in float64."""

import copy

import pytest
import torch

from mpssl.config.method import Converter, Lmo, Mapper
from mpssl.models.classifier import Classifier
from mpssl.training.gap import GAPS
from mpssl.training.sources import build_source
from tests.support.extras import need_timm
from tests.support.meta_problem import (
    LAMBDA,
    OBJECTIVES,
    RATE,
    Problem,
    make_resnet,
    relative_error,
)
from tests.support.toys import CLASSES, SmoothClassifier, ToyBatches, make_ingredients, make_step

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("views", ["joint", "separate"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_equals_a_plain_unroll(name, views):
    problem = Problem(make_resnet(), name, side=16, views=views)
    loss = problem.validation_loss(problem.images, create_graph=True)
    (reference,) = torch.autograd.grad(loss, problem.images)
    gradient, value = problem.gradient()
    assert relative_error(gradient, reference) < 1e-9
    assert value.item() == pytest.approx(loss.item(), rel=1e-12)


def test_of_a_head_on_frozen_features_equals_a_plain_unroll():
    model = make_resnet()
    model.freeze_features()
    problem = Problem(model, "freematch", side=16)
    (reference,) = torch.autograd.grad(
        problem.validation_loss(problem.images, create_graph=True), problem.images
    )
    assert relative_error(problem.gradient()[0], reference) < 1e-9


@pytest.mark.slow
def test_of_dinov2_by_timm_equals_a_plain_unroll():
    need_timm()
    model = Classifier("timm.vit_small_patch14_dinov2.lvd142m", CLASSES, (0.5,) * 3, (0.25,) * 3)
    problem = Problem(model, side=42)
    (reference,) = torch.autograd.grad(
        problem.validation_loss(problem.images, create_graph=True), problem.images
    )
    assert relative_error(problem.gradient()[0], reference) < 1e-9


@pytest.mark.parametrize("name", ["scr", "l2", "fixmatch", "freematch"])
def test_equals_finite_differences(name):
    # Not UDA: its soft target moves with the images, and its stop-gradient hides that.
    problem = Problem(SmoothClassifier(), name)
    gradient, _ = problem.gradient()
    directions = [gradient / gradient.norm()] + [torch.randn_like(gradient) for _ in range(2)]
    for direction in directions:
        h = 1e-4 / direction.norm()
        ahead = problem.validation_loss(problem.images + h * direction)
        behind = problem.validation_loss(problem.images - h * direction)
        slope = (ahead - behind).item() / (2 * h.item())
        assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("factor", ["rate", "lambda_"])
def test_is_proportional_to_small_factors_and_zero_without_them(factor):
    problem = Problem(SmoothClassifier())
    assert not problem.gradient(**{factor: 0.0})[0].any()
    once, twice = (problem.gradient(**{factor: value})[0] for value in (1e-8, 2e-8))
    assert relative_error(twice, 2 * once) < 1e-6


def test_labeled_gradient_moves_theta_first():
    problem = Problem(SmoothClassifier())
    zero = [torch.zeros_like(g) for g in problem.labeled]
    with_it, loss = problem.gradient()
    without, loss_without = problem.gradient(labeled=zero)
    assert relative_error(without, with_it) > 1e-3
    assert loss != loss_without
    as_none, loss_none = problem.gradient(labeled=[None] * len(zero))
    assert torch.equal(as_none, without)
    assert loss_none == loss_without


def test_head_that_no_gradient_reaches_is_left():
    problem = Problem(SmoothClassifier())
    partly = [*problem.labeled[:-2], None, None]  # as SCR: nothing at the head's weight and bias
    zeros = [*problem.labeled[:-2], *map(torch.zeros_like, problem.labeled[-2:])]
    assert torch.equal(problem.gradient(labeled=partly)[0], problem.gradient(labeled=zeros)[0])


@pytest.mark.parametrize("name", ["scr", "freematch"])
def test_nothing_of_the_model_changes(name):
    problem = Problem(SmoothClassifier(), name)
    for parameter in problem.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = copy.deepcopy((problem.model.state_dict(), problem.loss.state_dict()))
    problem.gradient()
    for old, module in zip(before, (problem.model, problem.loss), strict=True):
        assert all(torch.equal(value, old[key]) for key, value in module.state_dict().items())
    for parameter in problem.model.parameters():
        assert torch.equal(parameter.grad, torch.ones_like(parameter))
        assert parameter.requires_grad
    assert all(m.training for m in problem.model.modules())
    assert problem.images.grad is None


@pytest.mark.parametrize("gap", ["pairwise", "batch_mean"])  # MMD's bandwidth has no gradient
def test_gradient_at_phi_and_xi_equals_finite_differences(gap):
    """Eq. (6) from the latents' parameters to the sum of both losses, frozen Gumbel noise."""
    problem = Problem(SmoothClassifier())
    settings = Lmo(
        validation_weight=2,
        gap_weight=0.05,
        gap=gap,
        validation_batch_size=len(problem.y_val),
        mapper=Mapper(hidden=8, embedding=3, form="scaled"),
        converter=Converter(kind="soft_gumbel", temperature=0.5),
    )
    source = build_source(
        "lmo",
        make_ingredients(
            lmo=settings,
            validation=ToyBatches(problem.x_val, problem.y_val),
        ),
    )
    step = make_step(
        problem.model, problem.loss, problem.x, problem.y, learning_rate=RATE, lambda_=LAMBDA
    )
    start = copy.deepcopy((source.mapper.state_dict(), source.converter.state_dict()))
    draw = source._new_draw(problem.x, problem.y)
    source.learn(step, draw)
    gradients = [
        [p.grad.clone() for p in part.parameters()] for part in (source.mapper, source.converter)
    ]

    def objective(part, directions, h):
        source.mapper.load_state_dict(start[0])
        source.converter.load_state_dict(start[1])
        with torch.no_grad():
            for parameter, direction in zip(part.parameters(), directions, strict=True):
                parameter += h * direction
            images = source._generate(draw)
            with problem.model.statistics_frozen():
                both = problem.model.features(torch.cat([problem.x, images]))
            distance = GAPS[gap](both[: len(images)], both[len(images) :])
        return (2 * problem.validation_loss(images) + 0.05 * distance).item()

    for part, gradient in zip((source.mapper, source.converter), gradients, strict=True):
        norm = sum(g.square().sum() for g in gradient).sqrt()
        directions = [g / norm for g in gradient]
        h = 1e-5
        slope = (objective(part, directions, h) - objective(part, directions, -h)) / (2 * h)
        assert slope == pytest.approx(norm.item(), rel=1e-5)

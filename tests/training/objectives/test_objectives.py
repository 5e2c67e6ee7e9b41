"""What all objectives share: names, gradients, degenerate batches, the views' batches."""

from typing import get_args

import pytest
import torch
from torch import nn

from mpssl.config.fields import ObjectiveName
from mpssl.config.method import Objectives
from mpssl.models.classifier import Classifier
from mpssl.training.objectives import OBJECTIVES, build_objective
from mpssl.training.objectives.base import Objective

ON_LOGITS = ["uda", "fixmatch", "freematch"]
ON_FEATURES = ["scr", "l1", "l2", "smooth_l1"]
CONSISTENCY = ON_LOGITS + ON_FEATURES


def built(name, **changes):
    return build_objective(name, 3, Objectives().of(name) | changes)


def views(rows=6, columns=3):
    """A confident weak view and an unsure strong one, both wanting gradients."""
    generator = torch.Generator().manual_seed(0)
    weak = 8 * torch.eye(3)[torch.arange(rows) % 3][:, :columns]
    strong = torch.randn(rows, columns, generator=generator)
    return weak.requires_grad_(), strong.requires_grad_()


def gradients(objective, weak, strong):
    return torch.autograd.grad(objective(weak, strong), [weak, strong], allow_unused=True)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("views", ["joint", "separate"])
def test_objective_has_the_views_of_the_configuration(name, views):
    assert built(name).views == "joint"
    options = Objectives(views=views).of(name)
    assert build_objective(name, 3, options).views == views
    assert Objectives(views=views).of("none") == {}


def test_every_name_of_the_configuration_has_an_objective():
    assert set(OBJECTIVES) == set(get_args(ObjectiveName)) - {"none"}
    assert all(isinstance(built(name), Objective) for name in OBJECTIVES)


@pytest.mark.parametrize("name", ON_LOGITS)
def test_no_gradient_through_the_weak_view_of_logits(name):
    weak, strong = gradients(built(name), *views())
    assert weak is None or not weak.any()
    assert strong.abs().sum() > 1e-3


@pytest.mark.parametrize("name", ON_FEATURES)
def test_gradient_through_both_views_of_features(name):
    weak, strong = gradients(built(name), *views())
    assert weak.abs().sum() > 1e-3
    assert strong.abs().sum() > 1e-3


@pytest.mark.parametrize("name", CONSISTENCY)
def test_loss_is_a_mean_over_images(name):
    objective = built(name)
    weak, strong = views()
    once = objective(weak, strong, update=False)
    twice = objective(weak.repeat(2, 1), strong.repeat(2, 1), update=False)
    assert once.shape == ()
    assert once.item() == pytest.approx(twice.item(), rel=1e-5)


@pytest.mark.parametrize("name", CONSISTENCY)
@pytest.mark.parametrize("scale", [0, 1, 200])
def test_single_class_batch_stays_finite(name, scale):
    """One class only, from no evidence at all (all zero) to probabilities that underflow to 0."""
    weak = (scale * torch.eye(3)[torch.zeros(5, dtype=torch.long)]).requires_grad_()
    strong = (0.9 * weak).detach().requires_grad_()
    objective = built(name)
    assert objective(weak, strong).isfinite()
    for gradient in gradients(objective, weak, strong):
        assert gradient is None or gradient.isfinite().all()


@pytest.mark.parametrize("name", ["uda", "fixmatch"])
def test_nothing_confident_is_exactly_zero(name):
    objective = built(name, confidence_threshold=1.0)
    weak, strong = views()
    assert objective(weak, strong).item() == 0
    assert not gradients(objective, weak, strong)[1].any()


class Recorder(nn.Module):
    """Stands for a classifier: features are pixel means, the head doubles them."""

    def __init__(self):
        super().__init__()
        self.batches = []
        self.heads = 0

    def features(self, x):
        self.batches.append(len(x))
        return x.mean(dim=(2, 3))

    def head(self, features):
        self.heads += 1
        return 2 * features


class Difference(Objective):
    """Keeps what it was given and returns weak minus strong."""

    def __init__(self, space, views="joint"):
        super().__init__(classes=3, views=views)
        self.space = space

    def forward(self, weak, strong, update=True):
        self.update = update
        return (weak - strong).mean()


@pytest.mark.parametrize(("space", "expected", "heads"), [("features", 3, 0), ("logits", 6, 1)])
@pytest.mark.parametrize("update", [True, False])
def test_both_views_go_through_the_model_as_one_batch(space, expected, heads, update):
    model, objective = Recorder(), Difference(space)
    x_weak, x_strong = torch.full((4, 3, 2, 2), 5.0), torch.full((4, 3, 2, 2), 2.0)
    # features: 5 - 2 = 3; logits: 2 * 5 - 2 * 2 = 6; the weak view comes first
    assert objective.on_views(model, x_weak, x_strong, update=update).item() == expected
    assert model.batches == [8]
    assert model.heads == heads
    assert objective.update is update


@pytest.mark.parametrize(("space", "expected", "heads"), [("features", 3, 0), ("logits", 6, 2)])
def test_separate_views_are_two_batches(space, expected, heads):
    model, objective = Recorder(), Difference(space, "separate")
    x_weak, x_strong = torch.full((4, 3, 2, 2), 5.0), torch.full((4, 3, 2, 2), 2.0)
    assert objective.on_views(model, x_weak, x_strong, update=False).item() == expected
    assert (model.batches, model.heads) == ([4, 4], heads)


@pytest.mark.parametrize("name", CONSISTENCY)
def test_separate_views_have_their_own_batch_statistics(name):
    """By hand: each view through a network of its own copy, the gradient at the shared weights."""
    torch.manual_seed(0)
    model = Classifier("resnet8", 3, (0.5,) * 3, (0.25,) * 3).train()
    model.head.weight.data.mul_(100)
    objective = built(name, views="separate")
    x_weak, x_strong = torch.rand(6, 3, 16, 16), torch.rand(6, 3, 16, 16)
    parameters = list(model.parameters())

    def outputs(x):
        features = model.features(x)
        return model.head(features) if name in ON_LOGITS else features

    def gradient(loss):
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        return torch.cat([g.flatten() for g in found if g is not None])

    expected = gradient(objective(outputs(x_weak), outputs(x_strong), update=False))
    got = gradient(objective.on_views(model, x_weak, x_strong, update=False))
    assert got.norm() > 0
    assert torch.allclose(got, expected, rtol=1e-4, atol=1e-6)
    joint = gradient(built(name).on_views(model, x_weak, x_strong, update=False))
    assert not torch.allclose(joint, expected, rtol=1e-2)


@pytest.mark.parametrize("name", ON_LOGITS)
def test_weak_view_of_logits_keeps_no_graph_where_it_is_separate(name):
    model, objective = Recorder(), built(name, views="separate")
    weak = torch.rand(4, 3, 2, 2, requires_grad=True)
    seen = []
    model.head = lambda features: (seen.append(features.requires_grad), features)[1]
    objective.on_views(model, weak, weak, update=False)
    assert seen == [False, True]

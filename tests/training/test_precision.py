"""bf16: where it is on, its gradients point as float32's do; where it is off, nothing changes."""

import pytest
import torch
import torch.nn.functional as F

from mpssl.config.reading import read_yaml, resolve
from mpssl.models.classifier import Classifier
from mpssl.plan.cells import Cell
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import random_generator, random_task
from mpssl.training.meta_gradient import validation_gradient
from mpssl.training.second_order import SecondOrder
from tests.support.toys import CLASSES, Darken, Flip, X, Y, make_lmo, make_objective

SIDE, IMAGES = 32, 32


def classifier():
    torch.manual_seed(1)
    return Classifier("resnet8", CLASSES, (0.5,) * 3, (0.25,) * 3).train()


def cosine(a, b):
    a, b = (torch.cat([t.flatten() for t in tensors]) for tensors in (a, b))
    return F.cosine_similarity(a, b, dim=0).item()


def batch():
    """Images of a coarse pattern a class, so that pseudo-labels are not a matter of rounding."""
    drawn = torch.Generator().manual_seed(2)
    y = torch.arange(IMAGES) % CLASSES
    patterns = torch.rand(CLASSES, 3, 4, 4, generator=drawn)
    noise = torch.rand(IMAGES, 3, SIDE, SIDE, generator=drawn)
    return 0.8 * F.interpolate(patterns[y], size=SIDE, mode="bilinear") + 0.2 * noise, y


def test_classifier_computes_in_bf16_in_training_alone():
    model, (x, _) = classifier(), batch()
    model.precision = "bf16"
    seen = []
    model.backbone[0].register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    features = model.features(x)
    with model.in_float32():
        model.features(x)
    assert model.precision == "bf16"
    model.eval().features(x)
    assert seen == [torch.bfloat16, torch.float32, torch.float32]
    assert features.dtype == torch.float32
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["scr", "freematch"])
def test_gradient_of_the_classifier_step(name):
    model, (x, y) = classifier(), batch()
    options = {"threshold_momentum": 0.9, "fairness_weight": 0.05} if name == "freematch" else {}
    objective = make_objective(name, CLASSES, options)

    def gradient():
        loss = F.cross_entropy(model(x), y)
        loss = loss + objective.on_views(model, Flip()(x), Darken()(x), update=False)
        return torch.autograd.grad(loss, list(model.parameters()))

    reference = gradient()
    model.precision = "bf16"
    assert cosine(gradient(), reference) > 0.99


def test_second_order_part_stays_in_float32():
    model, (x, y) = classifier(), batch()
    objective = make_objective("scr", CLASSES, {})

    def gradient():
        (at_images,), loss = validation_gradient(
            model,
            lambda images: objective.on_views(
                model, Flip()(images), Darken()(images), update=False
            ),
            [x.clone().requires_grad_()],
            [None] * len(list(model.parameters())),
            learning_rate=0.1,
            lambda_=1.0,
            x_val=x,
            y_val=y,
        )
        return at_images, loss

    reference = gradient()
    model.precision = "bf16"
    for value, expected in zip(gradient(), reference, strict=True):
        assert torch.equal(value, expected)


@pytest.mark.parametrize("statistics", ["joint", "running"])
def test_gradient_of_the_gap_at_phi_and_xi(statistics):
    source = make_lmo(gap_statistics=statistics)
    model, draw = classifier(), source._new_draw(X, Y)
    learned = [*source.mapper.parameters(), *source.converter.parameters()]

    def gradient():
        with SecondOrder():
            gap = source._gap(*source._paired_features(model, X, source._generate(draw)))
        return torch.autograd.grad(gap, learned)

    reference = gradient()
    model.precision = "bf16"
    assert cosine(gradient(), reference) > 0.99


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_task_has_the_precision_of_the_settings(precision):
    content = read_yaml("config/mini.yaml")
    content["training"]["precision"] = precision
    plan = Plan(resolve(content))
    cell = Cell("mnist", 25, "oracle", "freematch", "default", "resnet8")
    task = random_task(plan, cell, torch.device("cpu"), None)
    assert task.model.precision == precision


@pytest.mark.parametrize("images_per_pass", [None, 3])
def test_a_generator_in_bf16_makes_nearly_the_same_images_and_gradients(images_per_pass):
    config = resolve(read_yaml("config/mini.yaml"))
    generator = random_generator(Experiment(config))
    torch.manual_seed(0)
    z = torch.randn(6, generator.z_dim, requires_grad=True)
    y = torch.eye(generator.classes)[:6].requires_grad_()
    weights, found = torch.randn(6, 3, 32, 32), []
    for bf16 in (False, True):
        if bf16:
            generator.in_bf16()
            generator.images_per_pass = images_per_pass
        images = generator(z, y)
        assert images.dtype == torch.float32
        found.append((images.detach(), *torch.autograd.grad((weights * images).sum(), (z, y))))
    for value, reference in zip(*found, strict=True):
        assert value.dtype == torch.float32
        assert not torch.equal(value, reference)
        assert cosine([value], [reference]) > 0.99


def test_task_has_a_generator_of_the_settings():
    content = read_yaml("config/mini.yaml")
    content["training"]["generator_precision"] = "bf16"
    config = resolve(content)
    generator = random_generator(Experiment(config))
    cell = Cell("mnist", 25, "generative", "pssl", "default", "resnet8")
    task = random_task(Plan(config), cell, torch.device("cpu"), generator)
    assert {p.dtype for p in task.source.generator.network.parameters()} == {torch.bfloat16}

"""Sources: which images they return, and from which random streams."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from mpssl.config.method import Lmo
from mpssl.training.sources import SOURCES, build_source
from mpssl.training.sources.base import Source
from tests.support.toys import (
    CLASSES,
    FOUNDATION_CLASSES,
    SIDE,
    SmoothClassifier,
    SmoothGenerator,
    ToyBatches,
)
from tests.support.toys import make_ingredients as ingredients

POOL = torch.rand(12, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
X = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
Y = torch.tensor([0, 1, 2, 0])


def make(name, seed=0, ratio=1, **changes):
    """A source with all that any source may need."""
    torch.manual_seed(7)
    everything = {
        "ratio": ratio,
        "generator": SmoothGenerator(),
        "foundation_classifier": SmoothClassifier(FOUNDATION_CLASSES).eval(),
        "unlabeled": ToyBatches(POOL, torch.arange(len(POOL)) % CLASSES),
        "validation": ToyBatches(POOL, torch.arange(len(POOL)) % CLASSES),
        "lmo": Lmo(),
        "class_map": [[0], [1, 3], [2]],
    }
    return build_source(name, ingredients(seed, **everything | changes))


WITH_IMAGES = [name for name in SOURCES if name != "none"]


@pytest.mark.parametrize("ratio", [1, 3])
@pytest.mark.parametrize("name", WITH_IMAGES)
def test_images_for_each_labeled_one(name, ratio):
    images = make(name, ratio=ratio).sample(X, Y)
    assert images.shape == (ratio * len(X), 3, SIDE, SIDE)
    assert images.min() >= 0
    assert images.max() <= 1
    assert not images.requires_grad


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_seed_alone_decides_the_images(name):
    first, again, other = make(name), make(name), make(name, seed=1)
    images = first.sample(X, Y)
    torch.manual_seed(99)  # the global generator
    with again.streams.use("labeled_order"):
        torch.randn(1000)
    assert torch.equal(again.sample(X, Y), images)
    assert not torch.equal(other.sample(X, Y), images)
    assert not torch.equal(first.sample(X, Y), images)


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_sampling_leaves_the_labeled_order(name):
    source, untouched = make(name), make(name)
    source.sample(X, Y)
    with source.streams.use("labeled_order"):
        drawn = torch.randn(5)
    with untouched.streams.use("labeled_order"):
        assert torch.equal(drawn, torch.randn(5))


def test_the_base_method_has_no_images():
    source = make("none")
    assert type(source) is Source
    assert (source.statistics(), source.state_dict()) == ({}, {})
    with pytest.raises(RuntimeError, match="no unlabeled images"):
        source.sample(X, Y)


def test_real_images_come_once_in_a_pass():
    source = make("real")  # 12 images, 4 at a time
    passes = [torch.cat([source.sample(X, Y) for _ in range(3)]) for _ in range(2)]
    for images in passes:
        matches = (images[:, None] == POOL[None]).flatten(2).all(dim=2)
        assert (matches.sum(dim=0) == 1).all()
    assert not torch.equal(*passes)


def test_real_images_go_on_from_their_state():
    source, resumed = make("real"), make("real", seed=5)
    source.sample(X, Y)
    resumed.load_state_dict(source.state_dict())
    resumed.streams.load_state_dict(source.streams.state_dict())
    for _ in range(5):  # into the next passes
        assert torch.equal(source.sample(X, Y), resumed.sample(X, Y))


def test_pseudo_labels_are_the_foundation_classifiers_probabilities():
    source = make("pseudo", ratio=2)
    source.sample(X, Y)
    ((z, labels),) = source.generator.calls
    expected = F.softmax(source.classifier(X), dim=1)
    torch.testing.assert_close(labels, torch.cat([expected, expected]))
    assert labels.max() < 1  # soft
    assert z.shape == (8, 4)
    assert not torch.equal(z[:4], z[4:])


def test_uniform_labels_are_one_hot_and_equally_often():
    source = make("uniform", ratio=1000)
    source.sample(X, Y)
    ((z, labels),) = source.generator.calls
    assert set(labels.unique().tolist()) == {0, 1}
    assert (labels.sum(dim=1) == 1).all()
    frequency = labels.mean(dim=0)
    assert (frequency - 1 / FOUNDATION_CLASSES).abs().max() < 5 * (0.2 * 0.8 / 4000) ** 0.5
    assert z.mean().abs() < 0.05
    assert z.std().item() == pytest.approx(1, abs=0.05)


def test_labeled_images_come_with_their_classes_in_an_order_of_their_own():
    classes = torch.arange(len(POOL)) % CLASSES
    source = make("labeled")
    step = SimpleNamespace(x=POOL, y=classes)
    made = source.for_step(step)
    rows = (made.pixels[:, None] == POOL[None]).flatten(2).all(dim=2).int().argmax(dim=1)
    assert sorted(rows.tolist()) == list(range(len(POOL)))
    assert rows.tolist() != list(range(len(POOL)))
    assert torch.equal(made.classes, classes[rows])


def test_uniform_labels_may_be_of_some_classes_only():
    source = make("uniform", ratio=50, foundation_classes=[1, 3])
    drawn = []
    source.generator = lambda z, y: drawn.append(y) or torch.zeros(len(z), 3, SIDE, SIDE)
    source.generator.z_dim, source.generator.classes = 2, FOUNDATION_CLASSES
    source.sample(X, Y)
    counts = drawn[0].sum(dim=0)
    assert counts.nonzero().flatten().tolist() == [1, 3]
    assert counts[1] / 200 == pytest.approx(0.5, abs=0.12)


def test_mapped_samples_are_of_the_classes_that_their_target_class_names():
    source = make("mapped", ratio=50)
    images = source.for_step(SimpleNamespace(x=X, y=Y))
    assert torch.equal(images.classes, Y.repeat(50))
    ((_, labels),) = source.generator.calls
    assert (labels.sum(dim=1) == 1).all()
    drawn = labels.argmax(dim=1)
    assert (drawn[images.classes == 0] == 0).all()
    assert (drawn[images.classes == 2] == 2).all()
    of_one = drawn[images.classes == 1]
    assert set(of_one.tolist()) == {1, 3}
    assert (of_one == 1).float().mean() == pytest.approx(0.5, abs=0.3)
    assert source.foundation_labels(X, Y)[1].tolist() == [0, 0.5, 0, 0.5, 0]

"""What latent meta-optimization says of what it learned."""

import pytest
import torch

from mpssl.config.method import Mapper
from tests.support.toys import (
    FOUNDATION_CLASSES,
    SmoothClassifier,
    ToyBatches,
    X,
    Y,
    make_lmo,
)


def test_statistics_at_the_start():
    statistics = make_lmo().statistics()
    assert statistics["z_hat_std"] == pytest.approx(1, abs=0.1)
    assert statistics["z_hat_std_within_class"] == pytest.approx(1, abs=0.1)
    assert statistics["converter_largest"] == pytest.approx(1 / FOUNDATION_CLASSES)


def test_statistics_name_the_mass_on_the_classes_that_the_foundation_classifier_sees():
    """The head's bias alone decides: class 3 of 5 is seen most in every image."""
    torch.manual_seed(0)
    classifier = SmoothClassifier(FOUNDATION_CLASSES).eval()
    classifier.head.bias.data = torch.tensor([0.0, 1, 2, 9, 0])
    source = make_lmo()
    source.foundation_classifier, source.labeled = classifier, ToyBatches(X, Y)
    with torch.no_grad():
        source.converter.logits[:, 3] = torch.tensor([0.0, 1.0, 2.0])
    rows = source.converter.logits.detach().softmax(dim=1)
    statistics = source.statistics()
    assert statistics["converter_related"] == pytest.approx(rows[:, 3].mean().item())
    assert statistics["converter_related_uniform"] == pytest.approx(1 / FOUNDATION_CLASSES)
    assert torch.equal(source.foundation_map(), rows)
    assert torch.equal(source.foundation_labels(X, Y), rows[Y])


@pytest.mark.parametrize("classes", [None, FOUNDATION_CLASSES + 1])
def test_nothing_is_said_of_related_classes_without_a_classifier_that_knows_them(classes):
    source = make_lmo()
    source.foundation_classifier = classes and SmoothClassifier(classes)
    assert "converter_related" not in source.statistics()


def test_statistics_see_one_prototype_a_class():
    source = make_lmo(mapper=Mapper(hidden=8, embedding=3, form="plain"))
    with torch.no_grad():
        source.mapper.mlp[0].weight[:, : source.generator.z_dim] = 0  # deaf to z
        source.mapper.mlp[-1].weight *= 10
    statistics = source.statistics()
    assert statistics["z_hat_std_within_class"] == pytest.approx(0, abs=1e-6)
    assert statistics["z_hat_std"] > 0.1

"""Accuracy and the measures of features, worked out by hand under running statistics."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mpssl.common.errors import UserError
from mpssl.data.batches import batches_of
from mpssl.data.store import Packed
from mpssl.models.classifier import Classifier
from mpssl.training.evaluate import (
    accuracy,
    feature_norm,
    mean_probability,
    predict,
    sample_statistics,
)

CPU = torch.device("cpu")
MEAN, DEVIATION = torch.tensor([0.2, 0.4, 0.6]), torch.tensor([0.2, 0.4, 0.2])


class ByHand(Classifier):
    """Features are the mean colour, standardized by running statistics; logits are the features."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        norm = nn.BatchNorm1d(3, eps=1e-9, affine=False)
        norm.running_mean, norm.running_var = MEAN.clone(), DEVIATION**2
        self.backbone = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), norm)
        self.head = nn.Linear(3, 3)
        self.head.weight.data, self.head.bias.data = torch.eye(3), torch.zeros(3)
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


# In fifths of white; colour minus mean by deviation is:
COLOURS = [
    (2, 2, 2),  # (1, 0, -1): class 0
    (1, 4, 3),  # (0, 1, 0): class 1
    (5, 0, 5),  # (4, -1, 2): class 0, but labeled 2
    (0, 0, 5),  # (-1, -1, 2): class 2
    (1, 4, 2),  # (0, 1, -1): class 1, but labeled 0
]
LABELS = [0, 1, 2, 2, 0]


def batches():
    """Images of 4 x 4, white but for the centre of 2 x 2, which alone is to be read."""
    images = np.full((5, 4, 4, 3), 255, np.uint8)
    images[:, 1:3, 1:3] = 51 * np.array(COLOURS, np.uint8)[:, None, None]
    return batches_of(Packed(images, np.array(LABELS), list("abc"), 5, "d"), range(5), 2, CPU)


def images_of(features):
    """Images [N, 3, 1, 1] that have these features."""
    return (MEAN + DEVIATION * torch.tensor(features, dtype=torch.float32))[..., None, None]


@pytest.mark.parametrize("batch_size", [2, 5, 100])  # of 2: the last batch is smaller
def test_accuracy_is_the_percentage_of_right_images_under_running_statistics(batch_size):
    assert accuracy(ByHand(), batches(), batch_size) == pytest.approx(100 * 3 / 5)


@pytest.mark.parametrize("batch_size", [2, 5])
def test_prediction_is_the_class_of_the_highest_logit_with_its_softmax(batch_size):
    classes, probabilities = predict(ByHand(), batches(), batch_size)
    assert classes.tolist() == [0, 1, 0, 2, 1]
    e = math.e  # logits (1, 0, -1), (0, 1, 0), (4, -1, 2), (-1, -1, 2), (0, 1, -1)
    first = e / (e + 1 + 1 / e)
    expected = [first, e / (e + 2), e**4 / (e**4 + 1 / e + e**2), e**2 / (e**2 + 2 / e), first]
    assert probabilities.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [2, 5])
def test_feature_norm_is_the_mean_over_images_under_running_statistics(batch_size):
    # Squared norms of the five features above: 2, 1, 21, 6, 2.
    expected = (2**0.5 + 1 + 21**0.5 + 6**0.5 + 2**0.5) / 5
    assert feature_norm(ByHand(), batches(), batch_size) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [2, 5])
def test_mean_probability_is_the_mean_softmax_over_images(batch_size):
    rows = torch.tensor([(1.0, 0, -1), (0, 1, 0), (4, -1, 2), (-1, -1, 2), (0, 1, -1)])
    found = mean_probability(ByHand(), batches(), batch_size)
    torch.testing.assert_close(found, rows.softmax(dim=1).mean(dim=0))


def test_sample_statistics_by_hand():
    y = torch.tensor([0, 1, 0, 1])
    real = images_of([(0, 0, 0), (0, 0, 0), (3, 4, 0), (0, 0, 1)])
    synthetic = images_of([(0, 0, 0), (1, 0, 0), (0, 0, 12), (1, 0, 0)])
    found = sample_statistics(ByHand(), real, synthetic, y)
    # Real images of one class are 5 and 1 apart, synthetic ones 12 and 0: means 3 and 6.
    assert found["sample_diversity"] == pytest.approx(6 / 3, rel=1e-4)
    # From synthetic to real, class 0: 0, 5, 12, 13; class 1: 1, sqrt(2), 1, sqrt(2).
    assert found["sample_distance"] == pytest.approx((30 + 2 + 2 * 2**0.5) / 8 / 3, rel=1e-4)


def test_sample_statistics_of_huge_features_are_finite():
    images = torch.rand(4, 3, 8, 8)
    expected = sample_statistics(ByHand(), images, images.flip(3, 0), torch.zeros(4))
    space = ByHand()
    space.backbone.append(Times(1e30))
    found = sample_statistics(space, images, images.flip(3, 0), torch.zeros(4))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_said_to_be_so(factor):
    space, images = ByHand(), torch.rand(4, 3, 8, 8)
    space.backbone.append(Times(factor))
    message = "features of images are not finite; try a smaller training.learning_rate"
    with pytest.raises(UserError, match=message):
        sample_statistics(space, images, images, torch.zeros(4))
    with pytest.raises(UserError, match=message):
        feature_norm(space, batches(), 2)


def test_sample_statistics_need_two_images_of_a_class():
    images = images_of([(0, 0, 0), (1, 0, 0)])
    assert sample_statistics(ByHand(), images, images, torch.tensor([0, 1])) == {}


@pytest.mark.parametrize(
    "measure",
    [
        lambda model: accuracy(model, batches(), 2),
        lambda model: feature_norm(model, batches(), 2),
        lambda model: sample_statistics(
            model, *[images_of([(0, 0, 0), (3, 4, 0)])] * 2, torch.tensor([1, 1])
        ),
    ],
    ids=["accuracy", "feature_norm", "sample_statistics"],
)
def test_a_measure_leaves_the_model_in_training_mode_and_as_it_was(measure):
    model = ByHand().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measure(model)
    assert all(module.training for module in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in model.parameters())

"""Accuracy of a classifier, and measures of synthetic images in its features.

The measures are in float64, as squares of a barely trained network's features may overflow.
"""

import math

import torch
from torch import Tensor

from mpssl.common.errors import not_finite
from mpssl.data.batches import Batches
from mpssl.models.classifier import Classifier


@torch.no_grad()
def predict(model: Classifier, data: Batches, batch_size: int) -> tuple[Tensor, Tensor]:
    """The class of the highest logit and its softmax, with running batch-norm statistics.

    Returns:
        Classes, int64 [N], and probabilities in [0, 1], [N], in the order of `data`.
    """
    classes, probabilities = [], []
    with model.evaluating():
        for rows in torch.arange(len(data)).split(batch_size):
            logits = model(data.centre_images(rows))
            classes.append(logits.argmax(dim=1))
            probabilities.append(logits.softmax(dim=1).amax(dim=1))
    return torch.cat(classes), torch.cat(probabilities)


def percent_right(predicted: Tensor, labels: Tensor) -> float:
    """Part of the predicted classes [N] that equal `labels` [N], in percent."""
    return 100 * (predicted == labels).sum().item() / len(labels)


def accuracy(model: Classifier, data: Batches, batch_size: int) -> float:
    """Top-1 accuracy in percent, with running batch-norm statistics."""
    return percent_right(predict(model, data, batch_size)[0], data.labels)


@torch.no_grad()
def mean_probability(model: Classifier, data: Batches, batch_size: int) -> Tensor:
    """Mean of the softmax [K] over the images, with running batch-norm statistics."""
    with model.evaluating():
        sums = [
            model(data.centre_images(rows)).softmax(dim=1).sum(dim=0)
            for rows in torch.arange(len(data)).split(batch_size)
        ]
    return torch.stack(sums).sum(dim=0) / len(data)


@torch.no_grad()
def feature_norm(model: Classifier, data: Batches, batch_size: int) -> float:
    """Mean Euclidean norm of the features g(x), with running batch-norm statistics.

    Raises:
        UserError: it is not finite, as the training has diverged.
    """
    with model.evaluating():
        norms = [
            model.features(data.centre_images(rows)).double().norm(dim=1)
            for rows in torch.arange(len(data)).split(batch_size)
        ]
    return _finite(torch.cat(norms).mean().item())


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise not_finite("the features of images are")
    return value


@torch.no_grad()
def sample_statistics(
    space: Classifier, real: Tensor, synthetic: Tensor, y: Tensor
) -> dict[str, float]:
    """Diversity of synthetic images and their distance to real ones, in the features of `space`.

    Args:
        space: a classifier.
        real: labeled images [N, 3, S, S].
        synthetic: images made for the same classes [N, 3, S, S].
        y: classes [N].

    Returns:
        `sample_diversity`: mean distance between synthetic images made for one class;
        `sample_distance`: mean distance from a synthetic image to real images of its class; both
        divided by the mean distance between real images of one class. Empty if no class has two
        images.

    Raises:
        UserError: one is not finite, as the training has diverged.
    """
    with space.evaluating():
        g_real, g_synthetic = (space.features(x).double() for x in (real, synthetic))
    same_class = y[:, None] == y[None, :]
    pairs = same_class & ~torch.eye(len(y), dtype=torch.bool, device=y.device)
    if not pairs.any():
        return {}
    within_real = torch.cdist(g_real, g_real)[pairs].mean().clamp(min=1e-12)
    within_synthetic = torch.cdist(g_synthetic, g_synthetic)[pairs].mean()
    between = torch.cdist(g_synthetic, g_real)[same_class].mean()
    return {
        "sample_diversity": _finite((within_synthetic / within_real).item()),
        "sample_distance": _finite((between / within_real).item()),
    }

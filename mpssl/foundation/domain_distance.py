"""Measure how far the generator's images are from the data, before hours go into training."""

import numpy as np
import torch
from torch import Tensor

from mpssl.common.files import write_made
from mpssl.data import store
from mpssl.data.batches import batches_of
from mpssl.machine.devices import claimed_device
from mpssl.models.classifier import load_foundation_classifier
from mpssl.plan.experiment import Experiment
from mpssl.training.pool import load_generator
from mpssl.training.rng import Streams

BATCH = 50
NEIGHBOURS = 5  # k of the coverage, as in Naeem et al. (2020)


def distances(real: Tensor, made: Tensor) -> dict[str, float]:
    """Compare generated with real images in a feature space.

    Args:
        real: features [N, D] of real images, at least 2.
        made: features [M, D] of generated images.

    Returns:
        `distance`: the median over real images of the distance to the nearest generated one,
        divided by the median distance to the nearest other real one. It is 1 if generated images
        are as near as real ones. `coverage`: the part of the real images that have a generated
        one nearer than their fifth-nearest real one, in [0, 1] (Naeem et al., 2020).
    """
    among = torch.cdist(real, real).fill_diagonal_(torch.inf)
    nearest_made = torch.cdist(real, made).min(dim=1).values
    scale = among.min(dim=1).values.median().clamp(min=1e-12)
    k = min(NEIGHBOURS, len(real) - 1)
    radius = among.kthvalue(k, dim=1).values
    return {
        "distance": (nearest_made.median() / scale).item(),
        "coverage": (nearest_made <= radius).float().mean().item(),
    }


def measure_domain_distance(experiment: Experiment, dataset: str, architecture: str) -> None:
    """Measure a data set's distance and write it as JSON, with a verdict in one line."""
    config, settings = experiment.config, experiment.config.domain
    with claimed_device(config.device, config.runs_per_gpu) as device:
        real, made = _features(experiment, dataset, architecture, device)
    found = distances(real, made)
    far = found["distance"] > settings.far
    verdict = _verdict(config.datasets[dataset].title, found, settings.far, far)
    record = {**found, "threshold": settings.far, "far": far, "images": len(real)}
    write_made(experiment.paths.domain(dataset, architecture), record | {"verdict": verdict})


def _features(
    experiment: Experiment, dataset: str, architecture: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return foundation features [N, D] of some real images and of as many generated ones."""
    config, paths = experiment.config, experiment.paths
    settings, training = config.domain, config.training
    packed = store.load(paths.packed(dataset))
    rows = np.random.default_rng(settings.seed).permutation(packed.pool)[: settings.images]
    images = batches_of(packed, np.sort(rows), training.image_size, device)
    classifier = load_foundation_classifier(
        paths.classifier(architecture),
        architecture,
        *training.normalization(architecture),
    ).to(device)
    frozen = load_generator(config, paths.generator(), device)
    real, made = [], []
    # A generator in Python has just been tried, gradients included.
    with torch.no_grad(), Streams(settings.seed, device).use("domain"):
        for part in torch.arange(len(images)).split(BATCH):
            real.append(classifier.features(images.centre_images(part)))
            z = torch.randn(len(part), frozen.z_dim, device=device)
            y = torch.randint(frozen.classes, (len(part),), device=device)
            labels = torch.nn.functional.one_hot(y, frozen.classes).float()
            made.append(classifier.features(frozen(z, labels)))
    return torch.cat(real), torch.cat(made)


def _verdict(title: str, found: dict[str, float], threshold: float, far: bool) -> str:
    measured = (
        f"the nearest generated image is {found['distance']:.2f} times as far from an image of "
        f"{title} as the nearest other image of {title} (far: above {threshold:g}; "
        f"coverage {found['coverage']:.0%})"
    )
    if far:
        return (
            f"WARNING: the generator is far from your data: {measured}. Synthetic images may not "
            "help; consider another foundation before you spend hours"
        )
    return f"the generator is near enough to your data: {measured}"

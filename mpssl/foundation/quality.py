"""Measure how good a foundation is: generated beside real images, and the classifier.

The real images are rendered anew with another seed: neither the generator nor the classifier was
trained on them. All features are those of the foundation classifier.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl.config.data import Glyphs
from mpssl.data.glyphs import render_glyphs
from mpssl.foundation.domain_distance import distances
from mpssl.models.classifier import Classifier
from mpssl.models.generator import FrozenGenerator

BATCH = 250


@dataclass(frozen=True)
class Quality:
    """What `measure` finds. Distances are in squared units of the features, the rest in [0, 1]."""

    images: int
    """Number of generated images, and of real ones in each half; every class has as many."""
    frechet_distance: float
    """Frechet distance of the generated images to the first real half."""
    frechet_floor: float
    """Frechet distance of the second real half to the first: what chance alone gives."""
    coverage: float
    """Part of the first half's images that have a generated one nearer than their fifth-nearest
    neighbour in that half."""
    coverage_of_real: float
    """The same with the second real half in place of the generated images."""
    class_agreement: float
    """Part of the generated images that the classifier gives the class they were made for."""
    accuracy: float
    """Part of the real images, both halves, whose class the classifier finds."""

    def as_record(self) -> dict[str, float]:
        """The measures with four significant digits."""
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Distance of two normal distributions with the means and covariances of two samples.

    Heusel et al. (2017) use it with the features of an Inception network, as FID.

    Args:
        a: features [N, D], N at least 2.
        b: features [M, D], M at least 2.

    Returns:
        |mean_a - mean_b|^2 + trace(S_a + S_b - 2 (S_a S_b)^(1/2)), at least 0 but for rounding.
    """
    a, b = a.double(), b.double()
    s_a, s_b = torch.cov(a.T).view(a.shape[1], -1), torch.cov(b.T).view(b.shape[1], -1)
    values, vectors = torch.linalg.eigh(s_a)
    root_a = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # S_a S_b has the eigenvalues of the symmetric root_a S_b root_a.
    shared = torch.linalg.eigvalsh(root_a @ s_b @ root_a).clamp(min=0).sqrt().sum()
    difference = (a.mean(0) - b.mean(0)).square().sum()
    return (difference + s_a.trace() + s_b.trace() - 2 * shared).item()


@torch.no_grad()
def measure(
    network: FrozenGenerator,
    classifier: Classifier,
    settings: Glyphs,
    seed: int,
    images_per_class: int = 50,
) -> Quality:
    """Measure a foundation of glyphs with new real images and new latents.

    Args:
        network: the generator, of the classes of `mpssl.config.glyph_classes`.
        classifier: the foundation classifier, in evaluation mode.
        settings: of the glyphs that the foundation was trained on; seed and number are not used.
        seed: of the real images and of the latents; not that of `settings`.
        images_per_class: number of images of each class in each real half, and of generated ones.
            The Frechet distances grow if there are fewer, both by about the same.
    """
    fresh = settings.model_copy(update={"images_per_class": 2 * images_per_class, "seed": seed})
    glyphs = render_glyphs(fresh, network.image_size)
    pixels, y = torch.from_numpy(glyphs.images).movedim(-1, 1), torch.from_numpy(glyphs.labels)
    halves = [(pixels[0::2], y[0::2]), (pixels[1::2], y[1::2])]
    real, other = (
        torch.cat([classifier.features(part / 255.0) for part in x.split(BATCH)]) for x, _ in halves
    )
    wanted = halves[0][1]
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(len(wanted), network.z_dim, generator=generator).split(BATCH)
    labels = F.one_hot(wanted, network.classes).float().split(BATCH)
    made = torch.cat([classifier.features(network(*part)) for part in zip(z, labels, strict=True)])

    def right(features: Tensor, targets: Tensor) -> float:
        return (classifier.head(features).argmax(1) == targets).float().mean().item()

    return Quality(
        images=len(made),
        frechet_distance=frechet_distance(real, made),
        frechet_floor=frechet_distance(real, other),
        coverage=distances(real, made)["coverage"],
        coverage_of_real=distances(real, other)["coverage"],
        class_agreement=right(made, wanted),
        accuracy=(right(real, wanted) + right(other, halves[1][1])) / 2,
    )

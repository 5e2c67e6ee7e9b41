"""Make the files of the foundation that the package carries, out of one that was trained here."""

import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mpssl.common.errors import UserError
from mpssl.common.files import atomic, write_json, write_text
from mpssl.config.experiment import Config
from mpssl.config.foundation import SHIPPED_NORMALIZATION
from mpssl.data import store
from mpssl.foundation import quality
from mpssl.machine.cpu import prepare_cpu
from mpssl.models import generator, tensor_file
from mpssl.models.classifier import load_foundation_classifier
from mpssl.models.file_names import GENERATOR_CONFIG, MODEL
from mpssl.plan.experiment import Experiment
from mpssl.shipped import FOUNDATION_CHECKSUMS, FOUNDATION_STATISTICS

SEED = 1  # of the real images and latents that are measured
SHEET_CLASSES, SHEET_REAL, SHEET_MADE = 20, 6, 10
GAP = 6  # pixels


def ship(experiment: Experiment, threads: int) -> None:
    """Write the trained networks as float16, their checksums and measures, and a sheet of images.

    The measures are of the float16 weights. Each classifier measures in its own features.

    Raises:
        UserError: the foundation is not trained here on glyphs, or sees them normalized otherwise.
    """
    config, paths = experiment.config, experiment.paths
    _check(config)
    prepare_cpu(threads)
    folder = paths.shipped
    network = paths.generator()
    text = (network / GENERATOR_CONFIG).read_text()
    write_text(folder / GENERATOR_CONFIG, text)
    _halve(network / MODEL, folder / MODEL)
    architectures = config.roles.every_architecture
    for architecture in architectures:
        path = paths.classifier(architecture)
        _halve(path, folder / path.name)
    files = [GENERATOR_CONFIG, MODEL, *(f"{name}.safetensors" for name in architectures)]
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    write_json(folder / FOUNDATION_CHECKSUMS.name, digests)

    frozen = generator.load(folder, config.training.image_size, truncation=1.0)
    found = {}
    for architecture in architectures:
        path = folder / f"{architecture}.safetensors"
        classifier = load_foundation_classifier(
            path, architecture, SHIPPED_NORMALIZATION, SHIPPED_NORMALIZATION
        )
        settings = config.datasets[config.foundation.dataset]
        found[architecture] = quality.measure(frozen, classifier, settings, SEED).as_record()
        print(f"in the features of {architecture}: {found[architecture]}", flush=True)
    packed = store.load(paths.packed(config.foundation.dataset))
    with atomic(paths.foundation_sheet) as temporary:
        Image.fromarray(contact_sheet(packed.images, packed.labels, frozen)).save(temporary)
    write_json(folder / FOUNDATION_STATISTICS.name, found)


def _check(config: Config) -> None:
    foundation, training = config.foundation, config.training
    if {foundation.generator.kind, foundation.classifier.kind} != {"trained"}:
        raise UserError("a foundation can be shipped if `kind` of both its parts is `trained`")
    if config.datasets[foundation.dataset].adapter != "glyphs":
        raise UserError(f"the shipped foundation is one of glyphs, not of {foundation.dataset}")
    if {training.normalize_mean, training.normalize_std} != {SHIPPED_NORMALIZATION}:
        raise UserError(
            "the shipped classifiers are trained with training.normalize_mean and normalize_std "
            f"{list(SHIPPED_NORMALIZATION)}"
        )


def _halve(source: Path, target: Path) -> None:
    """Copy a file of weights, its floating-point tensors as float16."""
    tensors, metadata = tensor_file.load(source)
    halved = {
        name: value.half() if value.is_floating_point() else value
        for name, value in tensors.items()
    }
    tensor_file.save(target, halved, metadata)


@torch.no_grad()
def contact_sheet(
    images: np.ndarray, labels: np.ndarray, network: generator.FrozenGenerator
) -> np.ndarray:
    """Real images beside generated ones, a row a class, in two columns of classes.

    Args:
        images: real ones, uint8 [N, H, W, 3].
        labels: their classes [N].
        network: the generator.

    Returns:
        uint8 [height, width, 3]. In each row the real images are at the left of the gap.
    """
    chosen = np.linspace(0, network.classes - 1, SHEET_CLASSES).round().astype(int)
    latents = torch.Generator().manual_seed(SEED)
    rows = []
    for k in chosen:
        real = images[np.nonzero(labels == k)[0][:SHEET_REAL]]
        z = torch.randn(SHEET_MADE, network.z_dim, generator=latents)
        y = F.one_hot(torch.full((SHEET_MADE,), int(k)), network.classes).float()
        rows.append(_beside(_tiles(real), _tiles(_as_uint8(network(z, y))), GAP))
    half = len(rows) // 2
    return _beside(np.concatenate(rows[:half]), np.concatenate(rows[half:]), 4 * GAP)


def _as_uint8(images: Tensor) -> np.ndarray:
    return (images * 255).round().byte().movedim(1, -1).numpy()


def _tiles(images: np.ndarray) -> np.ndarray:
    return np.concatenate(list(images), axis=1)


def _beside(left: np.ndarray, right: np.ndarray, gap: int) -> np.ndarray:
    white = np.full((len(left), gap, 3), 255, dtype=np.uint8)
    return np.concatenate([left, white, right], axis=1)

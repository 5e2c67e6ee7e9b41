"""Who makes the images of a pool, class by class: a network, or a text-to-image model."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl.common.errors import UserError
from mpssl.data import store
from mpssl.data.batches import batches_of
from mpssl.data.split import read_split
from mpssl.machine.determinism import deterministic
from mpssl.models.generator import FrozenGenerator, load_configured
from mpssl.plan.experiment import Experiment

CPU = torch.device("cpu")


class ImageMaker(Protocol):
    """What makes images of a class by their numbers."""

    names: list[str]
    """Names of the classes."""
    batch: int
    """Images that are made at once; another number may change a pixel's last bit."""

    def make(self, name: str, numbers: list[int], seed: int) -> Tensor:
        """Images [N, 3, S, S] in [0, 1] of a class; numbers are consecutive, a batch at most."""


class OfNetwork:
    """Images of latents ~ N(0, I) and one class each."""

    batch = 50

    def __init__(self, frozen: FrozenGenerator, device: torch.device) -> None:
        self.frozen, self.device = frozen, device
        length = len(str(frozen.classes - 1))
        self.names = [f"{k:0{length}d}" for k in range(frozen.classes)]

    @torch.no_grad()
    def make(self, name: str, numbers: list[int], seed: int) -> Tensor:
        """Make a whole batch, and return as many of it as there are numbers."""
        k = int(name)
        stream = torch.Generator().manual_seed(1_000_003 * (1_000_003 * seed + k) + numbers[0])
        z = torch.randn(self.batch, self.frozen.z_dim, generator=stream).to(self.device)
        y = F.one_hot(torch.full((self.batch,), k, device=self.device), self.frozen.classes)
        with deterministic(True):
            return self.frozen(z, y.float())[: len(numbers)]


class OfTexts:
    """Images of prompts, from noise or from labeled images of the class, which take turns."""

    batch = 8

    def __init__(self, experiment: Experiment, device: torch.device) -> None:
        from mpssl.models.text_to_image import TextToImage  # slow: diffusers

        foundation, size = experiment.config.foundation, experiment.config.training.image_size
        pool = foundation.generator
        varied = pool.make.variations if pool.kind == "images" and pool.make else None
        self.start = _labeled(experiment) if varied else None
        self.model = TextToImage(
            foundation.network, size, device, strength=varied.strength if varied else None
        )
        self.names = self.model.names
        for name in self.names if varied else []:
            if name not in self.start:
                raise UserError(
                    f"foundation.generator.make: D has no image of the class {name} to vary; "
                    f"its classes are {', '.join(list(self.start)[:10])}"
                )

    def make(self, name: str, numbers: list[int], seed: int) -> Tensor:
        """Make the images of these numbers."""
        start = None
        if self.start is not None:
            images = self.start[name]
            start = images[torch.tensor(numbers) % len(images)]
        return self.model.make(name, numbers, seed, start)


def _labeled(experiment: Experiment) -> dict[str, Tensor]:
    """The images [N, 3, P, P] of the D that is varied, by class."""
    varied = experiment.config.foundation.generator.make.variations
    packed = store.load(experiment.paths.packed(varied.dataset))
    split = read_split(experiment.paths.split(varied.dataset, varied.fraction, 0), packed)
    rows = batches_of(packed, split["labeled"], packed.images.shape[1], CPU)
    found = {}
    for k, name in enumerate(packed.classes):
        of_class = (rows.labels == k).nonzero().flatten()
        if len(of_class):
            found[name] = rows.whole(of_class)[0]
    return found


def image_maker(experiment: Experiment, device: torch.device) -> ImageMaker:
    """Who makes the images of an experiment's generator, or of its pool.

    Raises:
        UserError: the generator cannot be loaded.
    """
    network, maker = experiment.config.foundation.network, experiment.maker
    if network.kind == "diffusers" and network.prompts is not None:
        return OfTexts(experiment, device)
    return OfNetwork(load_configured(maker.config, maker.paths.generator()).to(device), device)

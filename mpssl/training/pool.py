"""Images of a pool in place of a generator: the latent picks one among those of a class."""

from pathlib import Path

import torch
from torch import Tensor, nn

from mpssl.config.experiment import Config
from mpssl.data import store
from mpssl.data.batches import batches_of
from mpssl.data.pool import class_numbers
from mpssl.models import generator
from mpssl.models.generator import FrozenGenerator

BELOW_ONE = 1 - 2**-53


class PoolGenerator(FrozenGenerator):
    """G_F(z, y_F) as a choice: y_F draws a class, z the number of an image; it has no gradient.

    With z ~ N(0, I) each image of a class is as likely as the others. A soft label is a probability
    of its classes. Images without classes are one class.

    Args:
        packed: the pool, of `image_size` pixels.
        image_size: side of the returned images, pixels.
        device: where images are wanted.
        share: fraction of the device's memory that the images may take, 0 to 1.
    """

    def __init__(
        self, packed: store.Packed, image_size: int, device: torch.device, share: float = 1
    ) -> None:
        nn.Module.__init__(self)  # there is no network
        self.image_size = image_size
        self.z_dim: int = 2  # one number chooses the image, one the class of a soft label
        self.maps: int = 0
        self.images_per_pass: int | None = None
        self.names = packed.classes
        """Names of the folders; none if the images have no classes."""
        numbers = torch.tensor(class_numbers(packed.classes) or [0])
        self.classes: int = int(numbers.max()) + 1
        labels = torch.from_numpy(packed.labels)
        order = labels.argsort(stable=True)
        self.batches = batches_of(packed, order.numpy(), image_size, device, share)
        of_class = numbers[labels.clamp(min=0)].bincount(minlength=self.classes)
        self.present = of_class.nonzero().flatten().tolist()
        """Numbers of the classes that have images."""
        # Places are those of `order`, which goes by folder, as the numbers do.
        starts = of_class.cumsum(0) - of_class
        ones = torch.ones(self.classes, self.classes, dtype=torch.float64)
        self.register_buffer("counts", of_class.to(device))
        self.register_buffer("starts", starts.to(device))
        self.register_buffer("up_to", ones.triu().to(device))

    def in_bf16(self) -> None:
        """Do nothing: stored images have no precision."""

    def compile_passes(self, compiles: bool) -> None:
        """Do nothing: there is no network."""

    @torch.no_grad()
    def rows(self, z: Tensor, y: Tensor) -> Tensor:
        """Numbers of the chosen images, int64 [U], by class."""
        uniform = torch.special.ndtr(z.double()).clamp(max=BELOW_ONE)
        picked, chosen = uniform.unbind(dim=1)
        weights = y.double() * (self.counts > 0)
        # A class without images gives one of any other.
        weights = torch.where(weights.sum(1, keepdim=True) > 0, weights, (self.counts > 0).double())
        mass = weights @ self.up_to  # on a GPU cumsum does not repeat bit for bit
        k = (mass <= chosen[:, None] * mass[:, -1:]).sum(dim=1).clamp(max=self.classes - 1)
        return self.starts[k] + (picked * self.counts[k]).long()

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Look up images.

        Args:
            z: latents [U, 2].
            y: foundation labels [U, classes], one-hot or soft.

        Returns:
            [U, 3, image_size, image_size] in [0, 1].
        """
        return self.batches.centre_images(self.rows(z, y))


def load_generator(
    config: Config, folder: Path, device: torch.device, share: float = 1
) -> FrozenGenerator:
    """The generator of a configuration on a device: a network, or a packed pool.

    Args:
        config: the configuration.
        folder: that of the network's files, or of the packed pool.
        device: where it is wanted.
        share: fraction of the device's memory that a pool may take, 0 to 1.

    Raises:
        UserError: it cannot be loaded.
    """
    if config.foundation.generator.kind == "images":
        packed = store.load(folder)
        return PoolGenerator(packed, config.training.image_size, device, share)
    return generator.load_configured(config, folder).to(device)

"""The networks that the training of the embedded generator needs.

One is the generator itself: the batch norms of the package's class only read stored statistics, so
the functions here let them use the batch's. The other two, encoder and discriminator, are dropped
after the training.

Shape letters: B batch, H, W sides, F classes of the foundation, Z latent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from pytorch_pretrained_biggan import BigGAN, BigGANConfig
from pytorch_pretrained_biggan.model import BigGANBatchNorm
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from mpssl.config.generators import TrainedGenerator

START_SIZE = 4  # side of the class's first feature map, fixed in its code
STATISTICS_BATCH = 2048  # batch size for the stored batch-norm statistics
POWER_ITERATIONS = 50  # forward passes that settle the averaged weights' spectral norms


def build_generator(settings: TrainedGenerator, num_classes: int) -> BigGAN:
    """Return an untrained BigGAN, initialised for training from scratch.

    Args:
        settings: only the generator's sizes are read. `z_dim` is also the size of the class's
            embedding. In `layers` the first input is 16 and the last output 1, in units of
            `channel_width`; a block can keep or halve the channels.
        num_classes: F.
    """
    layers = settings.layers
    config = BigGANConfig(
        output_dim=START_SIZE * 2 ** sum(up_sample for up_sample, _, _ in layers),
        z_dim=settings.z_dim,
        class_embed_dim=settings.z_dim,
        channel_width=settings.channel_width,
        num_classes=num_classes,
        layers=layers,
        attention_layer_position=-1,
        n_stats=2,  # 1 divides by zero in the class; truncation 1.0 reads the last row
    )
    model = BigGAN(config)
    nn.init.normal_(model.embeddings.weight)  # as strong as z; the default is 17 times weaker
    last_norm = model.generator.bn
    nn.init.ones_(last_norm.weight)  # the class leaves both uninitialised
    nn.init.zeros_(last_norm.bias)
    equalise_rgb(model)
    return model


@torch.no_grad()
def equalise_rgb(model: BigGAN) -> None:
    """Give the three colour channels one filter, so that images are grey.

    Equal filters get equal gradients from a loss on the channels' mean, so training keeps them
    equal up to rounding.
    """
    convolution = model.generator.conv_to_rgb
    convolution.weight_orig[1:3] = convolution.weight_orig[0]
    convolution.bias[1:3] = convolution.bias[0]


def _normalise_with_batch(
    norm: BigGANBatchNorm, x: Tensor, truncation: float, condition: Tensor | None = None
) -> Tensor:
    """Replace `BigGANBatchNorm.forward`, which never uses the batch's own statistics."""
    if not norm.conditional:
        return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
    normalised = F.batch_norm(x, None, None, training=True, eps=norm.eps)
    return torch.addcmul(
        norm.offset(condition)[:, :, None, None],
        normalised,
        1 + norm.scale(condition)[:, :, None, None],
    )


def _store_statistics(norm: BigGANBatchNorm, inputs: tuple) -> None:
    """Store the batch's mean and variance for every truncation, as a forward pre-hook."""
    variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
    norm.running_means[:] = mean
    norm.running_vars[:] = variance


@contextmanager
def batch_statistics(model: BigGAN) -> Iterator[list[BigGANBatchNorm]]:
    """Let the generator's batch norms use batch statistics inside the block; yield the norms."""
    norms = [module for module in model.modules() if isinstance(module, BigGANBatchNorm)]
    for norm in norms:
        norm.forward = partial(_normalise_with_batch, norm)
    try:
        yield norms
    finally:
        for norm in norms:
            del norm.forward


@torch.no_grad()
def settle(model: BigGAN) -> BigGAN:
    """Freeze a trained generator: settle spectral norms, store batch-norm statistics, eval mode.

    The statistics are those of z ~ N(0, I) and uniform classes. They are the same for every
    truncation, so sample with 1.0.
    """
    equalise_rgb(model)
    z = torch.randn(STATISTICS_BATCH, model.config.z_dim)
    classes = torch.arange(STATISTICS_BATCH) % model.config.num_classes
    onehot = F.one_hot(classes, model.config.num_classes).float()
    with batch_statistics(model) as norms:
        for _ in range(POWER_ITERATIONS):
            model(z[:2], onehot[:2], 1.0)  # in training mode each forward is one power iteration
        model.eval()
        hooks = [norm.register_forward_pre_hook(_store_statistics) for norm in norms]
        model(z, onehot, 1.0)
        for hook in hooks:
            hook.remove()
    return model.requires_grad_(False)


def _convolutions(width: int, wrap: Callable[[nn.Module], nn.Module]) -> nn.Sequential:
    """Return four convolutions, three of stride 2: [B,1,H,W] -> [B,4 width,H/8,W/8]."""
    widths = [1, width // 2, width, 2 * width, 4 * width]
    blocks = []
    for i, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        blocks += [
            wrap(nn.Conv2d(inputs, outputs, 3, stride=2 if i else 1, padding=1)),
            nn.LeakyReLU(0.1),
        ]
    return nn.Sequential(*blocks)


class Encoder(nn.Module):
    """The approximate posterior q(z | x, y) of the conditional variational autoencoder."""

    def __init__(self, *, num_classes: int, z_dim: int, width: int, image_size: int) -> None:
        super().__init__()
        self.convolutions = _convolutions(width, lambda layer: layer)
        self.embedding = nn.Embedding(num_classes, 4 * width)
        self.hidden = nn.Linear(4 * width * (image_size // 8) ** 2, 4 * width)
        self.moments = nn.Linear(4 * width, 2 * z_dim)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Map images [B,1,H,W] and labels [B] to mean and log variance, each [B,Z]."""
        hidden = F.leaky_relu(self.hidden(self.convolutions(x).flatten(1)) + self.embedding(y), 0.1)
        mean, log_variance = self.moments(hidden).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)


class Discriminator(nn.Module):
    """A projection discriminator (Miyato and Koyama, 2018) that also predicts the class."""

    def __init__(self, *, num_classes: int, width: int, image_size: int) -> None:
        super().__init__()
        self.convolutions = _convolutions(width, spectral_norm)
        features = 4 * width
        self.hidden = spectral_norm(nn.Linear(features * (image_size // 8) ** 2, features))
        self.realness = spectral_norm(nn.Linear(features, 1))
        self.embedding = spectral_norm(nn.Embedding(num_classes, features))
        self.classes = nn.Linear(features, num_classes)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Map images [B,1,H,W] and labels [B] to realness [B] and class logits [B,F]."""
        features = F.leaky_relu(self.hidden(self.convolutions(x).flatten(1)), 0.1)
        realness = self.realness(features)[:, 0] + (self.embedding(y) * features).sum(1)
        return realness, self.classes(features)

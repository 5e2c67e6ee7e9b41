"""Train the embedded foundation: a small class-conditional BigGAN and a classifier of the same images.

The full reproduction downloads BigGAN-deep-256 and a network trained on ImageNet. The embedded benchmark has
no such weights, so it makes them, in minutes on a CPU: the generator is the *same class* at a small size, and
its state dictionary has the same keys, so everything downstream runs the same code on either.

Shape letters: B batch, C channels, H, W sides, F classes of the foundation, Z latent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_pretrained_biggan import BigGAN, BigGANConfig
from pytorch_pretrained_biggan.model import BigGANBatchNorm
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

START_SIZE = 4  # side of the class's first feature map, fixed in its code
STATISTICS_BATCH = 2048  # images behind the stored batch-norm statistics
POWER_ITERATIONS = 50  # forwards that settle the spectral norms of the averaged weights

Progress = Callable[[int, dict[str, float]], None]


def build_generator(
    *, num_classes: int, z_dim: int, channel_width: int, layers: list[tuple[bool, int, int]]
) -> BigGAN:
    """Return an untrained BigGAN, initialised for training from scratch.

    Args:
        num_classes: F.
        z_dim: Z; the class's embedding has the same size.
        channel_width: the unit in which `layers` counts channels.
        layers: (up-sample?, input, output) of each block, the first input 16, the last output 1; the class
            can keep or halve the channels.
    """
    config = BigGANConfig(
        output_dim=START_SIZE * 2 ** sum(up_sample for up_sample, _, _ in layers),
        z_dim=z_dim,
        class_embed_dim=z_dim,
        channel_width=channel_width,
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

    Equal filters get equal gradients from a loss on the channels' mean, so training keeps them equal up to
    rounding.
    """
    convolution = model.generator.conv_to_rgb
    convolution.weight_orig[1:3] = convolution.weight_orig[0]
    convolution.bias[1:3] = convolution.bias[0]


def _normalise_with_batch(norm: BigGANBatchNorm, x: Tensor, truncation: float, condition: Tensor | None = None):
    """Stand in for `BigGANBatchNorm.forward`: use the batch's statistics, as the class itself never does."""
    if not norm.conditional:
        return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
    normalised = F.batch_norm(x, None, None, training=True, eps=norm.eps)
    return torch.addcmul(
        norm.offset(condition)[:, :, None, None], normalised, 1 + norm.scale(condition)[:, :, None, None]
    )


def _store_statistics(norm: BigGANBatchNorm, inputs: tuple) -> None:
    """Forward pre-hook: keep the batch's mean and variance for every truncation."""
    variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
    norm.running_means[:] = mean
    norm.running_vars[:] = variance


@contextmanager
def batch_statistics(model: BigGAN) -> Iterator[list[BigGANBatchNorm]]:
    """Let the generator's batch norms use batch statistics inside the block; yields them."""
    norms = [module for module in model.modules() if isinstance(module, BigGANBatchNorm)]
    for norm in norms:
        norm.forward = partial(_normalise_with_batch, norm)
    try:
        yield norms
    finally:
        for norm in norms:
            del norm.forward


def _convolutions(width: int, wrap: Callable[[nn.Module], nn.Module]) -> nn.Sequential:
    """Return four 3x3 convolutions, 1 -> 4 width channels, three of stride 2: [B,1,H,W] -> [B,4w,H/8,W/8]."""
    widths = [1, width // 2, width, 2 * width, 4 * width]
    blocks = []
    for i, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        blocks += [wrap(nn.Conv2d(inputs, outputs, 3, stride=2 if i else 1, padding=1)), nn.LeakyReLU(0.1)]
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
    """A projection discriminator (Miyato and Koyama, 2018) with a head that also names the class."""

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

def train_generator(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    z_dim: int,
    channel_width: int,
    layers: list[tuple[bool, int, int]],
    helper_width: int,
    steps: int,
    batch_size: int,
    learning_rate: float,
    warmup_steps: int,
    kl_weight: float,
    adversarial_weight: float,
    class_weight: float,
    averaging: float,
    seed: int,
    progress: Progress | None = None,
) -> BigGAN:
    """Train a class-conditional BigGAN of grey images as a variational autoencoder with a discriminator.

    The autoencoder covers each class's variety but blurs; the discriminator, which sees samples of the prior
    only, sharpens them. Sample with z ~ N(0, I) and truncation 1.0.

    Args:
        images: uint8 [N,H,W,3], grey.
        labels: int [N] in [0, num_classes).
        num_classes, z_dim, channel_width, layers: the generator, see `build_generator`.
        helper_width: channels of the encoder and of the discriminator at half the image's side.
        steps, batch_size: optimizer steps, and images in each; as many samples are drawn a step.
        learning_rate: of Adam, at the start; it falls to zero as a half cosine.
        warmup_steps: steps over which the discriminator's weight in the generator's loss grows to its full.
        kl_weight: weight of the divergence, per nat, against the reconstruction's nats.
        adversarial_weight, class_weight: weights of the realness and class losses of samples.
        averaging: decay of the moving average of the generator's weights, which is what is returned.
        seed: of initial weights, batches and latents.
        progress: called with the number of steps done and the latest losses.

    Returns:
        The generator, frozen, in eval mode on the CPU.

    Raises:
        ValueError: if the layers do not give the images' side.
        RuntimeError: if a loss is not finite.
    """
    torch.manual_seed(seed)
    model = build_generator(num_classes=num_classes, z_dim=z_dim, channel_width=channel_width, layers=layers)
    size = model.config.output_dim
    if images.shape[1:3] != (size, size):
        raise ValueError(f"the layers give images of side {size}, the data have {images.shape[1:3]}")
    sizes = {"num_classes": num_classes, "width": helper_width, "image_size": size}
    encoder, critic = Encoder(z_dim=z_dim, **sizes), Discriminator(**sizes)

    made_by = [*model.parameters(), *encoder.parameters()]
    optimizer = torch.optim.Adam(made_by, lr=learning_rate, betas=(0.5, 0.99))
    model.to(memory_format=torch.channels_last)  # a fifth faster
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=learning_rate, betas=(0.5, 0.99))
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(o, steps) for o in (optimizer, critic_optimizer)]
    average = [parameter.detach().clone() for parameter in model.parameters()]
    grey = torch.from_numpy(images[..., 0]).unsqueeze(1)
    targets = torch.from_numpy(labels)

    with batch_statistics(model):
        for step in range(steps):
            chosen = torch.randint(len(grey), (batch_size,))
            x, y = grey[chosen] / 255.0, targets[chosen]
            y_sample = torch.randint(num_classes, (batch_size,))

            mean, log_variance = encoder(x, y)
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            z_both = torch.cat([z, torch.randn_like(z)])
            onehot = F.one_hot(torch.cat([y, y_sample]), num_classes).float()
            made = 0.5 + 0.5 * model(z_both, onehot, 1.0).mean(1, keepdim=True)
            reconstruction, sample = made.split(batch_size)

            critic_loss = _critic_loss(critic, x, y, sample.detach(), y_sample)
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()

            bits = F.binary_cross_entropy(reconstruction.clamp(1e-6, 1 - 1e-6), x, reduction="sum")
            divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
            for parameter in critic.parameters():
                parameter.requires_grad_(False)
            realness, logits = critic(sample, y_sample)
            ramp = min(1.0, step / warmup_steps)
            loss = (bits + kl_weight * divergence) / (batch_size * size * size) + ramp * (
                -adversarial_weight * realness.mean() + class_weight * F.cross_entropy(logits, y_sample)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for parameter in critic.parameters():
                parameter.requires_grad_(True)

            for schedule in schedules:
                schedule.step()
            with torch.no_grad():
                torch._foreach_lerp_(average, list(model.parameters()), 1 - averaging)
            losses = {"generator": loss.item(), "critic": critic_loss.item()}
            if not np.isfinite(list(losses.values())).all():
                raise RuntimeError(f"generator training diverged at step {step + 1} of {steps}: {losses}")
            if progress is not None:
                progress(step + 1, losses)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), average, strict=True):
            parameter.copy_(value)
    return settle(model.to(memory_format=torch.contiguous_format))


def _critic_loss(critic: Discriminator, x: Tensor, y: Tensor, sample: Tensor, y_sample: Tensor) -> Tensor:
    """Return the hinge loss of realness plus the class loss on real images."""
    # one forward, so that both halves see the same spectral norms
    realness, logits = critic(torch.cat([x, sample]), torch.cat([y, y_sample]))
    real, made = realness.chunk(2)
    return F.relu(1 - real).mean() + F.relu(1 + made).mean() + F.cross_entropy(logits[: len(x)], y)


@torch.no_grad()
def settle(model: BigGAN) -> BigGAN:
    """Freeze a trained generator: settle spectral norms, store batch-norm statistics, go to eval mode.

    The statistics are those of z ~ N(0, I) and uniform classes, at every truncation alike: sample with 1.0.
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


def train_foundation_classifier(
    model: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    held_out: float,
    seed: int,
    progress: Progress | None = None,
) -> float:
    """Train a classifier of the foundation's classes in place and return its accuracy on held-out images.

    Args:
        model: maps float images [B,3,H,W] in [0,1] to logits [B,F]; left in eval mode.
        images: uint8 [N,H,W,3].
        labels: int [N].
        steps, batch_size: optimizer steps, and images in each.
        learning_rate: of SGD with Nesterov momentum 0.9, at the start; it falls to zero as a half cosine.
        weight_decay: of SGD.
        held_out: share of the images that is kept for the accuracy, in (0,1).
        seed: of the split and of the batches; the initial weights are the caller's.
        progress: called with the number of steps done and the latest loss.

    Raises:
        RuntimeError: if the loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    n_test = int(held_out * len(images))
    test, train = order[:n_test], order[n_test:]
    pixels, targets = torch.from_numpy(images).movedim(-1, 1), torch.from_numpy(labels)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=learning_rate, momentum=0.9, nesterov=True, weight_decay=weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for step in range(steps):
        chosen = train[torch.randint(len(train), (batch_size,), generator=generator)]
        loss = F.cross_entropy(model(pixels[chosen] / 255.0), targets[chosen])
        if not torch.isfinite(loss):
            raise RuntimeError(f"classifier training diverged at step {step + 1} of {steps}: loss {loss.item()}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, {"loss": loss.item()})
    model.eval()
    with torch.no_grad():
        hits = [(model(pixels[part] / 255.0).argmax(1) == targets[part]).sum() for part in test.split(500)]
    return (sum(hits) / n_test).item()

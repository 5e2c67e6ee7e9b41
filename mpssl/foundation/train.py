"""Train the embedded foundation: a small class-conditional BigGAN, and a classifier.

The full reproduction downloads BigGAN-deep-256 and a network trained on ImageNet. For the embedded
benchmark such weights are made here, on a CPU, and shipped: the generator is the *same
class* at a small size with the same state dictionary keys, so all other code works with both.

Shape letters: B batch, C channels, H, W sides, F classes of the foundation, Z latent.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_pretrained_biggan import BigGAN
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mpssl.compat.optimizers import SGD, Adam
from mpssl.config.foundation import TrainedClassifier
from mpssl.config.generators import TrainedGenerator
from mpssl.foundation.networks import (
    Discriminator,
    Encoder,
    batch_statistics,
    build_generator,
    settle,
)

Progress = Callable[[int, dict[str, float]], None]


def train_generator(
    settings: TrainedGenerator,
    images: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    progress: Progress | None = None,
) -> BigGAN:
    """Train a class-conditional BigGAN of grey images: an autoencoder with a discriminator.

    The variational autoencoder covers each class's variety but blurs; the discriminator, which sees
    samples of the prior only, sharpens them. Sample with z ~ N(0, I) and truncation 1.0.

    Args:
        settings: the networks' sizes, the losses' weights and Adam's settings; its learning rate
            falls to zero as a half cosine. The seed becomes torch's global seed.
        images: uint8 [N,H,W,3], grey.
        labels: int [N] in [0, num_classes).
        num_classes: F.
        progress: called with the number of steps done and the latest losses.

    Returns:
        The generator with the moving average of its weights, frozen, in eval mode on the CPU.

    Raises:
        ValueError: the layers do not give the images' side, or the images are coloured.
        RuntimeError: a loss is not finite.
    """
    torch.manual_seed(settings.seed)
    model = build_generator(settings, num_classes)
    size = model.config.output_dim
    if (images[..., 0] != images[..., 1]).any() or (images[..., 0] != images[..., 2]).any():
        raise ValueError("the embedded generator learns grey images; these are coloured")
    if images.shape[1:3] != (size, size):
        raise ValueError(
            f"the layers give images of side {size}, the data have {images.shape[1:3]}"
        )
    training = _GeneratorTraining(settings, model)
    grey, targets = torch.from_numpy(images[..., 0].copy()).unsqueeze(1), torch.from_numpy(labels)
    with batch_statistics(model):
        for step in range(settings.steps):
            chosen = torch.randint(len(grey), (settings.batch_size,))
            losses = training.step(grey[chosen] / 255.0, targets[chosen], step)
            if not np.isfinite(list(losses.values())).all():
                raise RuntimeError(
                    f"generator training diverged at step {step + 1} of {settings.steps}: {losses}"
                )
            if progress is not None:
                progress(step + 1, losses)
    training.take_average()
    return settle(model.to(memory_format=torch.contiguous_format))


class _GeneratorTraining:
    """A generator in training: its helper networks, the optimizers and the average of its weights.

    Args:
        settings: the settings of `train_generator`.
        model: the generator, which is trained in place.
    """

    def __init__(self, settings: TrainedGenerator, model: BigGAN) -> None:
        self.settings, self.model = settings, model
        self.num_classes = model.config.num_classes
        sizes = {
            "num_classes": self.num_classes,
            "width": settings.helper_width,
            "image_size": model.config.output_dim,
        }
        self.encoder = Encoder(z_dim=settings.z_dim, **sizes)
        self.critic = Discriminator(**sizes)
        for network in (model, self.encoder, self.critic):
            network.to(memory_format=torch.channels_last)  # a fifth faster
        self.optimizers = [
            Adam(parameters, lr=settings.learning_rate, betas=(0.5, 0.99), fused=True)
            for parameters in (
                [*model.parameters(), *self.encoder.parameters()],
                self.critic.parameters(),
            )
        ]
        self.schedules = [
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
            for optimizer in self.optimizers
        ]
        self.average = [parameter.detach().clone() for parameter in model.parameters()]
        self._update_average = get_ema_multi_avg_fn(settings.averaging)

    def step(self, x: Tensor, y: Tensor, done: int) -> dict[str, float]:
        """Train every network for one step.

        Args:
            x: real images [B,1,H,W] in [0,1]; as many samples of uniform classes are drawn.
            y: their classes [B].
            done: number of steps before this one.

        Returns:
            The generator's and the discriminator's loss.
        """
        settings, critic = self.settings, self.critic
        y_sample = torch.randint(self.num_classes, (len(x),))
        elbo_loss, sample = _autoencode_and_sample(
            self.model, self.encoder, x, y, y_sample, settings.kl_weight
        )
        critic_loss = _critic_loss(critic, x, y, sample.detach(), y_sample)
        _update(self.optimizers[1], critic_loss)

        critic.requires_grad_(False)
        realness, logits = critic(sample, y_sample)
        sample_loss = settings.class_weight * F.cross_entropy(logits, y_sample)
        sample_loss = sample_loss - settings.adversarial_weight * realness.mean()
        loss = elbo_loss + min(1.0, done / settings.warmup_steps) * sample_loss
        _update(self.optimizers[0], loss)
        critic.requires_grad_(True)

        for schedule in self.schedules:
            schedule.step()
        self._update_average(self.average, list(self.model.parameters()), done)
        return {"generator": loss.item(), "discriminator": critic_loss.item()}

    @torch.no_grad()
    def take_average(self) -> None:
        """Give the generator the moving average of its weights."""
        for parameter, value in zip(self.model.parameters(), self.average, strict=True):
            parameter.copy_(value)


def _autoencode_and_sample(
    model: BigGAN, encoder: Encoder, x: Tensor, y: Tensor, y_sample: Tensor, kl_weight: float
) -> tuple[Tensor, Tensor]:
    """Return x's negative evidence bound, nats a pixel, and samples of the classes y_sample."""
    mean, log_variance = encoder(x, y)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    # One forward for both, so that they share batch statistics.
    z_both = torch.cat([z, torch.randn_like(z)])
    onehot = F.one_hot(torch.cat([y, y_sample]), model.config.num_classes).float()
    made = 0.5 + 0.5 * model(z_both, onehot, 1.0).mean(1, keepdim=True)
    reconstruction, sample = made.split(len(x))
    nats = F.binary_cross_entropy(reconstruction.clamp(1e-6, 1 - 1e-6), x, reduction="sum")
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
    return (nats + kl_weight * divergence) / x.numel(), sample


def _critic_loss(
    critic: Discriminator, x: Tensor, y: Tensor, sample: Tensor, y_sample: Tensor
) -> Tensor:
    """Return the hinge loss of realness plus the class loss on real images."""
    realness, logits = critic(torch.cat([x, sample]), torch.cat([y, y_sample]))
    real, made = realness.chunk(2)
    return F.relu(1 - real).mean() + F.relu(1 + made).mean() + F.cross_entropy(logits[: len(x)], y)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one optimizer step down the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def train_foundation_classifier(
    settings: TrainedClassifier,
    model: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    progress: Progress | None = None,
) -> float:
    """Train a classifier of the foundation in place and return its held-out accuracy.

    Args:
        settings: the held-out part of the images and the settings of SGD, whose Nesterov momentum
            is 0.9 and whose learning rate falls to zero as a half cosine. The seed decides the
            split and the batches; the initial weights are the caller's.
        model: maps float images [B,3,H,W] in [0,1] to logits [B,F]; it is left in eval mode.
        images: uint8 [N,H,W,3].
        labels: int [N].
        progress: called with the number of steps done and the latest loss.

    Returns:
        The part of the held-out images that are classified correctly, in [0,1].

    Raises:
        RuntimeError: the loss is not finite.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    order = torch.randperm(len(images), generator=generator)
    n_test = int(settings.held_out * len(images))
    test, train = order[:n_test], order[n_test:]
    pixels, targets = torch.from_numpy(images.copy()).movedim(-1, 1), torch.from_numpy(labels)
    optimizer = SGD(
        model.parameters(),
        lr=settings.learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=settings.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    model.train()
    for step in range(settings.steps):
        chosen = train[torch.randint(len(train), (settings.batch_size,), generator=generator)]
        loss = F.cross_entropy(model(pixels[chosen] / 255.0), targets[chosen])
        if not torch.isfinite(loss):
            raise RuntimeError(
                f"classifier training diverged at step {step + 1} of {settings.steps}: "
                f"loss {loss.item()}"
            )
        _update(optimizer, loss)
        schedule.step()
        if progress is not None:
            progress(step + 1, {"loss": loss.item()})
    return _accuracy(model.eval(), pixels, targets, test)


@torch.no_grad()
def _accuracy(model: nn.Module, pixels: Tensor, targets: Tensor, rows: Tensor) -> float:
    """Return the part of `rows` whose uint8 images [N,3,H,W] the model classifies correctly."""
    hits = [
        (model(pixels[part] / 255.0).argmax(1) == targets[part]).sum() for part in rows.split(500)
    ]
    return (sum(hits) / len(rows)).item()

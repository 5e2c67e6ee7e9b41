"""Train the embedded foundation: a small class-conditional BigGAN, and a classifier.

The full reproduction downloads BigGAN-deep-256 and a network trained on ImageNet. The embedded
benchmark has no such weights, so it makes them, in minutes on a CPU: the generator is the *same
class* at a small size with the same state dictionary keys, so all downstream code serves either.

Shape letters: B batch, C channels, H, W sides, F classes of the foundation, Z latent.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_pretrained_biggan import BigGAN
from torch import Tensor, nn

from mpssl.compat.optimizers import SGD, Adam
from mpssl.foundation.networks import (
    Discriminator,
    Encoder,
    batch_statistics,
    build_generator,
    settle,
)

Progress = Callable[[int, dict[str, float]], None]


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
    """Train a class-conditional BigGAN of grey images: an autoencoder with a discriminator.

    The variational autoencoder covers each class's variety but blurs; the discriminator, which sees
    samples of the prior only, sharpens them. Sample with z ~ N(0, I) and truncation 1.0.

    Args:
        images: uint8 [N,H,W,3], grey.
        labels: int [N] in [0, num_classes).
        num_classes, z_dim, channel_width, layers: the generator, see
            `mpssl.foundation.networks.build_generator`.
        helper_width: channels of the encoder and of the discriminator at half the image's side.
        steps, batch_size: optimizer steps, and images in each; as many samples are drawn a step.
        learning_rate: of Adam, at the start; it falls to zero as a half cosine.
        warmup_steps: steps over which the discriminator's weight in the generator's loss grows to
            its full.
        kl_weight: weight of the divergence, per nat, against the reconstruction's nats.
        adversarial_weight, class_weight: weights of the realness and class losses of samples.
        averaging: decay of the moving average of the generator's weights, which is what is
            returned.
        seed: of initial weights, batches and latents; it becomes torch's global seed.
        progress: called with the number of steps done and the latest losses.

    Returns:
        The generator, frozen, in eval mode on the CPU.

    Raises:
        ValueError: if the layers do not give the images' side, or the images are coloured.
        RuntimeError: if a loss is not finite.
    """
    torch.manual_seed(seed)
    model = build_generator(
        num_classes=num_classes, z_dim=z_dim, channel_width=channel_width, layers=layers
    )
    if (images[..., 0] != images[..., 1]).any() or (images[..., 0] != images[..., 2]).any():
        raise ValueError("the embedded generator learns grey images; these are coloured")
    size = model.config.output_dim
    if images.shape[1:3] != (size, size):
        raise ValueError(
            f"the layers give images of side {size}, the data have {images.shape[1:3]}"
        )
    sizes = {"num_classes": num_classes, "width": helper_width, "image_size": size}
    encoder, critic = Encoder(z_dim=z_dim, **sizes), Discriminator(**sizes)
    for network in (model, encoder, critic):
        network.to(memory_format=torch.channels_last)  # a fifth faster

    makers = [*model.parameters(), *encoder.parameters()]
    optimizers = [
        Adam(parameters, lr=learning_rate, betas=(0.5, 0.99), fused=True)
        for parameters in (makers, critic.parameters())
    ]
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(o, steps) for o in optimizers]
    average = [parameter.detach().clone() for parameter in model.parameters()]
    grey, targets = torch.from_numpy(images[..., 0].copy()).unsqueeze(1), torch.from_numpy(labels)

    with batch_statistics(model):
        for step in range(steps):
            chosen = torch.randint(len(grey), (batch_size,))
            x, y = grey[chosen] / 255.0, targets[chosen]
            y_sample = torch.randint(num_classes, (batch_size,))
            elbo_loss, sample = _autoencode_and_sample(model, encoder, x, y, y_sample, kl_weight)

            critic_loss = _critic_loss(critic, x, y, sample.detach(), y_sample)
            _update(optimizers[1], critic_loss)

            critic.requires_grad_(False)
            realness, logits = critic(sample, y_sample)
            sample_loss = class_weight * F.cross_entropy(logits, y_sample)
            sample_loss = sample_loss - adversarial_weight * realness.mean()
            loss = elbo_loss + min(1.0, step / warmup_steps) * sample_loss
            _update(optimizers[0], loss)
            critic.requires_grad_(True)

            for schedule in schedules:
                schedule.step()
            with torch.no_grad():
                torch._foreach_lerp_(average, list(model.parameters()), 1 - averaging)
            losses = {"generator": loss.item(), "discriminator": critic_loss.item()}
            if not np.isfinite(list(losses.values())).all():
                raise RuntimeError(
                    f"generator training diverged at step {step + 1} of {steps}: {losses}"
                )
            if progress is not None:
                progress(step + 1, losses)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), average, strict=True):
            parameter.copy_(value)
    return settle(model.to(memory_format=torch.contiguous_format))


def _autoencode_and_sample(
    model: BigGAN, encoder: Encoder, x: Tensor, y: Tensor, y_sample: Tensor, kl_weight: float
) -> tuple[Tensor, Tensor]:
    """Return the negative evidence bound of x [B,1,H,W], nats a pixel, and samples of y_sample."""
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
    """Train a classifier of the foundation in place and return its held-out accuracy.

    Args:
        model: maps float images [B,3,H,W] in [0,1] to logits [B,F]; left in eval mode.
        images: uint8 [N,H,W,3].
        labels: int [N].
        steps, batch_size: optimizer steps, and images in each.
        learning_rate: of SGD with Nesterov momentum 0.9, at the start; it falls to zero as a half
            cosine.
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
    pixels, targets = torch.from_numpy(images.copy()).movedim(-1, 1), torch.from_numpy(labels)
    optimizer = SGD(
        model.parameters(), lr=learning_rate, momentum=0.9, nesterov=True, weight_decay=weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for step in range(steps):
        chosen = train[torch.randint(len(train), (batch_size,), generator=generator)]
        loss = F.cross_entropy(model(pixels[chosen] / 255.0), targets[chosen])
        if not torch.isfinite(loss):
            raise RuntimeError(
                f"classifier training diverged at step {step + 1} of {steps}: loss {loss.item()}"
            )
        _update(optimizer, loss)
        schedule.step()
        if progress is not None:
            progress(step + 1, {"loss": loss.item()})
    model.eval()
    with torch.no_grad():
        hits = [
            (model(pixels[part] / 255.0).argmax(1) == targets[part]).sum()
            for part in test.split(500)
        ]
    return (sum(hits) / n_test).item()

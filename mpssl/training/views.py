"""Weak and strong views: batched, on the device, differentiable (kornia)."""

import torch
from torch import Tensor, nn

from mpssl.common.errors import UserError, nearest
from mpssl.compat.kornia import OPERATIONS, WITHOUT_GRADIENT
from mpssl.compat.kornia import RandAugment as KorniaRandAugment
from mpssl.compat.kornia import augmentation as K
from mpssl.config.training import RandAugment, Views


def build_views(views: Views, size: int) -> nn.Module:
    """A module that makes one random view of images [B, 3, H, W] in [0, 1].

    Args:
        views: what the view consists of.
        size: side of the images it returns, pixels.

    Returns:
        [B, 3, H, W] -> [B, 3, size, size] in [0, 1]. Crop and flip are drawn for each image,
        RandAugment's operations once a batch or for each image, as the settings say.
    """
    steps: list[nn.Module] = []
    if views.crop == "padded":
        steps.append(K.RandomCrop((size, size), padding=views.padding, cropping_mode="slice"))
    elif views.crop == "resized":
        steps.append(K.RandomResizedCrop((size, size), scale=views.scale, cropping_mode="resample"))
    else:
        steps.append(K.CenterCrop(size, cropping_mode="slice"))
    if views.flip:
        steps.append(K.RandomHorizontalFlip())
    if views.randaugment is not None:
        steps.append(_randaugment(views.randaugment))
    return nn.Sequential(*steps)


def _randaugment(settings: RandAugment) -> nn.Module:
    for name in settings.operations or ():
        if name not in OPERATIONS:
            raise UserError(f"unknown RandAugment operation '{name}'{nearest(name, OPERATIONS)}")
    policy = [OPERATIONS[name] for name in settings.operations or OPERATIONS]
    if settings.drawn_for == "image":
        randaugment = RandAugmentForEach(settings.n, settings.m, policy)
    else:
        randaugment = KorniaRandAugment(n=settings.n, m=settings.m, policy=policy)
    if settings.gradient == "straight_through":
        for module in randaugment.modules():
            if isinstance(module, WITHOUT_GRADIENT):
                module.register_forward_hook(_straight_through)
    return randaugment


def _straight_through(operation: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    """The output of an operation on images, with the gradient of the identity."""
    return output.detach() + (inputs[0] - inputs[0].detach())


class RandAugmentForEach(nn.Module):
    """RandAugment whose operations are drawn for each image (Cubuk et al., 2020).

    Images that drew the same operation go through it together, as a batch of kornia's.

    Args:
        n: number of distinct operations an image gets.
        m: their magnitude, on kornia's scale up to 30.
        policy: the operations to draw from, as kornia lists them.
    """

    def __init__(self, n: int, m: float, policy: list) -> None:
        super().__init__()
        self.n = n
        self.operations = nn.ModuleList(
            KorniaRandAugment(n=1, m=m, policy=[operation]) for operation in policy
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [0, 1] -> the same shape, differentiable as kornia's are."""
        drawn = torch.rand(len(x), len(self.operations)).argsort(dim=1)[:, : self.n]
        for choice in drawn.unbind(dim=1):
            order = choice.argsort(stable=True)
            groups = x[order.to(x.device)].split(
                choice.bincount(minlength=len(self.operations)).tolist()
            )
            augmented = [
                operation(group)
                for operation, group in zip(self.operations, groups, strict=True)
                if len(group)
            ]
            x = torch.cat(augmented)[order.argsort().to(x.device)]
        return x

"""Weak and strong views: batched, on the device, differentiable (kornia)."""

from torch import nn

from mpssl.common.errors import UserError, nearest
from mpssl.compat.kornia import OPERATIONS
from mpssl.compat.kornia import RandAugment as KorniaRandAugment
from mpssl.compat.kornia import augmentation as K
from mpssl.config.training import RandAugment, Views


def build_views(views: Views, size: int) -> nn.Module:
    """A module that makes one random view of images [B, 3, H, W] in [0, 1].

    Args:
        views: what the view consists of.
        size: side of the images it returns, pixels.

    Returns:
        [B, 3, H, W] -> [B, 3, size, size] in [0, 1]. Crop and flip are drawn for each image;
        RandAugment's operations are drawn once a batch, as kornia does.
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
    return KorniaRandAugment(n=settings.n, m=settings.m, policy=policy)

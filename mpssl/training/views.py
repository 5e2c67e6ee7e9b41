"""Weak and strong views: batched, on the device, differentiable (kornia)."""

import warnings

from torch import nn

from mpssl.common.errors import UserError, nearest
from mpssl.config.training import RandAugment, Views

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import kornia.augmentation as K
    from kornia.augmentation.auto import RandAugment as KorniaRandAugment
    from kornia.augmentation.auto.rand_augment.rand_augment import default_policy


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
    policy = default_policy
    if settings.operations is not None:
        by_name = {operation[0][0]: operation for operation in default_policy}
        for name in settings.operations:
            if name not in by_name:
                raise UserError(f"unknown RandAugment operation '{name}'{nearest(name, by_name)}")
        policy = [by_name[name] for name in settings.operations]
    return KorniaRandAugment(n=settings.n, m=settings.m, policy=policy)

"""Weak and strong views: batched, on the device, differentiable (kornia)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mpssl.common.errors import not_finite
from mpssl.compat.kornia import OPERATIONS, WITHOUT_GRADIENT, warp_affine
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
    return View(*steps)


class View(nn.Sequential):
    """The steps of a view, one after the other."""

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [0, 1] -> [B, 3, size, size].

        Raises:
            UserError: a pixel is not finite, where an operation asks for a range.
        """
        try:
            return super().forward(images)
        except RuntimeError:  # of equalize
            if images.isfinite().all():
                raise
            raise not_finite("the images are") from None


def _randaugment(settings: RandAugment) -> nn.Module:
    policy = [OPERATIONS[name] for name in settings.operations or OPERATIONS]
    if settings.drawn_for == "image":
        randaugment = RandAugmentForEach(settings.n, settings.m, policy)
    else:
        randaugment = KorniaRandAugment(n=settings.n, m=settings.m, policy=policy)
    if settings.gradient == "straight_through":
        for module in randaugment.modules():
            if isinstance(module, WITHOUT_GRADIENT):
                module.op.apply_transform = _straight_through(module.op.apply_transform)
    return randaugment


def _straight_through(transform: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A transform of images that gives the same, with the gradient of the identity."""

    def transformed(images: Tensor, *arguments: object, **named: object) -> Tensor:
        return transform(images, *arguments, **named).detach() + (images - images.detach())

    return transformed


class RandAugmentForEach(nn.Module):
    """RandAugment whose operations are drawn for each image (Cubuk et al., 2020).

    Images that drew the same operation go through it together, as a batch of kornia's, and those
    that drew any geometric one are warped together, each by its own matrix.

    Args:
        n: number of distinct operations an image gets.
        m: their magnitude, on kornia's scale up to 30.
        policy: the operations to draw from, as kornia lists them.
    """

    def __init__(self, n: int, m: float, policy: list) -> None:
        super().__init__()
        self.n = n
        self.choices = nn.ModuleList(
            KorniaRandAugment(n=1, m=m, policy=[operation]) for operation in policy
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [0, 1] -> the same shape, differentiable as kornia's are."""
        drawn = torch.rand(len(x), len(self.choices)).argsort(dim=1)[:, : self.n]
        for chosen in drawn.unbind(dim=1):
            x = self._augment(x, chosen)
        return x

    def _augment(self, x: Tensor, chosen: Tensor) -> Tensor:
        """Each image of x [B, 3, H, W] under the operation of its number in `chosen` [B]."""
        rows, made, warped, matrices = [], [], [], []
        for number in chosen.unique().tolist():
            of_operation = (chosen == number).nonzero().flatten()
            images = x[of_operation.to(x.device)]
            choice = self.choices[number]
            ((_, ((_, parameters),)),) = choice.forward_parameters(images.shape)
            operation = choice[0][0].op
            if isinstance(operation, K.GeometricAugmentationBase2D):
                warped.append(of_operation)
                matrices.append(
                    operation.compute_transformation(images, parameters, operation.flags)
                )
            else:
                rows.append(of_operation)
                made.append(operation.apply_transform(images, parameters, operation.flags))
        if matrices:
            rows.append(torch.cat(warped))
            images, matrix = x[rows[-1].to(x.device)], torch.cat(matrices)[:, :2]
            made.append(warp_affine(images, matrix, tuple(x.shape[2:])))
        return torch.cat(made)[torch.cat(rows).argsort().to(x.device)]

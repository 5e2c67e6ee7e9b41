"""Random geometric distortion of image batches, shared by the embedded foundation and targets.

Coordinates are those of `torch.nn.functional.grid_sample`: x to the right and y down, both from -1
to 1 across the image, so every strength is independent of the image's size.
"""

import numpy as np
import torch
import torch.nn.functional as F


def affine_matrices(
    *,
    rotation_degrees: np.ndarray,
    log_scale: np.ndarray,
    shear: np.ndarray,
    translation: np.ndarray,
) -> np.ndarray:
    """Return the maps from output to input coordinates, [N,2,3] float32.

    Args:
        rotation_degrees: [N], counter-clockwise.
        log_scale: [N]; above 0 enlarges the content.
        shear: [N], x displacement per unit of y.
        translation: [N,2] (x, y) as a fraction of the image's side.
    """
    angle = np.deg2rad(rotation_degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    shearing = np.broadcast_to(np.eye(2), rotation.shape).copy()
    shearing[:, 0, 1] = shear
    linear = np.exp(-log_scale)[:, None, None] * (rotation @ shearing)
    # A side is 2 units long; the content moves by +t when the sampled point moves by -t
    offset = -linear @ (2.0 * translation)[:, :, None]
    return np.concatenate([linear, offset], axis=2).astype(np.float32)


def warp(images: np.ndarray, matrices: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Warp grey images by an affine map and a smooth displacement; pixels from outside are black.

    Args:
        images: [N,H,W] float32 in [0,1].
        matrices: [N,2,3], see `affine_matrices`.
        displacement: [N,2,G,G] (x, y) at the G x G control points, in coordinate units; 0 is rigid.

    Returns:
        [N,H,W] float32 in [0,1].
    """
    height, width = images.shape[1:]
    grid = F.affine_grid(
        torch.from_numpy(matrices), [len(images), 1, height, width], align_corners=False
    )
    smooth = F.interpolate(
        torch.from_numpy(displacement.astype(np.float32)),
        size=(height, width),
        mode="bicubic",
        align_corners=True,
    )
    warped = F.grid_sample(
        torch.from_numpy(images)[:, None], grid + smooth.movedim(1, -1), align_corners=False
    )
    return warped[:, 0].numpy()


def thicken(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Widen (strength > 0) or thin (< 0) strokes by up to one pixel a side.

    Args:
        images: [N,H,W] float32 in [0,1].
        strength: [N] in [-1,1], the weight of the dilated or eroded image.
    """
    batch = torch.from_numpy(images)[:, None]
    weight = torch.from_numpy(strength.astype(np.float32))[:, None, None, None]
    dilated = F.max_pool2d(batch, 3, stride=1, padding=1)
    eroded = -F.max_pool2d(-batch, 3, stride=1, padding=1)
    changed = (
        batch + weight.clamp(min=0) * (dilated - batch) + (-weight).clamp(min=0) * (eroded - batch)
    )
    return changed[:, 0].numpy()


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Resize grey images [N,H,W] in [0,1] to [N,size,size], smooth up and antialiased down."""
    batch = torch.from_numpy(images.astype(np.float32))[:, None]
    resized = F.interpolate(
        batch, size=(size, size), mode="bicubic", antialias=True, align_corners=False
    )
    return resized[:, 0].clamp(0, 1).numpy()


def to_uint8_rgb(images: np.ndarray) -> np.ndarray:
    """Turn grey images [N,H,W] in [0,1] into uint8 [N,H,W,3] with three equal channels."""
    grey = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)

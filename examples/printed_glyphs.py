"""A generator with nothing trained: printed glyphs, warped by the latent and mixed by the label.

    foundation:
      generator: {kind: python, entry: "examples.printed_glyphs:build"}
      classifier: {kind: shipped}

Each of the 98 classes of the embedded foundation has 16 stored glyphs, in fonts drawn at random.
The latent picks one and thickens, turns, scales, shears, shifts and bends it, as strongly as the
glyphs are distorted on which the shipped generator was trained. So it draws as cleanly as real
images: an upper bound for what a trained generator can do.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpssl.config.data import Glyphs
from mpssl.data.glyphs import CONTROL_POINTS, render_glyphs

STORED = 16  # glyphs of a class
SUPERSAMPLING = 2
# z: which glyph, thickness, turn, scale, shear, shift (x, y), displacement of the control points
PARTS = [STORED, 1, 1, 1, 1, 2, 2 * CONTROL_POINTS**2]


class PrintedGlyphs(nn.Module):
    """Images [U, 3, side, side] in [0, 1] of z [U, 55] ~ N(0, I) and y [U, 98]."""

    output_range = (0.0, 1.0)

    def __init__(self, glyphs: Tensor, strengths: Glyphs) -> None:
        """Keep the glyphs [classes, STORED, S, S] in [0, 1] and the strengths of the distortion."""
        super().__init__()
        self.register_buffer("glyphs", glyphs)
        self.strengths = strengths
        self.z_dim, self.classes = sum(PARTS), len(glyphs)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Pick, thicken and warp one glyph an image; a soft y mixes its classes' glyphs."""
        by = self.strengths
        which, stroke, turn, scale, shear, shift, bend = z.split(PARTS, dim=1)
        picked = (y[:, :, None] * hard_choice(which)[:, None]).flatten(1)
        images = (picked @ self.glyphs.flatten(2).flatten(0, 1)).unflatten(1, self.glyphs.shape[2:])
        # erf makes a normal number uniform in [-1, 1].
        images = thicken(images[:, None], by.stroke * torch.erf(stroke / 2**0.5)[:, :, None, None])

        angle, zero = torch.deg2rad(by.rotation_degrees * turn), torch.zeros_like(turn)
        rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1)
        shearing = torch.stack([zero + 1, by.shear * shear, zero, zero + 1], -1)
        linear = torch.exp(-by.log_scale * scale)[:, :, None] * (
            rotation.view(-1, 2, 2) @ shearing.view(-1, 2, 2)
        )
        offset = -linear @ (2 * by.translation * shift)[:, :, None]
        grid = F.affine_grid(torch.cat([linear, offset], 2), images.shape, align_corners=False)
        points = by.elastic * bend.view(-1, 2, CONTROL_POINTS, CONTROL_POINTS)
        smooth = F.interpolate(points, images.shape[2:], mode="bicubic", align_corners=True)
        images = F.grid_sample(images, grid + smooth.movedim(1, -1), align_corners=False)
        return F.avg_pool2d(images, SUPERSAMPLING).clamp(0, 1).expand(-1, 3, -1, -1)


def hard_choice(scores: Tensor) -> Tensor:
    """One-hot of the largest score, with the gradient of the softmax (straight through)."""
    soft = scores.softmax(1)
    hard = F.one_hot(scores.argmax(1), scores.shape[1]).to(soft.dtype)
    return hard + soft - soft.detach()


def thicken(images: Tensor, strength: Tensor) -> Tensor:
    """Widen (strength above 0) or thin (below 0) the strokes by up to one pixel a side."""
    wide = F.max_pool2d(images, 3, stride=1, padding=1)
    thin = -F.max_pool2d(-images, 3, stride=1, padding=1)
    return images + strength.relu() * (wide - images) + (-strength).relu() * (thin - images)


def build(side: int = 32, seed: int = 0) -> nn.Module:
    """Render the stored glyphs, undistorted; what z does is as strong as in `Glyphs`."""
    strengths = Glyphs(adapter="glyphs", images_per_class=STORED, seed=seed)
    kinds = ("rotation_degrees", "log_scale", "shear", "translation", "elastic", "stroke")
    plain = strengths.model_copy(update=dict.fromkeys(kinds, 0))
    rendered = render_glyphs(plain, side * SUPERSAMPLING).images[..., 0]
    glyphs = torch.from_numpy(rendered).float() / 255
    return PrintedGlyphs(glyphs.unflatten(0, (-1, STORED)), strengths)

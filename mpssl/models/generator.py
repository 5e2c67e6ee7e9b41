"""The frozen generator G_F: BigGAN of any size from a folder, images in [0, 1]."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpssl.errors import UserError
from mpssl.files import atomic, write_text

CONFIG, WEIGHTS = "config.json", "pytorch_model.bin"


class FrozenGenerator(nn.Module):
    """G_F(z, y_F): images from latents and foundation labels; no parameter requires a gradient.

    Args:
        network: latents [U, Z] and labels [U, classes] -> images in [-1, 1]; has `z_dim` and
            `classes`.
        image_size: side of the images it returns, pixels; resized differentiably if it differs.
    """

    def __init__(self, network: nn.Module, image_size: int) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.image_size = image_size
        self.z_dim: int = network.z_dim
        self.classes: int = network.classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Generate images.

        Args:
            z: latents [U, Z].
            y: foundation labels [U, classes], one-hot or soft.

        Returns:
            [U, 3, image_size, image_size] in [0, 1], differentiable in z and y.
        """
        images = (self.network(z, y) + 1) / 2
        if images.shape[-1] == self.image_size:
            return images
        return F.interpolate(
            images, size=self.image_size, mode="bilinear", antialias=True, align_corners=False
        )


def save(network: nn.Module, folder: Path) -> None:
    """Write a BigGAN as `config.json` and `pytorch_model.bin`."""
    with atomic(folder / WEIGHTS) as path:
        torch.save(network.state_dict(), path)
    config = json.dumps(network.config.to_dict(), indent=2, sort_keys=True)
    write_text(folder / CONFIG, config + "\n")


def load(folder: Path, image_size: int, truncation: float = 1.0) -> FrozenGenerator:
    """Read a BigGAN from a folder, strictly, without executing pickled code, and fold it.

    The package's own `from_pretrained` downloads, unpickles and ignores missing keys.

    Raises:
        UserError: a file is missing, damaged, or not of the configuration's shapes.
    """
    from mpssl.biggan_compat import BigGAN, BigGANConfig  # slow: boto3
    from mpssl.models.biggan import FoldedBigGan

    try:
        config = BigGANConfig.from_dict(json.loads((folder / CONFIG).read_text()))
        network = BigGAN(config)
        state = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
        network.load_state_dict(state, strict=True)
    except FileNotFoundError as error:
        raise UserError(f"the generator's file {error.filename} does not exist") from None
    except Exception as error:  # torch.load has many exceptions for damaged files
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the generator in {folder} cannot be loaded: {reason}") from None
    return FrozenGenerator(FoldedBigGan(network.eval(), truncation), image_size)

"""The frozen generator G_F: BigGAN of any size from a folder, images in [0, 1]."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm

from mpssl import weights
from mpssl.errors import UserError
from mpssl.files import write_text
from mpssl.paths import generator_weights

CONFIG = "config.json"


class FrozenGenerator(nn.Module):
    """G_F(z, y_F): images from latents and foundation labels; no parameter requires a gradient.

    Args:
        network: a BigGAN in evaluation mode.
        image_size: side of the images it returns, pixels; resized differentiably if it differs.
        truncation: which of the stored batch-norm statistics to use; 1.0 fits z ~ N(0, I).
    """

    def __init__(self, network: nn.Module, image_size: int, truncation: float) -> None:
        super().__init__()
        for module in network.modules():  # the frozen spectral norm is a constant: fold it in
            for hook in list(module._forward_pre_hooks.values()):
                if isinstance(hook, SpectralNorm):
                    nn.utils.remove_spectral_norm(module, hook.name)
        self.network = network.eval().requires_grad_(False)
        self.image_size = image_size
        self.truncation = truncation
        self.z_dim: int = network.config.z_dim
        self.classes: int = network.config.num_classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Generate images.

        Args:
            z: latents [U, Z].
            y: foundation labels [U, classes], one-hot or soft.

        Returns:
            [U, 3, image_size, image_size] in [0, 1], differentiable in z and y.
        """
        images = (self.network(z, y, self.truncation) + 1) / 2
        if images.shape[-1] == self.image_size:
            return images
        return F.interpolate(
            images, size=self.image_size, mode="bilinear", antialias=True, align_corners=False
        )


def save(network: nn.Module, folder: Path) -> None:
    """Write a BigGAN as `config.json` and `model.safetensors`."""
    config = json.dumps(network.config.to_dict(), indent=2, sort_keys=True) + "\n"
    path = generator_weights(folder, trained=True)
    weights.save(path, network.state_dict(), {CONFIG: config})
    write_text(folder / CONFIG, config)


def load(folder: Path, image_size: int, truncation: float = 1.0) -> FrozenGenerator:
    """Read a BigGAN from a folder, of `save` or official, strictly, without executing pickled code.

    The package's own `from_pretrained` downloads, unpickles and ignores missing keys.

    Raises:
        UserError: a file is missing, damaged, or not of the configuration's shapes.
    """
    from pytorch_pretrained_biggan import BigGAN, BigGANConfig  # slow: boto3, scipy

    try:
        text, path = (folder / CONFIG).read_text(), generator_weights(folder)
        network = BigGAN(BigGANConfig.from_dict(json.loads(text)))
        if path.suffix == ".safetensors":
            state, metadata = weights.load(path)
            if metadata[CONFIG] != text:
                raise ValueError(f"{CONFIG} is not that of the weights")
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state, strict=True)
    except FileNotFoundError as error:
        raise UserError(f"the generator's file {error.filename} does not exist") from None
    except Exception as error:  # torch.load has many exceptions for damaged files
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the generator in {folder} cannot be loaded: {reason}") from None
    return FrozenGenerator(network, image_size, truncation)

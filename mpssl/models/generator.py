"""The frozen generator G_F: a BigGAN from a folder, or the network of a Python entry point."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch import are_deterministic_algorithms_enabled as _deterministic
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mpssl.common import entry_points
from mpssl.common.errors import UserError
from mpssl.common.files import write_text
from mpssl.compat.repeatable import Repeatable
from mpssl.config.experiment import Config
from mpssl.config.generators import DiffusersGenerator
from mpssl.config.step_memory import ASSUMED_MAPS
from mpssl.machine.compiled import compiled
from mpssl.models import tensor_file
from mpssl.models.file_names import GENERATOR_CONFIG, generator_weights
from mpssl.models.shipped_foundation import verify


class FrozenGenerator(nn.Module):
    """G_F(z, y_F): images from latents and foundation labels; no parameter requires a gradient.

    Args:
        network: maps latents [U, Z] and labels [U, classes] to images in [-1, 1]; it has the
            attributes `z_dim` and `classes`.
        image_size: side of the returned images, pixels; other sizes are resized differentiably.
    """

    def __init__(self, network: nn.Module, image_size: int) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.image_size = image_size
        self.z_dim: int = network.z_dim
        self.classes: int = network.classes
        self.names: list[str] = getattr(network, "names", [])
        """Names of the classes, if they have some."""
        self.maps: int = getattr(network, "maps", ASSUMED_MAPS * image_size**2)
        """Numbers that the network's layers return for an image."""
        self.dtype: torch.dtype | None = None
        """Of the network's weights, if images are made in another."""
        self.images_per_pass: int | None = None
        """Images that pass through the network at a time; all if it is None."""
        self._compiled: Callable[[Tensor, Tensor], Tensor] | None = None

    def in_bf16(self) -> None:
        """Round the network's weights to bfloat16, in which it computes from now on."""
        self.network.to(torch.bfloat16)
        self.dtype = torch.bfloat16

    def compile_passes(self, compiles: bool) -> None:
        """Take the compiled network from now on where no gradient is wanted, or no longer."""
        self._compiled = compiled(self.network) if compiles else None

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Generate images.

        Args:
            z: latents [U, Z].
            y: foundation labels [U, classes], one-hot or soft.

        Returns:
            [U, 3, image_size, image_size] in [0, 1], differentiable in z and y.
        """
        z, y = z.to(self.dtype or z.dtype), y.to(self.dtype or y.dtype)
        if self.images_per_pass is None or len(z) <= self.images_per_pass:
            with_gradient = self._compiled is None or torch.is_grad_enabled()
            images = (self.network if with_gradient else self._compiled)(z, y)
        else:
            images = _InParts.apply(z, y, self.network, self.images_per_pass)
        images = (images if self.dtype is None else images.float()).add(1) / 2
        if images.shape[-1] == self.image_size:
            return images
        return F.interpolate(
            images, size=self.image_size, mode="bilinear", antialias=True, align_corners=False
        )


class _InParts(Function):
    """A network's images part by part; it stores none of its maps and computes them again."""

    @staticmethod
    def forward(ctx, z, y, network, count):
        ctx.save_for_backward(z, y)
        ctx.network, ctx.count = network, count
        parts = zip(z.split(count), y.split(count), strict=True)
        return torch.cat([network(*part) for part in parts])

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        wanted, found = ctx.needs_input_grad[:2], []
        for *inputs, at_images in zip(
            *(tensor.split(ctx.count) for tensor in (*ctx.saved_tensors, gradient)), strict=True
        ):
            with torch.enable_grad(), Repeatable() if _deterministic() else nullcontext():
                leaves = [
                    part.detach().requires_grad_(w) for part, w in zip(inputs, wanted, strict=True)
                ]
                images = ctx.network(*leaves)
            chosen = [leaf for leaf in leaves if leaf.requires_grad]
            found.append(torch.autograd.grad(images, chosen, at_images))
        gradients = iter(map(torch.cat, zip(*found, strict=True)))
        return *(next(gradients) if w else None for w in wanted), None, None


def save(network: nn.Module, folder: Path) -> None:
    """Write a BigGAN as `config.json` and `model.safetensors` in a folder."""
    config = json.dumps(network.config.to_dict(), indent=2, sort_keys=True) + "\n"
    path = generator_weights(folder, trained=True)
    tensor_file.save(path, network.state_dict(), {GENERATOR_CONFIG: config})
    write_text(folder / GENERATOR_CONFIG, config)


def load(folder: Path, image_size: int, truncation: float) -> FrozenGenerator:
    """Read and fold a BigGAN, one that `save` wrote or an official one; no pickled code is run.

    Weights stored as float16, as those of the shipped one are, become float32. The package's own
    `from_pretrained` downloads, unpickles and ignores missing weights.

    Raises:
        UserError: a file is missing, damaged, or not of the configuration's shapes.
    """
    from mpssl.compat.biggan import BigGAN, BigGANConfig  # slow: boto3
    from mpssl.models.biggan import FoldedBigGan

    described, path = folder / GENERATOR_CONFIG, generator_weights(folder)
    verify(described)
    verify(path)
    try:
        text = described.read_text()
        network = BigGAN(BigGANConfig.from_dict(json.loads(text)))
        if path.suffix == ".safetensors":
            state, metadata = tensor_file.load(path)
            if metadata[GENERATOR_CONFIG] != text:
                raise ValueError(f"{GENERATOR_CONFIG} is not that of the weights")
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state, strict=True)
    except FileNotFoundError as error:
        raise UserError(f"the generator's file {error.filename} does not exist") from None
    except Exception as error:  # torch.load has many exceptions for damaged files
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the generator in {folder} cannot be loaded: {reason}") from None
    return FrozenGenerator(FoldedBigGan(network.eval(), truncation), image_size)


class UserNetwork(nn.Module):
    """A network of the user's own, whose pixels are scaled to [-1, 1].

    Args:
        network: maps z [U, z_dim] and y [U, classes] to images [U, 3, H, W]. Its attributes
            `z_dim` and `classes` are numbers, `output_range` is the lowest and the highest pixel.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.low, self.high = map(float, network.output_range)
        self.z_dim, self.classes = int(network.z_dim), int(network.classes)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Return images in [-1, 1]."""
        return 2 * (self.network(z, y) - self.low) / (self.high - self.low) - 1


def load_python_generator(entry: str, options: dict[str, Any], image_size: int) -> FrozenGenerator:
    """Build the generator of a Python entry point and try it on one latent.

    Raises:
        UserError: the entry cannot be imported or called, or does not return a generator.
    """
    build = entry_points.load_entry(entry)
    try:
        network = UserNetwork(build(**options))
        frozen = FrozenGenerator(network, image_size)
        problem = _problem(network)
    except Exception as error:  # the user's own code may raise anything
        raise UserError(
            f"the generator {entry} cannot be used: {type(error).__name__}: {error}; "
            "docs/generators.md says what it must return"
        ) from None
    if problem:
        raise UserError(f"the generator {entry} {problem}; see docs/generators.md")
    return frozen


def _problem(network: UserNetwork) -> str:
    """Say what is wrong with a generator's images; the text is empty if nothing is."""
    z = torch.zeros(2, network.z_dim, requires_grad=True)
    y = torch.full((2, network.classes), 1 / network.classes)
    images = network(z, y.requires_grad_())
    if images.ndim != 4 or images.shape[:2] != (2, 3) or images.shape[2] != images.shape[3]:
        return f"returns images {list(images.shape)} for 2 latents, expected [2, 3, S, S]"
    if not images.isfinite().all():
        return "returns pixels that are not finite"
    if images.min() < -1.01 or images.max() > 1.01:
        return f"returns pixels outside of its output_range {[network.low, network.high]}"
    gradients = torch.autograd.grad(images.sum(), (z, y), allow_unused=True)
    for name, gradient in zip(("z", "y"), gradients, strict=True):
        if gradient is None:
            return f"is not differentiable in {name}"
    return ""


def _pipeline(settings: DiffusersGenerator, folder: Path) -> nn.Module:
    """A network of the package diffusers, which is slow to import."""
    if settings.prompts is None:
        from mpssl.models.consistency import load_consistency

        return load_consistency(folder)
    from mpssl.models.one_step_texts import load_one_step_texts

    return load_one_step_texts(settings)


def load_configured(config: Config, folder: Path) -> FrozenGenerator:
    """Load a configuration's generator: BigGAN or a pipeline in `folder`, or a Python entry point.

    Raises:
        UserError: it cannot be loaded.
    """
    foundation, size = config.foundation, config.training.image_size
    if foundation.generator.kind == "python":
        return load_python_generator(foundation.generator.entry, foundation.generator.options, size)
    if foundation.generator.kind == "diffusers":
        return FrozenGenerator(_pipeline(foundation.generator, folder), size)
    return load(folder, size, foundation.truncation)

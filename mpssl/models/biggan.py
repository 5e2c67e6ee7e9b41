"""BigGAN with everything that is constant in a frozen generator folded into its weights.

The images and their gradients are those of `pytorch_pretrained_biggan.BigGAN` up to rounding:

- spectral norms are divided out once;
- a conditional batch norm, the bias of the convolution before it included, is one scale and one
  shift for each image and channel, all of them linear in the condition: one matrix product for the
  whole network;
- the last convolution makes only the three channels that are used, not all `channel_width` of
  them;
- nearest up-sampling and the 3 x 3 convolution after it are one 2 x 2 convolution for each of the
  four positions of a pixel: 16 products in place of 36;
- all maps are channels last, and a block's operations overwrite each other's results.

Shape letters: U images, C channels, H, W sides, Z latent.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.utils.spectral_norm import SpectralNorm

from mpssl.compat.biggan import BigGAN, BigGANBatchNorm, GenBlock
from mpssl.config.step_memory import generator_maps

# Whether a pixel of the up-sampled map is in an even (0) or odd (1) row and column.
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))


class FoldedBigGan(nn.Module):
    """A frozen BigGAN at one truncation.

    Args:
        network: a network in evaluation mode. Its layers are reused and changed, so it cannot be
            used afterwards.
        truncation: the truncation, in (0, 1], whose stored batch-norm statistics are used.
    """

    def __init__(self, network: BigGAN, truncation: float) -> None:
        super().__init__()
        remove_spectral_norm(network)
        generator = network.generator
        self.z_dim: int = network.config.z_dim
        self.classes: int = network.config.num_classes
        self.maps = generator_maps(network.config.layers, network.config.channel_width)
        self.width = generator.gen_z.out_features // 16  # channels of the first 4 x 4 map
        self.embeddings, self.gen_z = network.embeddings, generator.gen_z
        modulations = [
            _modulation(norm, bias, truncation)
            for layer in generator.layers
            if isinstance(layer, GenBlock)
            for norm, bias in (
                (layer.bn_0, None),
                (layer.bn_1, layer.conv_0.bias),
                (layer.bn_2, layer.conv_1.bias),
                (layer.bn_3, layer.conv_2.bias),
            )
        ]
        self.blocks = nn.ModuleList(
            _Block(layer) if isinstance(layer, GenBlock) else layer for layer in generator.layers
        )
        self.sizes = [len(constant) for _, constant in modulations]
        self.modulation = nn.Linear(2 * self.z_dim, sum(self.sizes))
        self.modulation.weight.data = torch.cat([linear for linear, _ in modulations])
        self.modulation.bias.data = torch.cat([constant for _, constant in modulations])
        self.register_buffer("last_modulation", _unconditional(generator.bn, truncation))
        rgb = generator.conv_to_rgb
        self.rgb = nn.Conv2d(rgb.in_channels, 3, 3, padding=1)
        self.rgb.weight.data, self.rgb.bias.data = rgb.weight[:3].clone(), rgb.bias[:3].clone()
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Map latents z [U, Z] and foundation labels y [U, classes] to [U, 3, H, W] in [-1, 1]."""
        condition = torch.cat([z, self.embeddings(y)], dim=1)
        modulations = iter(self.modulation(condition).split(self.sizes, dim=1))
        x = self.gen_z(condition).view(-1, 4, 4, self.width).permute(0, 3, 1, 2)
        for block in self.blocks:
            x = block(x, modulations) if isinstance(block, _Block) else block(x)
        last = self.last_modulation.expand(len(x), -1).chunk(2, dim=1)
        rgb = self.rgb
        return torch.tanh(_ModulatedConvolution.apply(x, *last, rgb.weight, rgb.bias, 1))


class _Block(nn.Module):
    """A residual block whose batch norms are given as scales and shifts."""

    def __init__(self, block: GenBlock) -> None:
        super().__init__()
        self.up_sample, self.halved = block.up_sample, block.drop_channels
        # The modulation after each convolution but the last includes that convolution's bias.
        self.weights = nn.ParameterList(
            [
                block.conv_0.weight,
                up_sampling_kernels(block.conv_1.weight) if self.up_sample else block.conv_1.weight,
                block.conv_2.weight,
                block.conv_3.weight,
            ]
        )
        self.bias = block.conv_3.bias
        self.paddings = (0, 1, 1, 0)

    def forward(self, x: Tensor, modulations: Iterator[Tensor]) -> Tensor:
        """Map x [U, C, H, W] to [U, C', H', W'] and take its convolutions' four modulations."""
        pairs = [part for _ in self.weights for part in next(modulations).chunk(2, dim=1)]
        return _ModulatedBlock.apply(self, x, *pairs)


class _ModulatedBlock(Function):
    """A block that stores only the input of each modulation; its backward pass modulates again.

    Autograd would also store the convolutions' inputs, which frozen weights do not need.
    """

    @staticmethod
    def forward(ctx, block, x, *pairs):
        inputs = []
        y = x
        for index, weight in enumerate(block.weights):
            inputs.append(y)
            y = F.conv2d(
                torch.relu_(_modulate(y, *pairs[2 * index : 2 * index + 2])),
                *(weight, block.bias if index == 3 else None),
                padding=block.paddings[index],
            )
            if index == 1 and block.up_sample:
                y = merge_phases(y)
        skip = x[:, : x.shape[1] // 2] if block.halved else x
        for pixels in _pixels_of(y, block.up_sample):
            pixels += skip
        ctx.block = block
        ctx.save_for_backward(*inputs, *pairs)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        block, (*inputs, at_x) = ctx.block, (*ctx.saved_tensors[:4], gradient)
        pairs, at_pairs = ctx.saved_tensors[4:], []
        for index in reversed(range(4)):
            if index == 1 and block.up_sample:
                at_x = split_phases(at_x)
            at_x, *at_pair = _modulated_convolution_backward(
                *(at_x, inputs[index], *pairs[2 * index : 2 * index + 2]),
                *(block.weights[index], block.paddings[index]),
            )
            at_pairs = at_pair + at_pairs
        skip = at_x[:, : at_x.shape[1] // 2] if block.halved else at_x
        for pixels in _pixels_of(gradient, block.up_sample):
            skip += pixels
        return None, at_x, *at_pairs


def _pixels_of(x: Tensor, up_sampled: bool) -> list[Tensor]:
    """Return the views of a map that have the size of the map before nearest up-sampling."""
    return [x[:, :, i::2, j::2] for i, j in PHASES] if up_sampled else [x]


def up_sampling_kernels(kernel: Tensor) -> Tensor:
    """Combine nearest up-sampling by 2 and a 3 x 3 convolution in one 2 x 2 one, padded by 1.

    A pixel of the result depends on 2 x 2 pixels before the up-sampling. Which these are, and with
    what weights, depends on whether its row and its column are even or odd. `merge_phases` puts the
    pixels of the four cases in their places.

    Args:
        kernel: [C', C, 3, 3].

    Returns:
        [4 C', C, 2, 2], phase by phase.
    """
    # For an even and an odd pixel: which of the 3 rows (or columns) are summed into each of 2.
    sums = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1.0, 1, 0], [0, 0, 1]]]).to(kernel)
    return torch.cat(
        [torch.einsum("ar,oirc,bc->oiab", sums[i], kernel, sums[j]) for i, j in PHASES]
    )


def merge_phases(phases: Tensor) -> Tensor:
    """Map [U, 4 C, H + 1, W + 1] to [U, C, 2 H, 2 W] in channels-last format."""
    u, c, h, w = phases.shape
    merged = phases.new_empty(u, 2 * (h - 1), 2 * (w - 1), c // 4).permute(0, 3, 1, 2)
    for to, part in _same_pixels(merged, phases):
        to.copy_(part)
    return merged


def split_phases(merged: Tensor) -> Tensor:
    """Apply the transpose of `merge_phases`; pixels that it does not use become zero."""
    u, c, h, w = merged.shape
    phases = merged.new_zeros(u, h // 2 + 1, w // 2 + 1, 4 * c).permute(0, 3, 1, 2)
    for part, to in _same_pixels(merged, phases):
        to.copy_(part)
    return phases


def _same_pixels(merged: Tensor, phases: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield views of the same pixels in both maps, phase by phase; odd ones start one later."""
    for (row, column), part in zip(PHASES, phases.chunk(4, dim=1), strict=True):
        to = merged[:, :, row::2, column::2]
        yield to, part[:, :, row : row + to.shape[2], column : column + to.shape[3]]


class _ModulatedConvolution(Function):
    """Convolve relu(scale * x + shift); like `_ModulatedBlock`, it stores only x."""

    @staticmethod
    def forward(ctx, x, scale, shift, weight, bias, padding):
        ctx.save_for_backward(x, scale, shift, weight)
        ctx.padding = padding
        return F.conv2d(torch.relu_(_modulate(x, scale, shift)), weight, bias, padding=padding)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        gradients = _modulated_convolution_backward(gradient, *ctx.saved_tensors, ctx.padding)
        return *gradients, None, None, None


def _modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return scale * x + shift for x [U, C, H, W], scale and shift [U, C]."""
    return torch.addcmul(shift[..., None, None], x, scale[..., None, None])


def _modulated_convolution_backward(gradient, x, scale, shift, weight, padding):
    """Return the gradients at x, scale and shift; operations overwrite each other's results."""
    at_x = torch.ops.aten.convolution_backward(
        *(gradient, x, weight, None, (1, 1), (padding, padding), (1, 1), False, (0, 0), 1),
        (True, False, False),
    )[0]
    modulated = _modulate(x, scale, shift)
    torch.ops.aten.threshold_backward(at_x, modulated, 0, grad_input=at_x)
    at_scale = torch.mul(at_x, x, out=modulated).sum((2, 3))
    at_shift = at_x.sum((2, 3))
    return at_x.mul_(scale[..., None, None]), at_scale, at_shift


def _modulation(
    norm: BigGANBatchNorm, bias: Tensor | None, truncation: float
) -> tuple[Tensor, Tensor]:
    """Return the map [2 C, 2 Z] and constant [2 C] of a batch norm's scale and shift.

    With statistics m and v, r = 1 / sqrt(v + eps), condition c and the bias of the convolution
    before it, the conditional batch norm is (x + bias - m) * r * (1 + S c) + O c.
    """
    mean, inverse_std = _statistics(norm, truncation)
    offset = (mean - bias if bias is not None else mean) * inverse_std
    scale = inverse_std[:, None] * norm.scale.weight
    shift = norm.offset.weight - offset[:, None] * norm.scale.weight
    return torch.cat([scale, shift]), torch.cat([inverse_std, -offset])


def _statistics(norm: BigGANBatchNorm, truncation: float) -> tuple[Tensor, Tensor]:
    """Return mean and 1 / std, interpolated between the stored truncations as BigGAN does it."""
    part, index = math.modf(truncation / norm.step_size)
    rows = slice(int(index), int(index) + 2)
    means, variances = norm.running_means[rows], norm.running_vars[rows]
    if part == 0:
        mean, variance = means[0], variances[0]
    else:
        mean, variance = (v[0] * part + v[1] * (1 - part) for v in (means, variances))
    return mean, 1 / torch.sqrt(variance + norm.eps)


def _unconditional(norm: BigGANBatchNorm, truncation: float) -> Tensor:
    """Return the scale and shift [2 C] of the last batch norm, which has no condition."""
    mean, inverse_std = _statistics(norm, truncation)
    scale = norm.weight.detach() * inverse_std
    return torch.cat([scale, norm.bias.detach() - mean * scale])


def remove_spectral_norm(network: nn.Module) -> None:
    """Divide every weight by its spectral norm, which is constant without training."""
    for module in network.modules():
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, SpectralNorm):
                nn.utils.remove_spectral_norm(module, hook.name)

"""BigGAN with everything that is constant in a frozen generator folded into its weights.

The images and their gradients are those of `pytorch_pretrained_biggan.BigGAN` up to rounding:

- spectral norms are divided out once;
- a conditional batch norm, the bias of the convolution before it included, is one scale and one
  shift for each image and channel, all of them linear in the condition: one matrix product for the
  whole network;
- the last convolution makes the three channels that are used, of the class's `channel_width`;
- nearest up-sampling and the 3 x 3 convolution after it are one 2 x 2 convolution for each of the
  four positions of a pixel: 16 products in place of 36.

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

from mpssl.biggan_compat import BigGAN, BigGANBatchNorm, GenBlock


class FoldedBigGan(nn.Module):
    """A frozen BigGAN at one truncation.

    Args:
        network: in evaluation mode; its layers are taken over, so it is of no use afterwards.
        truncation: which of the stored batch-norm statistics to use.
    """

    def __init__(self, network: BigGAN, truncation: float) -> None:
        super().__init__()
        remove_spectral_norm(network)
        generator = network.generator
        self.z_dim: int = network.config.z_dim
        self.classes: int = network.config.num_classes
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
        self.eval().requires_grad_(False)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Latents z [U, Z] and foundation labels y [U, classes] -> [U, 3, H, W] in [-1, 1]."""
        condition = torch.cat([z, self.embeddings(y)], dim=1)
        modulations = iter(self.modulation(condition).split(self.sizes, dim=1))
        x = self.gen_z(condition).view(-1, 4, 4, self.width).permute(0, 3, 1, 2).contiguous()
        for block in self.blocks:
            x = block(x, modulations) if isinstance(block, _Block) else block(x)
        last = self.last_modulation.expand(len(x), -1)
        return torch.tanh(modulated_convolution(x, last, self.rgb.weight, self.rgb.bias, 1))


class _Block(nn.Module):
    """A residual block whose batch norms are given as scales and shifts."""

    def __init__(self, block: GenBlock) -> None:
        super().__init__()
        self.up_sample, self.halved = block.up_sample, block.drop_channels
        # The biases of all but the last are in the modulation that follows.
        self.weights = nn.ParameterList(
            [
                block.conv_0.weight,
                up_sampling_kernels(block.conv_1.weight) if self.up_sample else block.conv_1.weight,
                block.conv_2.weight,
                block.conv_3.weight,
            ]
        )
        self.bias = block.conv_3.bias

    def forward(self, x: Tensor, modulations: Iterator[Tensor]) -> Tensor:
        skip = x[:, : x.shape[1] // 2] if self.halved else x
        if self.up_sample:
            skip = F.interpolate(skip, scale_factor=2, mode="nearest")
        for index, (weight, padding) in enumerate(zip(self.weights, (0, 1, 1, 0), strict=True)):
            bias = self.bias if index == 3 else None
            x = modulated_convolution(x, next(modulations), weight, bias, padding)
            if index == 1 and self.up_sample:
                x = merge_phases(x)
        return x + skip


def up_sampling_kernels(kernel: Tensor) -> Tensor:
    """Nearest up-sampling by 2 and a 3 x 3 convolution, as one 2 x 2 convolution padded by 1.

    A pixel of the result sees 2 x 2 pixels before the up-sampling; which, and with what weights,
    depends on whether its row and its column are even or odd. `merge_phases` brings the four to
    their places.

    Args:
        kernel: [C', C, 3, 3].

    Returns:
        [4 C', C, 2, 2].
    """
    # Sums of the 3 rows (or columns) that fall on the same one of the 2.
    odd = torch.tensor([[1.0, 1, 0], [0, 0, 1]]).to(kernel)
    even = torch.tensor([[1.0, 0, 0], [0, 1, 1]]).to(kernel)
    phases = [
        torch.einsum("ar,oirc,bc->oiab", rows, kernel, columns)
        for rows in (odd, even)
        for columns in (odd, even)
    ]
    return torch.stack(phases, dim=1).flatten(0, 1)


def merge_phases(x: Tensor) -> Tensor:
    """[U, 4 C, H + 1, W + 1] -> [U, C, 2 H, 2 W]; odd pixels look one further: the border goes."""
    return F.pixel_shuffle(x, 2)[:, :, 1:-1, 1:-1]


def modulated_convolution(
    x: Tensor, modulation: Tensor, weight: Tensor, bias: Tensor | None, padding: int
) -> Tensor:
    """Convolve relu(scale * x + shift), with x [U, C, H, W] and `modulation` [U, 2 C] of both.

    The weights are frozen: no gradient goes to them.
    """
    return _ModulatedConvolution.apply(x, *modulation.chunk(2, dim=1), weight, bias, padding)


class _ModulatedConvolution(Function):
    """Keeps x alone for the backward pass, which scales it once more.

    Native autograd would keep the convolution's input too, though frozen weights do not need it.
    """

    @staticmethod
    def forward(ctx, x, scale, shift, weight, bias, padding):
        ctx.save_for_backward(x, scale, shift, weight)
        ctx.padding = padding
        inner = torch.relu_(_scale_shift(x, scale, shift))
        return F.conv2d(inner, weight, bias, padding=padding)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x, scale, shift, weight = ctx.saved_tensors
        inner = torch.nn.grad.conv2d_input(x.shape, weight, gradient, padding=ctx.padding)
        inner = torch.ops.aten.threshold_backward(inner, _scale_shift(x, scale, shift), 0)
        return *_scale_shift_backward(inner, x, scale), None, None, None


def _scale_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """scale * x + shift for every image and channel.

    Where the pixels of a channel lie together, the channels of all images are taken for those of
    one image: an evaluated batch norm has fused kernels for both directions.
    """
    if _by_pixel(x):
        return torch.addcmul(shift[..., None, None], x, scale[..., None, None])
    zero = torch.zeros(scale.numel(), dtype=x.dtype, device=x.device)
    y = F.batch_norm(_as_one(x), zero, zero + 1, scale.flatten(), shift.flatten(), eps=0.0)
    return y.view(x.shape)


def _scale_shift_backward(gradient: Tensor, x: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
    """Gradients at x, scale and shift."""
    if _by_pixel(x):
        at_scale = (gradient * x).sum(dim=(2, 3))
        return gradient * scale[..., None, None], at_scale, gradient.sum(dim=(2, 3))
    zero = torch.zeros(scale.numel(), dtype=x.dtype, device=x.device)
    at_x, at_scale, at_shift = torch.ops.aten.native_batch_norm_backward(
        *(_as_one(gradient), _as_one(x), scale.flatten(), zero, zero + 1, None, None),
        *(False, 0.0, (True, True, True)),
    )
    return at_x.view(x.shape), at_scale.view(scale.shape), at_shift.view(scale.shape)


def _by_pixel(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _as_one(x: Tensor) -> Tensor:
    return x.reshape(1, -1, *x.shape[2:])


def _modulation(
    norm: BigGANBatchNorm, bias: Tensor | None, truncation: float
) -> tuple[Tensor, Tensor]:
    """Scale and shift of a conditional batch norm as a linear map [2 C, 2 Z] and constant [2 C].

    With statistics m, v, r = 1 / sqrt(v + eps) and a convolution's bias before it,
    (x + bias - m) * r * (1 + S c) + O c.
    """
    mean, inverse_std = _statistics(norm, truncation)
    offset = (mean - bias if bias is not None else mean) * inverse_std
    scale = inverse_std[:, None] * norm.scale.weight
    shift = norm.offset.weight - offset[:, None] * norm.scale.weight
    return torch.cat([scale, shift]), torch.cat([inverse_std, -offset])


def _statistics(norm: BigGANBatchNorm, truncation: float) -> tuple[Tensor, Tensor]:
    """Mean and 1 / std, interpolated between the stored truncations as the class does it."""
    part, index = math.modf(truncation / norm.step_size)
    rows = slice(int(index), int(index) + 2)
    means, variances = norm.running_means[rows], norm.running_vars[rows]
    if part == 0:
        mean, variance = means[0], variances[0]
    else:
        mean, variance = (v[0] * part + v[1] * (1 - part) for v in (means, variances))
    return mean, 1 / torch.sqrt(variance + norm.eps)


def _unconditional(norm: BigGANBatchNorm, truncation: float) -> Tensor:
    """Scale and shift [2 C] of the last batch norm."""
    mean, inverse_std = _statistics(norm, truncation)
    scale = norm.weight.detach() * inverse_std
    return torch.cat([scale, norm.bias.detach() - mean * scale])


def remove_spectral_norm(network: nn.Module) -> None:
    """Divide every spectral norm out of its weights; without training they are constant."""
    for module in network.modules():
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, SpectralNorm):
                nn.utils.remove_spectral_norm(module, hook.name)

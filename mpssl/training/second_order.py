"""Convolution, batch norm and ReLU whose double backward does no more than the meta-gradient needs.

PyTorch differentiates a backward pass twice by general formulas: a convolution's also returns the
second derivative at its weights, a batch norm's makes some twenty passes over the images. Here the
weights are constants in second order, as LMO differentiates towards the images alone, and a batch
norm's second derivative is the fused first-order kernel once more and three passes.

First derivatives come from the native kernels; third derivatives are not defined. PyTorch's issues
22577 (convolution) and 3076 (batch norm) are about slow double backward.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mpssl.compat.autograd import is_wanted
from mpssl.training.by_block import TwiceDifferentiated

_aten = torch.ops.aten


class SecondOrder(TwiceDifferentiated):
    """Inside the block, this module's functions replace torch's conv2d, batch_norm and relu.

    Their gradients at parameters can be differentiated again towards inputs, not towards
    parameters. Under autocast nothing is replaced, as a gradient may then have another type than
    its input.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        replacement = _REPLACEMENTS.get(func)
        if replacement is not None and torch.is_autocast_enabled(args[0].device.type):
            replacement = None
        return (replacement or func)(*args, **(kwargs or {}))


# ---------------------------------------------------------------------------------- convolution


def _conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    if isinstance(padding, str):
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)
    return _Convolution.apply(x, weight, bias, _Geometry(stride, padding, dilation, groups))


class _Geometry:
    """Stride, padding, dilation and groups of a convolution, and its three linear maps."""

    def __init__(self, stride, padding, dilation, groups) -> None:
        self.stride, self.padding, self.dilation = map(_pair, (stride, padding, dilation))
        self.groups = groups

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return torch.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def backward(self, gradient: Tensor, x: Tensor, weight: Tensor, mask: tuple[bool, bool]):
        """The gradients at x and weight, each None if its entry of the mask is false."""
        by_squares = mask[0] and self._has_few_channels(x)
        at_x, at_weight, _ = _aten.convolution_backward(
            *(gradient, x, weight, None, self.stride, self.padding, self.dilation),
            *(False, (0, 0), self.groups, (mask[0] and not by_squares, mask[1], False)),
        )
        return self._backward_by_squares(gradient, x, weight) if by_squares else at_x, at_weight

    def _has_few_channels(self, x: Tensor) -> bool:
        """Tell whether `_backward_by_squares` is possible, and faster than torch's kernel.

        It is faster in a network's first convolution on a CPU, whose kernel computes 16 channels at
        every pixel although x has only 3.
        """
        stride = self.stride[0]
        return (
            x.device.type == "cpu"
            and stride > 1
            and x.shape[1] * stride**2 <= 16
            and self.stride[1] == stride
            and self.padding[0] == self.padding[1]
            and self.dilation == (1, 1)
            and self.groups == 1
            and not any(side % stride for side in x.shape[2:])
        )

    def _backward_by_squares(self, gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """The gradient at x, with the pixels of a stride x stride square as channels.

        Over squares the convolution has stride 1, and so its transpose is a convolution.
        """
        stride = self.stride[0]
        lead = -self.padding[0] % stride  # so that the padding is whole squares
        trail = [-(side + lead) % stride for side in weight.shape[2:]]
        kernel = F.pixel_unshuffle(F.pad(weight, (lead, trail[1], lead, trail[0])), stride)
        padding = (self.padding[0] + lead) // stride
        sides = [side // stride for side in x.shape[2:]]
        # Padding of the gradient before and after it; a convolution pads both alike.
        before = [side - 1 - padding for side in kernel.shape[2:]]
        after = [n - m + padding for n, m in zip(sides, gradient.shape[2:], strict=True)]
        most = [max(0, *pair) for pair in zip(before, after, strict=True)]
        squares = F.conv2d(gradient, kernel.flip(2, 3).transpose(0, 1), padding=most)
        starts = (m - b for m, b in zip(most, before, strict=True))
        rows, columns = (slice(m, m + n) for m, n in zip(starts, sides, strict=True))
        return F.pixel_shuffle(squares[:, :, rows, columns], stride)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


class _Convolution(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, geometry):
        ctx.save_for_backward(x, weight)
        ctx.geometry, ctx.biased = geometry, bias is not None
        return geometry.forward(x, weight, bias)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        if not torch.is_grad_enabled():  # the last pass, which goes towards the inputs alone
            return ctx.geometry.backward(gradient, x, weight, (True, False))[0], None, None, None
        # The first pass goes towards the parameters and needs no gradient at the images.
        at_x, at_weight = _ConvolutionBackward.apply(
            gradient, x, weight.detach(), ctx.geometry, is_wanted(ctx.next_functions[0][0])
        )
        return at_x, at_weight, gradient.sum((0, 2, 3)) if ctx.biased else None, None


def is_of_convolution(gradient: Tensor) -> bool:
    """Tell whether a gradient is what a convolution here returned for its weights.

    No backward pass reads the values of such a tensor, so they may be written over.
    """
    made_by = gradient.grad_fn
    return made_by is not None and made_by.name() == f"{_ConvolutionBackward.__name__}Backward"


class _ConvolutionBackward(Function):
    @staticmethod
    def forward(ctx, gradient, x, weight, geometry, x_is_wanted):
        ctx.save_for_backward(gradient, x, weight)
        ctx.geometry = geometry
        ctx.set_materialize_grads(False)
        return geometry.backward(gradient, x, weight, (x_is_wanted, True))

    @staticmethod
    @once_differentiable
    def backward(ctx, along_x, along_weight):
        """`along_x`, `along_weight`: gradients at the two outputs of `forward`, None for zero."""
        gradient, x, weight = ctx.saved_tensors
        at_gradient = at_x = None
        if along_weight is not None:
            at_gradient = ctx.geometry.forward(x, along_weight)
            if ctx.needs_input_grad[1]:
                at_x, _ = ctx.geometry.backward(gradient, x, along_weight, (True, False))
        if along_x is not None:
            through = ctx.geometry.forward(along_x, weight)
            at_gradient = through if at_gradient is None else at_gradient.add_(through)
        return at_gradient, at_x, None, None, None


# ----------------------------------------------------------------------------------- batch norm


def _batch_norm(
    x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
) -> Tensor:
    own = training and running_mean is None and weight is not None and bias is not None
    if not own:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    return _BatchNorm.apply(x, weight, bias, eps)


class _BatchNorm(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y, mean, inverse_std = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, inverse_std)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx, gradient):
        x, weight, mean, inverse_std = ctx.saved_tensors
        return *_BatchNormBackward.apply(
            gradient, x, weight.detach(), mean, inverse_std, ctx.eps
        ), None


def _batch_norm_backward(gradient, x, weight, mean, inverse_std, eps):
    return _aten.native_batch_norm_backward(
        gradient, x, weight, None, None, mean, inverse_std, True, eps, (True, True, True)
    )


class _BatchNormBackward(Function):
    """Gradients at x, weight and bias.

    With s = 1 / std, n = (x - mean) * s, w the weight and E the mean over a channel,

        at_x = w s (g - E[g] - n E[g n]),   at_weight = N E[g n],   at_bias = N E[g],

    where `at_x` is linear and self-adjoint in the gradient g. With a, c, d the gradients at these
    three outputs, the second derivatives are

        at g:  w s (a - E[a] - n E[a n]) + c n + d
        at x:  s (h - E[h] - n E[h n]) - w s^2 n (E[g a] - E[g] E[a] - E[g n] E[a n])

    with h = (c - w s E[a n]) g - w s E[g n] a.
    """

    @staticmethod
    def forward(ctx, gradient, x, weight, mean, inverse_std, eps):
        at_x, at_weight, at_bias = _batch_norm_backward(gradient, x, weight, mean, inverse_std, eps)
        ctx.save_for_backward(gradient, x, weight, mean, inverse_std, at_weight, at_bias)
        ctx.eps = eps
        return at_x, at_weight, at_bias

    @staticmethod
    @once_differentiable
    def backward(ctx, a, c, d):
        g, x, w, mean, s, gn_sum, g_sum = ctx.saved_tensors
        count = x.numel() // x.shape[1]
        at_gradient, an_sum, a_sum = _batch_norm_backward(a, x, w, mean, s, ctx.eps)
        g_mean, gn_mean, a_mean, an_mean = (t / count for t in (g_sum, gn_sum, a_sum, an_sum))
        ga_mean = (g * a).sum([0, *range(2, x.dim())]) / count

        at_gradient += _affine(x, c * s, d - c * s * mean)
        of_g, of_a = c - w * s * an_mean, -w * s * gn_mean
        h_mean = of_g * g_mean + of_a * a_mean
        hn_mean = of_g * gn_mean + of_a * an_mean
        of_n = -s * hn_mean - w * s**2 * (ga_mean - g_mean * a_mean - gn_mean * an_mean)
        at_x = _affine(x, of_n * s, -of_n * s * mean - s * h_mean)
        at_x += _affine(g, of_g * s)
        at_x += _affine(a, of_a * s)
        return at_gradient, at_x, None, None, None, None


def _affine(x: Tensor, scale: Tensor, shift: Tensor | None = None) -> Tensor:
    """scale * x + shift for each channel, in one pass: batch norm's kernel for evaluation."""
    zero = torch.zeros_like(scale)
    shift = zero if shift is None else shift
    return torch.native_batch_norm(x, scale, shift, zero, zero + 1, False, 0.0, 0.0)[0]


# ----------------------------------------------------------------------------------------- ReLU


def _relu(x, inplace=False) -> Tensor:
    return _Relu.apply(x)


class _Relu(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.relu(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gradient):
        return _ReluBackward.apply(gradient, ctx.saved_tensors[0].detach())


class _ReluBackward(Function):
    """Linear in the gradient, and constant in y: the kink has no second derivative."""

    @staticmethod
    def forward(ctx, gradient, y):
        ctx.save_for_backward(y)
        return _aten.threshold_backward(gradient, y, 0)

    @staticmethod
    @once_differentiable
    def backward(ctx, along):
        return _aten.threshold_backward(along, ctx.saved_tensors[0], 0), None


_REPLACEMENTS = {torch.conv2d: _conv2d, F.batch_norm: _batch_norm, F.relu: _relu, torch.relu: _relu}

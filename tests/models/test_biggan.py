"""The folded generator against the package's own, in float64."""

import copy

import pytest
import torch
import torch.nn.functional as F
from pytorch_pretrained_biggan import BigGAN, BigGANConfig

from mpssl.models.biggan import (
    FoldedBigGan,
    _ModulatedConvolution,
    merge_phases,
    split_phases,
    up_sampling_kernels,
)
from mpssl.tools.calibration import make_usable

CLASSES, Z, COUNT = 7, 8, 3


@pytest.fixture(scope="module")
def network():
    """Every kind of layer: up-sampling or not, halved channels or not, attention; uneven biases."""
    torch.manual_seed(0)
    config = BigGANConfig(
        output_dim=32,
        z_dim=Z,
        class_embed_dim=Z,
        channel_width=4,
        num_classes=CLASSES,
        layers=[(True, 16, 16), (False, 16, 8), (True, 8, 4), (False, 4, 2), (True, 2, 1)],
        attention_layer_position=3,
        n_stats=5,
        eps=1e-4,
    )
    network = BigGAN(config)
    make_usable(network)
    network.double().eval().requires_grad_(False)
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
        if name.endswith("bias"):
            value += torch.randn_like(value)
        if "running" in name:
            value *= 0.5 + torch.rand_like(value)  # each truncation has its own statistics
    return network


def make_inputs():
    z = torch.randn(COUNT, Z, dtype=torch.float64).requires_grad_()
    return z, torch.randn(COUNT, CLASSES, dtype=torch.float64).softmax(dim=1).requires_grad_()


@pytest.mark.parametrize("truncation", [1.0, 0.5, 0.6])
def test_images_and_gradients_are_the_networks(network, truncation):
    folded = FoldedBigGan(copy.deepcopy(network), truncation)
    inputs = make_inputs()
    expected, images = network(*inputs, truncation), folded(*inputs)
    assert expected.std() > 0.01
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-12)
    direction = torch.randn_like(expected)
    gradients, found = (torch.autograd.grad(i, inputs, direction) for i in (expected, images))
    for gradient, value in zip(gradients, found, strict=True):
        assert gradient.norm() > 0
        torch.testing.assert_close(value, gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("z_alone", [True, False])
def test_either_input_alone_gets_its_gradient(network, z_alone):
    """A block's gradient at a map that needs none is computed, not returned."""
    folded = FoldedBigGan(copy.deepcopy(network), 1.0)
    z, y = make_inputs()
    one, other = (z, y) if z_alone else (y, z)
    expected = torch.autograd.grad(folded(z, y).square().sum(), one)[0]
    other.requires_grad_(False)
    found = torch.autograd.grad(folded(z, y).square().sum(), one)[0]
    torch.testing.assert_close(found, expected)


def test_the_gradient_at_the_images_is_left_as_it_was(network):
    folded = FoldedBigGan(copy.deepcopy(network), 1.0)
    inputs = make_inputs()
    direction = torch.randn(COUNT, 3, 32, 32, dtype=torch.float64)
    kept = direction.clone()
    images = folded(*inputs)
    first = torch.autograd.grad(images, inputs, direction, retain_graph=True)
    second = torch.autograd.grad(images, inputs, direction)
    assert torch.equal(direction, kept)
    assert all(map(torch.equal, first, second))


def test_no_parameter_requires_a_gradient_and_nothing_is_computed_for_nothing(network):
    folded = FoldedBigGan(copy.deepcopy(network), 1.0)
    assert not any(p.requires_grad for p in folded.parameters())
    assert not any(module._forward_pre_hooks for module in folded.modules())
    assert folded.rgb.out_channels == 3
    assert (folded.z_dim, folded.classes) == (Z, CLASSES)


@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
def test_up_sampling_kernels_are_up_sampling_and_convolution(size):
    kernel = torch.randn(5, 2, 3, 3, dtype=torch.float64)
    x = torch.randn(2, 2, *size, dtype=torch.float64)
    expected = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), kernel, padding=1)
    found = merge_phases(F.conv2d(x, up_sampling_kernels(kernel), padding=1))
    torch.testing.assert_close(found, expected)


def test_split_phases_is_the_transpose_of_merge_phases():
    phases = torch.randn(2, 12, 5, 4, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(2, 3, 8, 6, dtype=torch.float64)
    (expected,) = torch.autograd.grad(merge_phases(phases), phases, direction)
    assert torch.equal(split_phases(direction), expected)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_modulated_convolution(memory_format):
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64).to(memory_format=memory_format)
    modulation = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    weight, bias = torch.randn(4, 3, 3, 3).double(), torch.randn(4).double()
    x.requires_grad_()

    def convolve(x, modulation):
        return _ModulatedConvolution.apply(x, *modulation.chunk(2, dim=1), weight, bias, 1)

    assert torch.autograd.gradcheck(convolve, (x, modulation))
    scale, shift = modulation.chunk(2, dim=1)
    inner = (x * scale[..., None, None] + shift[..., None, None]).clamp(min=0)
    expected = F.conv2d(inner, weight, bias, padding=1)
    torch.testing.assert_close(convolve(x, modulation), expected)

"""The functions with a cheaper double backward against PyTorch's own, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mpssl.training.second_order import SecondOrder, _Geometry

LAYERS = {
    "convolution": nn.Conv2d(4, 6, 3, padding=1, bias=False),
    "strided": nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "pointwise": nn.Conv2d(4, 6, 1, stride=2),
    "grouped": nn.Conv2d(4, 6, 3, groups=2, dilation=2),
    "same": nn.Conv2d(4, 6, 3, padding="same"),
    "batch_norm": nn.BatchNorm2d(4, track_running_stats=False),
    "plain_norm": nn.BatchNorm2d(4, affine=False, track_running_stats=False),
    "stored_norm": nn.BatchNorm2d(4).eval(),
    "norm_of_vectors": nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(168, track_running_stats=False), nn.Linear(168, 3)
    ),
    "norm_of_rows": nn.Sequential(
        nn.Flatten(2), nn.BatchNorm1d(4, track_running_stats=False), nn.ReLU()
    ),
    "relu": nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()),
    "relu_in_place": nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True)),
    "network": nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8, track_running_stats=False),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2, 1),
        nn.Conv2d(8, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8, track_running_stats=False),
        nn.Softplus(),
    ),
}


def second_derivative(layer, x, mode):
    """Value, gradients at x and the parameters, and the gradient at x of <gradient, directions>."""
    x = x.clone().requires_grad_()
    parameters = list(layer.parameters())
    if mode:
        with SecondOrder():
            y = layer(x)
    else:
        y = layer(x)
    loss = y.square().sum() + y.sin().sum()
    gradients = torch.autograd.grad(loss, [x, *parameters], create_graph=True)
    torch.manual_seed(1)
    directions = [torch.randn_like(g) for g in gradients]
    (mixed,) = torch.autograd.grad(gradients, x, directions)
    return y.detach(), [g.detach() for g in gradients], mixed


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", LAYERS)
def test_equals_the_native_derivatives(name, memory_format):
    layer = LAYERS[name].double().to(memory_format=memory_format)
    for parameter in layer.parameters():
        parameter.data.normal_()
    x = (torch.randn(5, 4, 7, 6) + 2).double().to(memory_format=memory_format)
    expected, found = (second_derivative(layer, x, mode) for mode in (False, True))
    assert expected[2].norm() > 0
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_parameters_alone_may_be_asked_for_and_directions_may_be_missing():
    layer = LAYERS["network"].double()
    x = torch.randn(5, 4, 8, 8, dtype=torch.float64, requires_grad=True)
    mixed = []
    for mode in (False, True):
        with SecondOrder() if mode else torch.enable_grad():
            y = layer(x)
        (gradient,) = torch.autograd.grad(y.square().sum(), [layer[0].weight], create_graph=True)
        mixed.append(torch.autograd.grad(gradient.square().sum(), x)[0])
    torch.testing.assert_close(mixed[1], mixed[0], rtol=1e-9, atol=1e-9)


FIRST_LAYERS = {  # channels, kernel, stride, padding, sides of the images
    "resnet": (3, 7, 2, 3, (16, 16)),
    "small_resnet": (3, 3, 2, 1, (12, 8)),
    "unpadded": (3, 3, 2, 0, (12, 12)),
    "padded_widely": (2, 3, 2, 3, (8, 8)),
    "pointwise": (3, 1, 2, 0, (8, 8)),
    "patches": (1, 4, 4, 0, (16, 12)),
    "by_three": (1, 5, 3, 2, (9, 12)),
}


@pytest.mark.parametrize("name", FIRST_LAYERS)
def test_first_convolutions_gradient_at_the_images(name, monkeypatch):
    channels, side, stride, padding, sides = FIRST_LAYERS[name]
    layer = nn.Conv2d(channels, 5, side, stride, padding).double()
    taken = []
    by_squares = _Geometry._backward_by_squares
    monkeypatch.setattr(
        _Geometry,
        "_backward_by_squares",
        lambda *arguments: taken.append(by_squares(*arguments)) or taken[-1],
    )
    x = torch.randn(2, channels, *sides, dtype=torch.float64)
    expected, found = (second_derivative(layer, x, mode) for mode in (False, True))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert len(taken) == 3  # the first pass, and two ways back through the second one


def test_the_first_pass_computes_no_gradient_at_the_images():
    class Masks(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten.convolution_backward.default:
                masks.append(tuple(args[-1][:2]))
            return func(*args, **(kwargs or {}))

    masks = []
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    view = images.flip(3)
    with SecondOrder():
        y = layers(view)
    with Masks():
        gradients = torch.autograd.grad(y.square().sum(), layers.parameters(), create_graph=True)
    assert masks == [(True, True), (False, True)]
    (mixed,) = torch.autograd.grad(gradients, images, [torch.ones_like(g) for g in gradients])
    assert mixed.norm() > 0


def test_only_the_block_is_concerned():
    layer, x = LAYERS["network"], torch.randn(2, 4, 8, 8, dtype=torch.float64, requires_grad=True)
    with SecondOrder():
        inside = F.relu(x)
    assert type(inside.grad_fn).__name__ == "_ReluBackward"
    assert type(F.relu(x).grad_fn).__name__ == "ReluBackward0"
    layer.double()(x)


def test_there_is_no_third_derivative():
    x = torch.randn(3, 4, 5, 5, requires_grad=True)
    layer = nn.BatchNorm2d(4, track_running_stats=False)
    with SecondOrder():
        y = layer(x)
    (gradient,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
    (mixed,) = torch.autograd.grad(gradient.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        mixed.sum().backward()

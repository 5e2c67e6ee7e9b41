"""Views: crops and flips of each image, RandAugment for a batch or for each image."""

from typing import get_args

import pytest
import torch

from mpssl.common.errors import UserError
from mpssl.compat.kornia import OPERATIONS as OPERATIONS_OF_KORNIA
from mpssl.config.training import Augmentation, Operation, RandAugment, Views
from mpssl.training.views import View, build_views

# Two operations whose results can be told apart: x -> 1 - x, and x -> x - 0.3.
OPERATIONS = ["invert", "brightness"]
GREY = torch.full((400, 3, 8, 8), 0.4)


def view(**changes):
    randaugment = RandAugment(**{"n": 1, "m": 10, "operations": OPERATIONS} | changes)
    return build_views(Views(crop="none", flip=False, randaugment=randaugment), 8)


def test_operations_are_drawn_once_a_batch():
    for _ in range(10):
        assert len(view()(GREY).unique()) == 1


def test_operations_are_drawn_for_each_image():
    torch.manual_seed(0)
    means = view(drawn_for="image")(GREY).mean(dim=(1, 2, 3))
    inverted = (means - 0.6).abs() < 1e-6
    assert 0.4 < inverted.float().mean() < 0.6
    assert len(means[~inverted].unique()) == 1  # brightness of one magnitude


def test_each_image_stays_in_its_place_and_gets_distinct_operations():
    images = 0.4 + torch.rand(64, 3, 8, 8) * 0.5
    both = view(n=2, drawn_for="image")(images)
    alone = [view(n=2)(images) for _ in range(20)]  # in either order, as all images of a batch
    for image, row in zip(both, range(64), strict=True):
        assert min((image - other[row]).abs().max() for other in alone) < 1e-6


def test_the_configuration_names_kornias_operations():
    assert get_args(Operation) == tuple(OPERATIONS_OF_KORNIA)


@pytest.mark.parametrize("operation", OPERATIONS_OF_KORNIA)
def test_an_operation_for_each_image_is_kornias(operation):
    images = torch.rand(64, 3, 8, 8)
    torch.manual_seed(0)
    made = view(operations=[operation], drawn_for="image")(images)
    torch.manual_seed(0)
    torch.rand(64, 1)  # what draws the operation
    assert torch.equal(made, view(operations=[operation])(images))


def test_geometric_and_other_operations_mix():
    operations = ["rotate", "translate_y", "brightness", "shear_x"]
    images = torch.rand(64, 3, 8, 8)
    made = view(operations=operations, drawn_for="image")(images)
    alone = [view(operations=[name])(images) for name in operations for _ in range(20)]
    nearest = torch.stack([(made - one).abs().amax(dim=(1, 2, 3)) for one in alone])
    assert nearest.amin(dim=0).max() < 1e-5
    assert len(nearest.argmin(dim=0).unique()) > len(operations)  # both signs of a magnitude


def test_the_gradient_reaches_each_image():
    images = GREY.clone().requires_grad_()
    view(drawn_for="image")(images).sum().backward()
    assert (images.grad.flatten(1).abs().sum(dim=1) > 0).all()


WITHOUT_GRADIENT = ["equalize", "posterize"]


def seen(operation, **changes):
    """What an operation makes of a gradation of greys, and its gradient there at ones."""
    torch.manual_seed(0)
    images = torch.linspace(0.1, 0.9, 32 * 32).expand(2, 3, -1).unflatten(2, (32, 32)).clone()
    images.requires_grad_()
    randaugment = RandAugment(n=1, m=10, operations=[operation], **changes)
    made = build_views(Views(crop="none", flip=False, randaugment=randaugment), 32)(images)
    (gradient,) = torch.autograd.grad(made.square().sum() / 2, images)
    return images.detach(), made.detach(), gradient


@pytest.mark.parametrize("drawn_for", ["batch", "image"])
@pytest.mark.parametrize("operation", OPERATIONS_OF_KORNIA)
def test_equalize_and_posterize_alone_pass_no_gradient(operation, drawn_for):
    _, _, gradient = seen(operation, drawn_for=drawn_for)
    assert gradient.any().item() is (operation not in WITHOUT_GRADIENT)


@pytest.mark.parametrize("drawn_for", ["batch", "image"])
@pytest.mark.parametrize("operation", OPERATIONS_OF_KORNIA)
def test_straight_through_is_the_identity_to_the_gradient_alone(operation, drawn_for):
    images, made, as_is = seen(operation, drawn_for=drawn_for)
    _, same, gradient = seen(operation, drawn_for=drawn_for, gradient="straight_through")
    assert torch.equal(same, made)
    if operation in WITHOUT_GRADIENT:
        assert not torch.equal(made, images)
        assert torch.equal(gradient, made)  # of made^2 / 2
    else:
        assert torch.equal(gradient, as_is)


def test_one_image_is_enough():
    assert view(drawn_for="image")(GREY[:1]).shape == (1, 3, 8, 8)


@pytest.mark.parametrize("name", ["weak", "strong"])
def test_the_strong_view_of_labeled_images_is_their_own_crop_and_the_strong_randaugment(name):
    views = Augmentation()
    labeled = views.of_labeled(name)
    assert labeled.crop == views.labeled.crop == "resized"
    assert labeled.randaugment == (views.strong.randaugment if name == "strong" else None)


@pytest.mark.parametrize("drawn_for", ["batch", "image"])
def test_images_that_are_not_finite_are_said_to_be_so(drawn_for):
    equalize = view(operations=["equalize"], drawn_for=drawn_for)
    with pytest.raises(UserError, match="the images are not finite; try a smaller"):
        equalize(torch.full((2, 3, 8, 8), float("nan")))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):  # of another kind
        View(torch.nn.Linear(3, 1))(torch.rand(2, 4))

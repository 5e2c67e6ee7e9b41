"""What each image adds to the meta-gradient's validation loss, in float64."""

import pytest
import torch
import torch.nn.functional as F

from mpssl.training.score_function import credit_of_shares
from tests.support.meta_problem import OBJECTIVES, Problem, make_resnet, relative_error
from tests.support.toys import Darken, Flip, SmoothClassifier

pytestmark = pytest.mark.usefixtures("float64")


def losses_of_images(problem, name, images, views):
    """Each image's own loss [U]: what the objective is the mean of."""
    weak, strong = Flip()(images), Darken()(images)
    if views == "joint":
        weak, strong = problem.model.features(torch.cat([weak, strong])).chunk(2)
    else:
        weak, strong = problem.model.features(weak), problem.model.features(strong)
    if name == "scr":
        return 1 - F.cosine_similarity(weak, strong, dim=1)
    if name == "l2":
        return (weak - strong).square().sum(dim=1)
    confidence, labels = problem.model.head(weak).detach().softmax(dim=1).max(dim=1)
    cross_entropy = F.cross_entropy(problem.model.head(strong), labels, reduction="none")
    return cross_entropy * (confidence >= OBJECTIVES[name]["confidence_threshold"])


@pytest.mark.parametrize("views", ["joint", "separate"])
@pytest.mark.parametrize("name", ["scr", "l2", "fixmatch"])
def test_share_of_an_image_is_the_derivative_by_its_weight(name, views):
    problem = Problem(make_resnet(), name, side=16, views=views)
    weights = torch.ones(len(problem.images)).requires_grad_()

    def consistency(images):
        return (weights * losses_of_images(problem, name, images, views)).mean()

    loss = problem.validation_loss(problem.images, create_graph=True, consistency=consistency)
    (reference,) = torch.autograd.grad(loss, weights)
    assert relative_error(problem.shares(), reference) < 1e-9
    assert len(reference.unique()) > 1


@pytest.mark.parametrize("name", OBJECTIVES)
def test_shares_of_all_images_are_the_derivative_by_lambda(name):
    """Also of losses that couple the images, such as FreeMatch's fairness."""
    problem, h = Problem(SmoothClassifier(), name), 1e-5

    def at(factor):
        return problem.validation_loss(
            problem.images, consistency=lambda images: factor * problem.objective(images)
        ).item()

    slope = (at(1 + h) - at(1 - h)) / (2 * h)
    assert problem.shares().sum().item() == pytest.approx(slope, rel=1e-5)


def test_credit_is_the_loss_less_that_without_the_image_to_first_order():
    problem = Problem(SmoothClassifier())
    credit, count = credit_of_shares(problem.shares()), len(problem.images)
    small, found = 1e-4, []
    for i in range(count):

        def without(images, i=i):
            losses = losses_of_images(problem, "scr", images, "joint")
            rest = torch.cat([losses[:i], losses[i + 1 :]]).mean()
            return (1 - small) * losses.mean() + small * rest

        loss = problem.validation_loss(problem.images, consistency=without)
        found.append((problem.validation_loss(problem.images) - loss) / small)
    assert relative_error(credit, torch.stack(found)) < 1e-3

"""The exact second-order gradient of the validation loss at the unlabeled images.

Algorithm 1, lines 7 and 8, differentiates CE(x_val, y_val; theta') through

    theta' = theta - eta * (g_labeled + lambda * g_unlabeled(x_u)),

where only g_unlabeled depends on the images x_u. With v the gradient of the validation loss at
theta', the gradient at x_u is -eta * lambda * d<g_unlabeled, v>/dx_u: a double backward over the
objective alone. It needs no graph over theta', the labeled loss or the validation loss.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl.models.classifier import Classifier
from mpssl.training.second_order import SecondOrder, is_of_convolution


def validation_gradient(
    model: Classifier,
    objective: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    labeled_gradient: list[Tensor | None],
    *,
    learning_rate: float,
    lambda_: float,
    x_val: Tensor,
    y_val: Tensor,
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Differentiate the validation loss after one SGD step with respect to what the step saw.

    Args:
        model: the classifier at theta, in training mode; it is left as it was. It computes in
            float32 here, whatever its precision is.
        objective: the consistency loss of `inputs` under `model`, differentiable twice.
        inputs: leaves that require a gradient: the images x_u [U, 3, S, S] and, if wanted, more
            that the objective takes, such as weights of the images.
        labeled_gradient: gradient of the labeled loss at each parameter; None means zero.
        learning_rate: eta.
        lambda_: weight of the objective.
        x_val: validation images [V, 3, S, S].
        y_val: their classes, int64 [V].

    Returns:
        The gradient at each of the inputs, and the validation loss at theta'.
    """
    parameters = tuple(model.trained)
    with model.in_float32(), model.statistics_frozen():
        with SecondOrder():
            unlabeled_loss = objective(*inputs)
        unlabeled_gradient = torch.autograd.grad(
            unlabeled_loss, parameters, create_graph=True, allow_unused=True
        )
        updated = [
            _step(parameter.detach(), learning_rate, labeled, unlabeled, lambda_)
            for parameter, labeled, unlabeled in zip(
                parameters, labeled_gradient, unlabeled_gradient, strict=True
            )
        ]
        direction, loss = _look_ahead(model, updated, x_val, y_val)
        del updated
    # A parameter that the objective does not use (the head under SCR) contributes nothing.
    pairs = [(g, v) for g, v in zip(unlabeled_gradient, direction, strict=True) if g is not None]
    gradients, directions = zip(*pairs, strict=True)
    mixed = torch.autograd.grad(gradients, inputs, grad_outputs=directions)
    return tuple(-learning_rate * lambda_ * m for m in mixed), loss


def _look_ahead(
    model: Classifier, updated: list[Tensor], x_val: Tensor, y_val: Tensor
) -> tuple[tuple[Tensor, ...], Tensor]:
    """The validation loss's gradient at theta', and the loss."""
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    state = dict(zip(names, updated, strict=True))
    loss = F.cross_entropy(torch.func.functional_call(model, state, (x_val,)), y_val)
    return torch.autograd.grad(loss, updated), loss.detach()


def _step(
    parameter: Tensor,
    learning_rate: float,
    labeled: Tensor | None,
    unlabeled: Tensor | None,
    lambda_: float,
) -> Tensor:
    """One parameter of theta', a leaf that requires a gradient.

    If the unlabeled gradient is that of a convolution's weights, theta' takes over its memory: the
    graph still needs that tensor's node, but no longer its values.
    """
    if unlabeled is None:
        gradient = torch.zeros_like(parameter)
    else:
        gradient = unlabeled.detach()
        gradient = (gradient if is_of_convolution(unlabeled) else gradient.clone()).mul_(lambda_)
    if labeled is not None:
        gradient.add_(labeled.detach())
    return gradient.mul_(-learning_rate).add_(parameter).requires_grad_()

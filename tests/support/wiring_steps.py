"""What the wiring tests expect of a step of training, worked out by hand."""

import torch
import torch.nn.functional as F

from tests.support.wiring_content import (
    EDGE,
)

ORACLE, TRANSFER = ["oracle/scr", "oracle/fixmatch"], ["transfer/scr"]
GENERATIVE = ["generative/naive", "generative/pssl", "generative/mpssl"]
ALL = ["base/base", *ORACLE, *TRANSFER, *GENERATIVE]
STEPS = 4  # an epoch: one pass over the 24 images of D
RATES = [0.05, 0.05, 0.0125]  # a quarter from half of the three epochs on
MOMENTUM, DECAY, WEIGHT = 0.8, 0.05, 0.5


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3)


def same_step(start, found, expected):
    """Whether features and head moved from `start` as expected, up to rounding.

    A ReLU on an edge may go either way by rounding: whole vectors are compared, not single numbers.
    """
    for part in ("backbone.", "head."):
        names = [name for name in expected if name.startswith(part)]
        moved, error = (
            torch.cat([(state[name] - other[name]).flatten() for name in names]).norm()
            for state, other in ((expected, start), (found, expected))
        )
        assert moved > 0
        assert error < 5e-3 * moved, part


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[k], other[k]) for k in state)


def of_backbone(state):
    return {name: value for name, value in state.items() if name.startswith("backbone.")}


def edges(steps):
    """Where each labeled image shows the packed image's border: the view, whichever the image."""
    return torch.cat([(255 * s.labeled.images[:, 2]).round() == EDGE for s in steps])


def order(steps):
    return [row for s in steps for row in s.labeled.rows]


def cosine(model, weak, strong):
    return (1 - F.cosine_similarity(weak, strong, dim=1)).mean()


def fixmatch(model, weak, strong):
    confidence, target = model.head(weak).detach().softmax(dim=1).max(dim=1)
    losses = F.cross_entropy(model.head(strong), target, reduction="none")
    return (losses * (confidence >= 0.4)).mean()


def gradient(world, labeled, views=None, distance=cosine, weight=WEIGHT):
    """By hand: the gradient of both losses at a labeled pass's weights, and the state after it."""
    model = world.classifier(labeled.state).train()
    loss = F.cross_entropy(model(labeled.images), world.labels_of(labeled))
    if views is not None:
        with model.statistics_frozen():
            loss = loss + weight * distance(model, *model.features(views.images).chunk(2))
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    return gradients, {name: value.detach() for name, value in model.state_dict().items()}


def nesterov(parameters, gradients, velocity, rate):
    """By hand: one step of SGD with weight decay and Nesterov momentum, from rest at first."""
    stepped = {}
    for name, value in parameters.items():
        g = gradients[name] + DECAY * value
        velocity[name] = MOMENTUM * velocity[name] + g if name in velocity else g
        stepped[name] = value - rate * (g + MOMENTUM * velocity[name])
    return stepped

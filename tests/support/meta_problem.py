"""A meta-gradient to be worked out, by the function under test and by the definition."""

import torch
import torch.nn.functional as F

from mpssl.models.classifier import Classifier
from mpssl.training.meta_gradient import validation_gradient
from mpssl.training.objectives import build_objective
from tests.support.toys import CLASSES, SIDE, Darken, Flip, labeled_gradient

OBJECTIVES = {
    "scr": {},
    "l1": {},
    "l2": {},
    "smooth_l1": {},
    "uda": {"confidence_threshold": 0.4, "temperature": 0.4},
    "fixmatch": {"confidence_threshold": 0.4},
    "freematch": {"threshold_momentum": 0.9, "fairness_weight": 0.05},
}
RATE, LAMBDA = 0.3, 0.7


def make_resnet():
    model = Classifier("resnet8", CLASSES, (0.5,) * 3, (0.25,) * 3)
    model.head.weight.data.mul_(100)  # confident enough for the thresholds
    return model


class Problem:
    """A classifier, an objective, images and data; `gradient` is the function under test."""

    def __init__(self, model, name="scr", side=SIDE, views="joint"):
        self.model = model.double().train()
        self.loss = build_objective(name, CLASSES, OBJECTIVES[name] | {"views": views}).double()
        self.images = torch.rand(6, 3, side, side).requires_grad_()
        self.x, self.y = torch.rand(8, 3, side, side), torch.randint(CLASSES, (8,))
        self.x_val, self.y_val = torch.rand(10, 3, side, side), torch.randint(CLASSES, (10,))
        self.labeled = labeled_gradient(model, self.x, self.y)

    def objective(self, images):
        return self.loss.on_views(self.model, Flip()(images), Darken()(images), update=False)

    def gradient(self, labeled=None, rate=RATE, lambda_=LAMBDA):
        (gradient,), loss = validation_gradient(
            self.model,
            self.objective,
            [self.images],
            self.labeled if labeled is None else labeled,
            learning_rate=rate,
            lambda_=lambda_,
            x_val=self.x_val,
            y_val=self.y_val,
        )
        return gradient, loss

    def validation_loss(self, images, create_graph=False, consistency=None):
        """Theta' as the definition says: one graph from the images to the validation loss."""
        consistency = consistency or self.objective
        named = self.model.named_parameters()
        parameters = {name: p for name, p in named if p.requires_grad}
        with self.model.statistics_frozen():
            loss = F.cross_entropy(self.model(self.x), self.y) + LAMBDA * consistency(images)
            gradients = torch.autograd.grad(
                loss, list(parameters.values()), create_graph=create_graph
            )
            updated = {
                name: parameter - RATE * gradient
                for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
            }
            logits = torch.func.functional_call(self.model, updated, (self.x_val,))
        return F.cross_entropy(logits, self.y_val)

    def shares(self):
        """What each image adds to the validation loss, by the function under test."""
        weights = torch.ones(len(self.images)).requires_grad_()

        def objective(weights):
            views = Flip()(self.images), Darken()(self.images)
            return self.loss.on_views(self.model, *views, update=False, weights=weights)

        (found,), _ = validation_gradient(
            self.model,
            objective,
            [weights],
            self.labeled,
            learning_rate=RATE,
            lambda_=LAMBDA,
            x_val=self.x_val,
            y_val=self.y_val,
        )
        return found


def relative_error(value, reference):
    assert reference.norm() > 0
    return ((value - reference).norm() / reference.norm()).item()

"""A step of latent meta-optimization on the toys."""

import torch

from mpssl.config.method import Converter
from tests.support.toys import CLASSES, SmoothClassifier, X, Y, make_objective, make_step

FREEMATCH = ("freematch", {"threshold_momentum": 0.5, "fairness_weight": 0.05})
TERMS = ("validation", "gap")
SCORE = Converter(estimator="score_function")


def make_model():
    torch.manual_seed(0)
    return SmoothClassifier().train()


def a_step(model=None, objective=("scr", {}), **changes):
    return make_step(
        model or make_model(), make_objective(objective[0], CLASSES, objective[1]), X, Y, **changes
    )


def learned(source):
    return [p.detach().clone() for p in (*source.mapper.parameters(), source.converter.logits)]


def gap_of(source, model, x, images):
    return source._gap(*source._paired_features(model, x, images))


def all_equal(tensors, others):
    return all(torch.equal(a, b) for a, b in zip(tensors, others, strict=True))

"""Cross-entropy on images whose classes are known."""

import torch
import torch.nn.functional as F

from mpssl.config.method import Objectives
from mpssl.training.objectives import build_objective
from tests.support.toys import SmoothClassifier

CLASSES = torch.tensor([0, 2, 1, 1])


def test_the_loss_is_the_cross_entropy_of_the_strong_view_alone():
    objective = build_objective("supervised", 3, Objectives().of("supervised"))
    model = SmoothClassifier(3)
    weak, strong = torch.rand(2, 4, 3, 8, 8).unbind()
    with model.statistics_frozen():
        loss = objective.on_views(model, weak, strong, update=True, classes=CLASSES)
        other = objective.on_views(model, strong, strong, update=True, classes=CLASSES)
        expected = F.cross_entropy(model(strong), CLASSES)
    assert loss == other == expected

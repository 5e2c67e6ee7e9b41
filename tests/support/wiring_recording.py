"""A record of a run in the small world: the passes of its networks, step by step."""

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import torch
from torch import Tensor

from mpssl.config.experiment import Config
from mpssl.models import model_file
from mpssl.models.classifier import Classifier
from mpssl.models.generator import FrozenGenerator
from mpssl.plan.cells import Run
from mpssl.runs.record import RunRecord
from tests.support.wiring_content import (
    CENTRE,
    CLASSES,
    EDGE,
    FOUNDATION,
    FOUNDATION_POOL,
    FOUNDATION_REST,
    MIX,
    POOL,
    TAIL,
    TARGET,
    TEST,
)

if TYPE_CHECKING:
    from tests.support.wiring_world import World


@dataclass(eq=False)
class Forward:
    """One pass of images through a classifier."""

    images: Tensor
    """[B, 3, S, S] in [0, 1]."""
    features: Tensor
    training: bool
    """In training mode, so under batch statistics."""
    moves_statistics: bool
    state: dict[str, Tensor]
    """Parameters and buffers before the pass; theta' in the look-ahead."""
    needs_gradient: bool
    """Whether a parameter of the classifier requires a gradient."""
    logits: Tensor | None = None
    """Where the classifier was called as a whole."""

    @cached_property
    def rows(self) -> list[tuple[int, int] | None]:
        """Data set and row of each image; None for one that is no image of a data set."""
        return [_read(image) for image in (255 * self.images).round().int()]

    @property
    def border(self) -> Tensor:
        """For each image, whether it shows some of the packed image's border."""
        return ((255 * self.images[:, 2]).round() == EDGE).flatten(1).any(dim=1)

    @property
    def padded(self) -> Tensor:
        """For each image, whether it shows some padding."""
        return (self.images[:, 1] == 0).flatten(1).any(dim=1)


@dataclass(eq=False)
class Made:
    """One call of the generator."""

    z: Tensor
    y: Tensor
    images: Tensor
    needs_gradient: bool


@dataclass
class Step:
    """The passes of one training step, in their order."""

    epoch: int
    """From 0."""
    labeled: Forward
    others: list[Forward]
    """In training mode, after the labeled one."""
    taught: list[Forward]
    """Of the foundation classifier."""
    made: list[Made]


@dataclass
class Evaluation:
    """The passes of one evaluation."""

    passes: list[Forward]
    labels: Tensor

    @property
    def rows(self) -> list[tuple[int, int] | None]:
        return [row for p in self.passes for row in p.rows]

    @property
    def state(self) -> dict[str, Tensor]:
        return self.passes[0].state

    @property
    def accuracy(self) -> float:
        """In percent."""
        predicted = torch.cat([p.logits for p in self.passes]).argmax(dim=1)
        return 100 * (predicted == self.labels).double().mean().item()


@dataclass
class Recording:
    """All that happened in one run, and what it left."""

    world: "World"
    config: Config
    run: Run
    student: list[Forward]
    events: list[tuple[str, Forward | Made]]
    """All passes in order: of the `student`, of the `teacher` f_F, or of the `generator`."""
    files: dict[str, bytes]
    """What the run left in its folder, by path."""
    record: RunRecord
    history: pd.DataFrame
    weights: dict[str, Tensor]
    described: model_file.Description
    """Beside the weights, in the model's file."""

    @cached_property
    def steps(self) -> list[Step]:
        """A step begins with the pass that moves the statistics; evaluations part the epochs."""
        found: list[Step] = []
        epoch, evaluated, within = 0, False, False
        for who, event in self.events:
            if who == "student" and not event.training:
                evaluated, within = evaluated or event.logits is not None, False
            elif who == "student" and event.moves_statistics and event.logits is not None:
                epoch, evaluated, within = epoch + (evaluated and bool(found)), False, True
                found.append(Step(epoch, event, [], [], []))
            elif within:
                part = {"student": "others", "teacher": "taught", "generator": "made"}[who]
                getattr(found[-1], part).append(event)
        return found

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """Consecutive evaluating passes over images of one part of the data are one."""
        found: list[Evaluation] = []
        last = None
        for p in self.student:
            if p.training or p.logits is None:
                last = None
                continue
            part = self.world.parts_of(p.rows, self.run.cell.fraction)
            if part != last:
                found.append(Evaluation([], torch.empty(0, dtype=torch.long)))
            last = part
            found[-1].passes.append(p)
            found[-1].labels = torch.cat([found[-1].labels, self.world.labels_of(p)])
        return found

    @property
    def before(self) -> list[tuple[str, Forward | Made]]:
        """What happened before the first step: the first snapshot."""
        return self.events[: self.events.index(("student", self.steps[0].labeled))]

    @property
    def after(self) -> list[Forward]:
        """The classifier's passes after the last evaluation: measures of the record."""
        return self.student[self.student.index(self.evaluations[-1].passes[-1]) + 1 :]

    @property
    def measured(self) -> list[Forward]:
        """The passes for features of f_F: real and unlabeled images that are compared, in turns."""
        return [event for who, event in self.events if who == "teacher" and event.logits is None]


@contextlib.contextmanager
def watched():
    """Keep every pass of a classifier and of the generator inside the block.

    The student knows the target's classes, the foundation classifier the foundation's.
    """
    events: list[tuple[str, Forward | Made]] = []
    features, forward, generate = Classifier.features, Classifier.forward, FrozenGenerator.forward

    kept: dict[str, Tensor] = {}  # the last copies: most passes are under the weights of another

    def copied(model):
        state = {name: value.detach() for name, value in model.state_dict().items()}
        who = len(state["head.bias"])
        for name, value in state.items():
            key = f"{who} {name}"
            if key not in kept or not torch.equal(kept[key], value):
                kept[key] = value.clone()
            state[name] = kept[key]
        return state

    def watched_features(self, x):
        state = copied(self)
        norms = [m for m in self.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        moves = self.training and all(m.track_running_stats for m in norms)
        needs = any(p.requires_grad for p in self.parameters())
        out = features(self, x)
        event = Forward(
            x.detach().clone(), out.detach().clone(), self.training, moves, state, needs
        )
        events.append(("student" if len(state["head.bias"]) == CLASSES else "teacher", event))
        return out

    def watched_forward(self, x):
        out = forward(self, x)
        events[-1][1].logits = out.detach().clone()
        return out

    def watched_generate(self, z, y):
        out = generate(self, z, y)
        needs = any(p.requires_grad for p in self.parameters())
        parts = (t.detach().clone() for t in (z, y, out))
        events.append(("generator", Made(*parts, needs)))
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classifier, "features", watched_features)
        patch.setattr(Classifier, "forward", watched_forward)
        patch.setattr(FrozenGenerator, "forward", watched_generate)
        patch.setattr("os.fsync", lambda _: None)  # a third of the time where a disk is busy
        yield events


def _read(image: Tensor) -> tuple[int, int] | None:
    """Data set and row of an image [3, S, S] in bytes; padding is black."""
    code, dataset, place = image[:, image.any(dim=0)]
    known = dataset.numel() and dataset[0].item() in (TARGET, FOUNDATION)
    if not known or (code != code[0]).any() or (dataset != dataset[0]).any():
        return None
    if not ((place == CENTRE) | (place == EDGE)).all():
        return None
    count = {TARGET: POOL + TEST + TAIL, FOUNDATION: FOUNDATION_POOL + FOUNDATION_REST}
    which = dataset[0].item()
    return which, code[0].item() * pow(MIX, -1, count[which]) % count[which]

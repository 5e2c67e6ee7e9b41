"""The one training loop: every method is a source and an objective in it.

It is to be read beside Algorithm 1 of the paper; only MP-SSL takes the steps of LMO in it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from mpssl.common.errors import not_finite
from mpssl.compat.optimizers import SGD
from mpssl.config.training import Augmentation, Training
from mpssl.data.batches import Batches
from mpssl.machine import preemption
from mpssl.machine.preemption import Preempted
from mpssl.models.classifier import Classifier
from mpssl.training import checkpoint
from mpssl.training.evaluate import accuracy
from mpssl.training.objectives.base import Objective
from mpssl.training.parts import Parts
from mpssl.training.rng import Streams, labeled_order
from mpssl.training.sources.base import Images, Source, Step
from mpssl.training.views import build_views


@dataclass
class Task:
    """All that one run trains on and with."""

    training: Training
    augmentation: Augmentation
    model: Classifier
    space: Classifier
    """Samples are measured in its features: f_F for all methods alike if training starts from f_F,
    else the model itself."""
    source: Source
    objective: Objective | None
    """The consistency loss on unlabeled images; None for the base method."""
    lambda_: float
    """Weight of the objective."""
    steps_factor: int
    """Steps for each step that `training` says."""
    labeled: Batches
    """D."""
    validation: Batches
    """D_val."""
    streams: Streams
    """Random streams of the run's seed."""
    identity: dict
    """Settings and digests of the run; a checkpoint of another identity is not resumed."""
    parts: Parts
    """How many images pass through the networks at a time."""


@dataclass
class Outcome:
    """What training returns; the best epoch's weights are then in the task's model."""

    best_epoch: int
    """Number of the best epoch, from 1."""
    validation_accuracy: float
    """Accuracy of the best epoch, percent."""
    history: list[dict]
    """One row for each epoch."""
    steps: int
    """Steps of all epochs."""
    batch_size: int
    """Labeled images of a step."""
    seconds: float
    """Time spent in training, summed over its interruptions."""


def learning_rate_at(training: Training, epoch: int) -> float:
    """Learning rate of an epoch, counted from 0; milestones are fractions of all epochs."""
    passed = sum(epoch >= milestone * training.epochs for milestone in training.milestones)
    return training.learning_rate * training.decay**passed


def train(
    task: Task,
    checkpoint_path: Path,
    observers: Sequence[Callable[["Loop"], None]] = (),
    until: int | None = None,
) -> Outcome:
    """Train to the last epoch or `until` one, resuming from `checkpoint_path` if it is this run's.

    `observers` are called with the loop at the start and after each epoch; they change nothing.

    Raises:
        UserError: a loss is not finite, or the checkpoint is damaged.
        Preempted: a signal came; the checkpoint holds every step so far.
    """
    loop = Loop(task)
    state = checkpoint.load(checkpoint_path, task.identity)
    if state is not None:
        loop.load_state_dict(state)
        print(f"resuming after {loop.place} from {checkpoint_path}", flush=True)
    if not loop.step_in_epoch:  # else the observers were called at this epoch's start
        for observe in observers:
            observe(loop)
    last = until or task.training.epochs
    with tqdm(total=last, initial=loop.epoch, unit="epoch", disable=None, leave=False) as bar:
        while loop.epoch < last:
            try:
                row = loop.run_epoch()
            except Preempted as preempted:
                checkpoint.save(checkpoint_path, loop.state_dict())
                raise Preempted(f"{preempted} after {loop.place}") from None
            checkpoint.save(checkpoint_path, loop.state_dict())
            for observe in observers:
                observe(loop)
            bar.update()
            bar.set_postfix(loss=f"{row['labeled_loss']:.3f}", val=f"{row['val_accuracy']:.1f}%")
            if bar.disable:
                print(_line(row, task.training.epochs), flush=True)
    task.model.load_state_dict(loop.best_weights)
    return Outcome(
        best_epoch=loop.best_epoch,
        validation_accuracy=loop.best_accuracy,
        history=loop.history,
        steps=loop.epoch * loop.steps,
        batch_size=loop.batch_size,
        seconds=loop.seconds,
    )


class Loop:
    """The state of training between steps, and how one epoch changes it."""

    def __init__(self, task: Task) -> None:
        self.task = task
        training = task.training
        self.optimizer = SGD(
            task.model.trained,
            lr=training.learning_rate,
            momentum=training.momentum,
            nesterov=training.momentum > 0,
            weight_decay=training.weight_decay,
        )
        views, size = task.augmentation, training.image_size
        self.labeled_view = build_views(views.labeled, size)
        self.weak, self.strong = build_views(views.weak, size), build_views(views.strong, size)
        self.batch_size = min(training.batch_size, len(task.labeled))
        an_epoch = training.steps_per_epoch or len(task.labeled) // self.batch_size
        self.steps = task.steps_factor * an_epoch
        self.order = labeled_order(task.labeled, training.labeled_sampling)
        self.epoch, self.step_in_epoch, self.seconds = 0, 0, 0.0
        self.records: dict[str, list[Tensor]] = {}  # what the epoch's steps returned
        self.best_epoch, self.best_accuracy = 0, -1.0
        self.best_weights: dict[str, Tensor] = {}
        self.history: list[dict] = []

    @property
    def place(self) -> str:
        """How far training has come, in words."""
        steps = f" and {self.step_in_epoch} of {self.steps} steps" if self.step_in_epoch else ""
        return f"epoch {self.epoch}{steps}"

    def run_epoch(self) -> dict:
        """Train the rest of an epoch and validate; returns the epoch's row of the history.

        Raises:
            UserError: a loss is not finite.
            Preempted: a signal came; it is raised between two steps, so the state is whole.
        """
        started = time.perf_counter()
        try:
            return self._run_epoch()
        finally:
            self.seconds += time.perf_counter() - started

    def _run_epoch(self) -> dict:
        task, training = self.task, self.task.training
        rate = learning_rate_at(training, self.epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        task.model.train()
        first = self.epoch * self.steps
        moved = [task.source, task.streams, self.order, *filter(None, [task.objective])]
        while self.step_in_epoch < self.steps:
            preemption.check()
            step = partial(self.step, first + self.step_in_epoch, rate)
            for key, value in task.parts.attempt(step, moved).items():
                self.records.setdefault(key, []).append(value)
            self.step_in_epoch += 1
        records = {key: torch.stack(values) for key, values in self.records.items()}
        self._refuse_infinite(records, first)
        self.records, self.step_in_epoch = {}, 0
        self.epoch += 1
        val_accuracy = accuracy(task.model, task.validation, training.evaluation_batch_size)
        row = {"epoch": self.epoch, "learning_rate": rate, "val_accuracy": val_accuracy}
        row |= {key: values.mean().item() for key, values in records.items()}
        self.history.append(row)
        later_wins = training.equal_epochs == "last" and val_accuracy == self.best_accuracy
        if val_accuracy > self.best_accuracy or later_wins:
            self.best_epoch, self.best_accuracy = self.epoch, val_accuracy
            self.best_weights = {name: v.clone() for name, v in task.model.state_dict().items()}
        return row

    def _refuse_infinite(self, records: dict[str, Tensor], first: int) -> None:
        """Raise UserError if a loss of the epoch, whose first step is `first`, is not finite."""
        for key in ("labeled_loss", "unlabeled_loss"):  # recorded at every step
            if key in records and not torch.isfinite(records[key]).all():
                number = first + torch.isfinite(records[key]).logical_not().nonzero()[0].item()
                raise not_finite("the loss is", f" at step {number} (epoch {self.epoch + 1})")

    def step(self, number: int, rate: float) -> dict[str, Tensor]:
        """One training step; returns what to record."""
        task, model = self.task, self.task.model
        with task.streams.use("labeled_order"):
            x, y = task.labeled.whole(self.order.next(self.batch_size))
        with task.streams.use("labeled_views"):
            x = self.labeled_view(x)
        self.optimizer.zero_grad()
        labeled_loss = F.cross_entropy(task.parts.logits(x), y)
        labeled_loss.backward()  # once for Alg. 1, lines 7 and 11, which need it at the same theta
        record = {"labeled_loss": labeled_loss.detach()}
        if task.objective is not None:
            step = Step(
                model=model,
                objective=task.objective,
                weak=self.weak,
                strong=self.strong,
                x=x,
                y=y,
                labeled_gradient=[p.grad for p in model.trained],
                learning_rate=rate,
                lambda_=task.lambda_,
                number=number,
            )
            images = task.source.for_step(step)
            record |= images.record
            record["unlabeled_loss"] = self._unlabeled_loss(images)
        self.optimizer.step()
        return record

    def _unlabeled_loss(self, images: Images) -> Tensor:
        """Add the gradient of lambda times the objective to the model's. Alg. 1, line 11."""
        task = self.task
        with task.streams.use("views"):
            x_weak, x_strong = self.weak(images.pixels), self.strong(images.pixels)
        all_move = task.training.running_statistics == "all"
        with nullcontext() if all_move else task.model.statistics_frozen():
            loss = task.objective.on_views(
                task.model, x_weak, x_strong, update=True, classes=images.classes
            )
        (task.lambda_ * loss).backward()
        return loss.detach()

    def state_dict(self) -> dict:
        """Everything that the steps to come depend on."""
        task = self.task
        return {
            "identity": task.identity,
            "epoch": self.epoch,
            "step_in_epoch": self.step_in_epoch,
            "records": {key: torch.stack(values) for key, values in self.records.items()},
            "model": task.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "source": task.source.state_dict(),
            "objective": task.objective.state_dict() if task.objective is not None else {},
            "streams": task.streams.state_dict(),
            "order": self.order.state_dict(),
            "best": (self.best_epoch, self.best_accuracy, self.best_weights),
            "history": self.history,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from `state`, which `state_dict` returned."""
        task = self.task
        self.epoch, self.step_in_epoch = state["epoch"], state["step_in_epoch"]
        device = task.labeled.labels.device
        self.records = {key: [*values.to(device)] for key, values in state["records"].items()}
        task.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        task.source.load_state_dict(state["source"])
        if task.objective is not None:
            task.objective.load_state_dict(state["objective"])
        task.streams.load_state_dict(state["streams"])
        self.order.load_state_dict(state["order"])
        self.best_epoch, self.best_accuracy, self.best_weights = state["best"]
        self.history = state["history"]
        self.seconds = state["seconds"]


def _line(row: dict, epochs: int) -> str:
    losses = "  ".join(f"{k} {v:.4f}" for k, v in row.items() if k.endswith("_loss"))
    return f"epoch {row['epoch']:>3}/{epochs}  {losses}  val_accuracy {row['val_accuracy']:.2f} %"

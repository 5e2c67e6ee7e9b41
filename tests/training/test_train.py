"""The training loop: schedule, resume, pairing of methods, broken losses, best epoch."""

import pytest
import torch
from torch import nn

from mpssl.common.errors import UserError
from mpssl.config.method import Lmo
from mpssl.config.training import Augmentation, RandAugment, Training, Views
from mpssl.data.batches import batches_of
from mpssl.data.store import Packed
from mpssl.models.classifier import Classifier
from mpssl.training import checkpoint
from mpssl.training.objectives import build_objective
from mpssl.training.rng import Streams
from mpssl.training.sources import build_source
from mpssl.training.sources.base import Ingredients
from mpssl.training.train import Loop, Task, learning_rate_at, train

CLASSES, SIZE, CPU = 3, 16, torch.device("cpu")
METHODS = [
    ("none", "none", {}),
    ("real", "freematch", {"threshold_momentum": 0.9, "fairness_weight": 0.05}),
    ("uniform", "scr", {}),
    ("pseudo", "fixmatch", {"confidence_threshold": 0.3}),
    ("lmo", "scr", {}),
    ("lmo", "freematch", {"threshold_momentum": 0.9, "fairness_weight": 0.05}),
]


class ToyGenerator(nn.Module):
    """A frozen linear generator with the interface of FrozenGenerator."""

    z_dim, classes = 4, 5

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.linear = nn.Linear(self.z_dim + self.classes, 3 * SIZE * SIZE)
        self.requires_grad_(False)

    def forward(self, z, y):
        return self.linear(torch.cat([z, y], dim=1)).view(-1, 3, SIZE, SIZE).sigmoid()


def toy_task(source="none", objective="none", options=None, *, seed=0, **training) -> Task:
    torch.manual_seed(1)
    images = torch.randint(0, 256, (60, SIZE, SIZE, 3), dtype=torch.uint8).numpy()
    labels = (torch.arange(60) % CLASSES).numpy()
    packed = Packed(images, labels, list("abc"), pool=60, digest="toy")
    streams = Streams(seed, CPU)
    normalization = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    with streams.use("initial_weights"):
        model = Classifier("resnet8", CLASSES, *normalization)
    torch.manual_seed(3)
    foundation_classifier = Classifier("resnet8", ToyGenerator.classes, *normalization).eval()
    validation = batches_of(packed, range(20, 36), SIZE, CPU)
    unlabeled = batches_of(packed, range(36, 60), SIZE, CPU)
    lmo = Lmo(mapper_learning_rate=1e-2, converter_learning_rate=1e-2, record_every=2)
    ingredients = Ingredients(
        classes=CLASSES,
        device=CPU,
        streams=streams,
        ratio=1,
        generator=ToyGenerator(),
        foundation_classifier=foundation_classifier,
        unlabeled=unlabeled,
        validation=validation,
        lmo=lmo,
    )
    plain = Views(crop="padded", padding=2, flip=False)
    strong = plain.model_copy(
        update={"randaugment": RandAugment(n=1, m=10, operations=["rotate", "contrast"])}
    )
    defaults = {"epochs": 4, "steps_per_epoch": 2, "batch_size": 6, "image_size": SIZE}
    return Task(
        training=Training(**defaults | training),
        augmentation=Augmentation(labeled=plain, weak=plain, strong=strong),
        model=model,
        source=build_source(source, ingredients),
        objective=build_objective(objective, CLASSES, options or {})
        if objective != "none"
        else None,
        weight=0.5,
        labeled=batches_of(packed, range(20), SIZE, CPU),
        validation=validation,
        streams=streams,
        identity={"method": source + objective, "seed": seed},
    )


def test_step_schedule_of_the_paper():
    training = Training()
    rates = [learning_rate_at(training, epoch) for epoch in (0, 59, 60, 119, 120, 159, 160, 199)]
    expected = [0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5]
    assert rates == pytest.approx(expected)


def test_step_schedule_scales_with_the_epochs():
    training = Training(epochs=10)
    rates = [learning_rate_at(training, epoch) for epoch in range(10)]
    assert rates == pytest.approx([0.01] * 3 + [1e-3] * 3 + [1e-4] * 2 + [1e-5] * 2)


@pytest.mark.parametrize(("source", "objective", "options"), METHODS)
def test_resumed_training_equals_undisturbed_training_bit_for_bit(
    tmp_path, source, objective, options
):
    whole = toy_task(source, objective, options)
    outcome = train(whole, tmp_path / "whole.pt")

    half = Loop(toy_task(source, objective, options))
    half.run_epoch(), half.run_epoch()
    checkpoint.save(tmp_path / "half.pt", half.state_dict())
    torch.manual_seed(12345)  # a new process draws from elsewhere
    resumed = toy_task(source, objective, options)
    resumed_outcome = train(resumed, tmp_path / "half.pt")

    assert len(resumed_outcome.history) == 4
    assert resumed_outcome.history == outcome.history
    assert resumed_outcome.best_epoch == outcome.best_epoch
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_a_checkpoint_of_other_settings_is_not_resumed(tmp_path):
    train(toy_task(seed=0), tmp_path / "c.pt")
    other = Loop(toy_task(seed=1))
    assert train(toy_task(seed=1), tmp_path / "c.pt").history[0]["epoch"] == 1
    assert other.epoch == 0


def test_methods_share_initial_weights_and_labeled_batches():
    seen = []
    for source, objective, options in METHODS:
        task = toy_task(source, objective, options)
        loop = Loop(task)
        batches = []
        view = loop.labeled_view

        def keep(x, view=view, batches=batches):
            x = view(x)
            batches.append(x.clone())
            return x

        loop.labeled_view = keep
        initial = task.model.head.weight.clone()
        loop.run_epoch()
        seen.append((initial, torch.stack(batches)))
    for initial, batches in seen[1:]:
        assert torch.equal(initial, seen[0][0])
        assert torch.equal(batches, seen[0][1])


@pytest.mark.parametrize(("source", "objective", "options"), METHODS[1:])
def test_the_objective_changes_the_training(source, objective, options):
    base, other = toy_task(), toy_task(source, objective, options)
    Loop(base).run_epoch()
    row = Loop(other).run_epoch()
    assert row["unlabeled_loss"] != 0
    base_weights = torch.cat([p.flatten() for p in base.model.backbone.parameters()])
    weights = torch.cat([p.flatten() for p in other.model.backbone.parameters()])
    assert (base_weights - weights).abs().max() > 1e-6


@pytest.mark.parametrize(("statistics", "moved"), [("labeled", False), ("all", True)])
def test_running_statistics_follow_the_forwards_that_the_key_names(statistics, moved):
    base = toy_task()
    other = toy_task("uniform", "scr", running_statistics=statistics)
    Loop(base).step(0, 0.0)  # at a learning rate of 0 only the statistics can move
    loop = Loop(other)
    for group in loop.optimizer.param_groups:
        group["lr"] = 0.0
    loop.step(0, 0.0)
    same = torch.equal(base.model.backbone[1].running_mean, other.model.backbone[1].running_mean)
    assert same is not moved


def test_a_loss_that_is_not_finite_stops_with_its_step():
    task = toy_task(learning_rate=1.0)
    loop = Loop(task)
    loop.run_epoch()
    with torch.no_grad():
        task.model.head.weight.fill_(float("nan"))
    with pytest.raises(UserError, match=r"not finite at step 2 \(epoch 2\)"):
        loop.run_epoch()


@pytest.mark.parametrize(("rule", "epoch"), [("last", 3), ("first", 2)])
def test_best_epoch_and_its_weights(tmp_path, monkeypatch, rule, epoch):
    accuracies = iter([50.0, 70.0, 70.0, 60.0])
    monkeypatch.setattr("mpssl.training.train.accuracy", lambda *_: next(accuracies))
    task = toy_task(equal_epochs=rule)
    outcome = train(task, tmp_path / "c.pt")
    assert (outcome.best_epoch, outcome.validation_accuracy) == (epoch, 70.0)

    accuracies = iter([0.0] * 4)
    again = Loop(toy_task())
    for _ in range(epoch):
        again.run_epoch()
    for name, value in again.task.model.state_dict().items():
        assert torch.equal(value, task.model.state_dict()[name]), name


def test_one_step_is_nesterov_sgd_on_the_sum_of_both_losses():
    """The first Nesterov step from rest moves by lr * (1 + momentum) * gradient."""
    task = toy_task("uniform", "scr")
    before = [p.detach().clone() for p in task.model.parameters()]
    gradients = []
    loop = Loop(task)
    step = loop.optimizer.step
    loop.optimizer.step = lambda: (
        gradients.extend(p.grad.clone() for p in task.model.parameters()),
        step(),
    )
    loop.step(0, task.training.learning_rate)
    for old, new, gradient in zip(before, task.model.parameters(), gradients, strict=True):
        assert torch.allclose(new, old - 0.01 * 1.9 * gradient, atol=1e-7)

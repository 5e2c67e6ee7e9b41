"""The training loop: schedule, resume, pairing of methods, broken losses, best epoch."""

import pytest
import torch

from benchmarks.gpu_check import smaller
from mpssl.common.errors import UserError
from mpssl.config.reading import load
from mpssl.config.training import Training
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import random_generator, random_task
from mpssl.training import checkpoint
from mpssl.training.train import Loop, learning_rate_at, train
from tests.support.toys import CPU, METHODS, TASK_SIDE, ToyBatches, toy_task


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
    first = train(toy_task(seed=0), tmp_path / "c.pt")
    other = train(toy_task(seed=1), tmp_path / "c.pt")
    assert other.history == train(toy_task(seed=1), tmp_path / "from_scratch.pt").history
    assert other.history != first.history


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


@pytest.mark.parametrize(("sampling", "counts"), [("shuffled", [20, 4]), ("balanced", [12, 12])])
def test_labeled_batches_are_sampled_as_the_key_says(sampling, counts):
    """Of 20 images of one class and 4 of another, in a pass of four batches of six."""
    task, seen = toy_task(labeled_sampling=sampling, steps_per_epoch=4), []
    labels = torch.cat([torch.zeros(20), torch.ones(4)]).long()
    task.labeled = ToyBatches(torch.rand(24, 3, TASK_SIDE, TASK_SIDE), labels)
    whole = task.labeled.whole
    task.labeled.whole = lambda rows: (seen.append(rows), whole(rows))[1]
    Loop(task).run_epoch()
    assert torch.bincount(labels[torch.cat(seen)]).tolist() == counts


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


def test_two_steps_with_weight_decay_are_nesterov_sgd_by_hand():
    """v <- momentum * v + g, then theta <- theta - lr * (g + momentum * v), with the decay in g."""
    task = toy_task("uniform", "scr", weight_decay=0.1, momentum=0.8)
    loop, velocity = Loop(task), None
    step, gradients = loop.optimizer.step, []
    loop.optimizer.step = lambda: (
        gradients.append([p.grad.clone() for p in task.model.parameters()]),
        step(),
    )
    for number in range(2):
        before = [p.detach().clone() for p in task.model.parameters()]
        loop.step(number, task.training.learning_rate)
        decayed = [g + 0.1 * p for g, p in zip(gradients[-1], before, strict=True)]
        old = velocity or [torch.zeros_like(g) for g in decayed]
        velocity = [0.8 * v + g for v, g in zip(old, decayed, strict=True)]
        expected = [
            p - 0.01 * (g + 0.8 * v) for p, g, v in zip(before, decayed, velocity, strict=True)
        ]
        for new, value in zip(task.model.parameters(), expected, strict=True):
            torch.testing.assert_close(new.detach(), value, atol=1e-7, rtol=1e-5)


def test_the_step_follows_the_schedule_in_the_optimizer_and_in_the_look_ahead():
    task = toy_task("lmo", "scr", milestones=[0.5], decay=0.5, learning_rate=0.04)
    loop, for_step = Loop(task), task.source.for_step
    looked_ahead, stepped = [], []
    task.source.for_step = lambda step: (
        looked_ahead.append(step.learning_rate),
        stepped.append(loop.optimizer.param_groups[0]["lr"]),
        for_step(step),
    )[-1]
    for _ in range(4):
        loop.run_epoch()
    # Two steps an epoch; half of the rate from the third of four epochs on.
    assert looked_ahead == stepped == pytest.approx([0.04] * 4 + [0.02] * 4)


def test_lambda_scales_the_gradient_of_the_objective():
    gradients = []
    for lambda_ in (0.0, 0.5, 1.0):
        task = toy_task("uniform", "scr")
        task.lambda_ = lambda_
        Loop(task).step(0, task.training.learning_rate)
        gradients.append(torch.cat([p.grad.flatten() for p in task.model.parameters()]))
    labeled, half, whole = gradients
    assert (whole - labeled).abs().max() > 1e-4
    torch.testing.assert_close(whole - labeled, 2 * (half - labeled), atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize(("part", "moves"), [("all", True), ("head", False)])
def test_the_features_are_trained_or_left(part, moves):
    config = smaller(load("config/mini.yaml"), batch=6)
    training = config.training.model_copy(update={"train": part})
    plan = Plan(config.model_copy(update={"training": training}))
    cell = cell_of("generative/pssl", Column("mnist", 24, "resnet8"))
    task = random_task(plan, cell, CPU, random_generator(Experiment(config)))
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    task.model.train()
    Loop(task).step(1, 0.1)
    state = task.model.state_dict()
    moved = {name for name, value in state.items() if (value != before[name]).any()}
    assert {"head.weight", "head.bias"} <= moved
    assert any(name.startswith("backbone.") for name in moved) == moves

"""How the weights of a run begin and move, and what two seeds share.

Every run here is a real one of `wiring_world`; what is expected is read from the split's file or
worked out by hand.
"""

import pytest
import torch

from tests.support.wiring_content import (
    SHORT,
)
from tests.support.wiring_steps import (
    ALL,
    GENERATIVE,
    RATES,
    STEPS,
    TRANSFER,
    close,
    cosine,
    edges,
    fixmatch,
    gradient,
    nesterov,
    of_backbone,
    order,
    same,
    same_step,
)

# ------------------------------------------------------------------------------------ the optimizer


@pytest.mark.parametrize(
    ("row", "distance"),
    [("base/base", None), ("oracle/scr", cosine), ("oracle/fixmatch", fixmatch)]
    + [(row, cosine) for row in (*TRANSFER, *GENERATIVE)],
)
def test_each_step_is_that_of_nesterov_sgd_by_hand(world, row, distance):
    """Weight decay, momentum, schedule, lambda, the objective with its options, the statistics."""
    recording, velocity = world.run(row), {}
    steps = recording.steps
    after = [s.labeled.state for s in steps[1:]] + [recording.evaluations[-2].state]
    for step, state in zip(steps, after, strict=True):
        views = step.others[-1] if distance else None
        gradients, forwarded = gradient(world, step.labeled, views, distance)
        parameters = {name: step.labeled.state[name] for name in gradients}
        expected = nesterov(parameters, gradients, velocity, RATES[step.epoch])
        same_step(step.labeled.state, state, expected)
        for name in forwarded.keys() - expected.keys():
            close(state[name], forwarded[name])  # the running statistics


def test_the_history_has_the_learning_rates_of_the_schedule(world):
    assert world.run("base/base").history.learning_rate.tolist() == pytest.approx(RATES)


@pytest.mark.parametrize(("weight", "value"), [("0.125", 0.125), ("selected", 0.25)])
def test_lambda_is_that_of_the_runs_name_or_of_the_search(world, weight, value):
    world.select("generative/naive", 0.25)
    recording = world.run("generative/naive", lambda_=weight, training=SHORT)
    assert recording.record.lambda_ == value
    first, second = recording.steps
    gradients, _ = gradient(world, first.labeled, first.others[0], weight=value)
    parameters = {name: first.labeled.state[name] for name in gradients}
    expected = nesterov(parameters, gradients, {}, RATES[0])
    same_step(first.labeled.state, second.labeled.state, expected)


@pytest.mark.parametrize(("statistics", "moved"), [("labeled", False), ("all", True)])
def test_unlabeled_images_move_the_running_statistics_if_the_key_says_so(world, statistics, moved):
    changes = {} if statistics == "labeled" else {"training": SHORT | {"running_statistics": "all"}}
    for step in world.run("generative/naive", **changes).steps:
        assert step.labeled.moves_statistics
        assert step.others[0].training
        assert step.others[0].moves_statistics is moved


# ------------------------------------------------------------------------------ the initial weights


@pytest.mark.parametrize("architecture", ["resnet8", "resnet14"])
@pytest.mark.parametrize("row", ["base/base", "generative/pssl"])
def test_training_starts_from_the_foundation_classifiers_features(world, row, architecture):
    changes = {} if architecture == "resnet8" else {"training": SHORT}
    recording = world.run(row, architecture=architecture, **changes)
    start = recording.steps[0].labeled.state
    assert same(of_backbone(start), of_backbone(world.foundation_classifier[architecture]))


def test_training_starts_from_random_features_of_the_seed_if_it_is_not_to_be_pretrained(world):
    training = SHORT | {"pretrained": False}
    runs = [world.run("base/base", seed, training=training) for seed in (0, 1)]
    starts = [run.steps[0].labeled.state for run in runs]
    known = world.foundation_classifier["resnet8"]
    name = "backbone.0.weight"  # of the first convolution
    assert not torch.allclose(starts[0][name], known[name])
    assert not torch.allclose(starts[0][name], starts[1][name])
    assert [len(run.steps) for run in runs] == [2, 2]  # training.steps_per_epoch
    assert all(run.record.digests.foundation_classifier is None for run in runs)


@pytest.mark.parametrize("row", ALL)
def test_only_the_classifier_itself_is_trained(world, row):
    recording = world.run(row)
    known = world.foundation_classifier["resnet8"]
    first, last = recording.steps[0].labeled, recording.steps[-1].labeled
    assert all(
        not torch.equal(first.state[name], last.state[name])
        for name in ("head.weight", "backbone.0.weight")
    )
    for who, event in recording.events:
        if who == "teacher":
            assert same(event.state, known)
        assert event.needs_gradient is (who == "student")


# ------------------------------------------------------------------------------------------- seeds


def test_two_seeds_differ_in_labeled_order_views_and_initial_head(world):
    first, second = (world.run("base/base", seed).steps for seed in (0, 1))
    assert order(first[:STEPS]) != order(second[:STEPS])
    assert not torch.equal(edges(first[:STEPS]), edges(second[:STEPS]))
    head = "head.weight"
    assert not torch.allclose(first[0].labeled.state[head], second[0].labeled.state[head])


def test_two_epochs_differ_in_labeled_order_and_views(world):
    steps = world.run("base/base").steps
    assert order(steps[:STEPS]) != order(steps[STEPS : 2 * STEPS])
    assert not torch.equal(edges(steps[:STEPS]), edges(steps[STEPS : 2 * STEPS]))


@pytest.mark.parametrize("row", ["oracle/scr", "transfer/scr"])
def test_two_seeds_differ_in_the_order_of_real_unlabeled_images(world, row):
    runs = [world.run(row), world.run(row, 1, training=SHORT)]
    orders = [[s.others[0].rows for s in run.steps[:2]] for run in runs]
    assert orders[0] != orders[1]


@pytest.mark.parametrize("row", GENERATIVE)
def test_two_seeds_differ_in_latents_in_training_and_in_snapshots(world, row):
    runs = [world.run(row), world.run(row, 1, training=SHORT)]
    first, second = (run.steps[0].made[0].z for run in runs)
    assert not torch.allclose(first, second)
    first, second = (
        torch.cat([event.z for who, event in run.before if who == "generator"]) for run in runs
    )
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("row", ALL[1:])
def test_methods_of_one_seed_share_labeled_order_views_and_initial_weights(world, row):
    base, other = world.run("base/base").steps, world.run(row).steps
    for one, another in zip(base, other, strict=True):
        assert torch.equal(one.labeled.images, another.labeled.images)
    assert same(base[0].labeled.state, other[0].labeled.state)

"""Which images, weights and settings reach each part of a run, from the files to the record.

Every run here is a real one of `wiring_world`; what is expected is read from the split's file or
worked out by hand.
"""

import io
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mpssl.common.errors import UserError
from tests.support.wiring_world import (
    BATCH,
    CENTRE,
    EDGE,
    EPOCHS,
    FOUNDATION_POOL,
    MEAN,
    NAMES,
    PACKED,
    POOL,
    RATIO,
    SHORT,
    SIDE,
    STD,
    TAIL,
    TEST,
    World,
)

ORACLE, TRANSFER = ["oracle/scr", "oracle/fixmatch"], ["transfer/scr"]
GENERATIVE = ["generative/naive", "generative/pssl", "generative/mpssl"]
ALL = ["base/base", *ORACLE, *TRANSFER, *GENERATIVE]
STEPS = 4  # an epoch: one pass over the 24 images of D
RATES = [0.05, 0.05, 0.0125]  # a quarter from half of the three epochs on
MOMENTUM, DECAY, WEIGHT = 0.8, 0.05, 0.5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("wiring"))


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


# ------------------------------------------------------------------------------- the split's images


@pytest.mark.parametrize("fraction", [30, 60])
def test_the_parts_of_this_world_are_disjoint_and_of_the_sizes_that_the_tests_take(world, fraction):
    parts = world.parts(fraction)
    sizes = {name: len(rows) for name, rows in parts.items()}
    labeled = POOL * fraction // 100
    assert sizes == {
        "labeled": labeled * 2 // 3,
        "validation": labeled // 3,
        "unlabeled": POOL - labeled + TAIL,
        "test": TEST,
        "foundation": FOUNDATION_POOL,
    }
    assert len(set().union(*parts.values())) == sum(sizes.values())


@pytest.mark.parametrize("row", ALL)
def test_every_epoch_trains_once_on_each_image_of_d_and_its_own_label(world, row):
    recording = world.run(row)
    steps = recording.steps
    assert len(steps) == EPOCHS * STEPS
    for epoch in range(EPOCHS):
        of_epoch = [s for s in steps if s.epoch == epoch]
        rows = order(of_epoch)
        assert len(rows) == STEPS * BATCH
        assert set(rows) == world.parts()["labeled"]
        losses = [F.cross_entropy(s.labeled.logits, world.labels_of(s.labeled)) for s in of_epoch]
        recorded = recording.history.labeled_loss[epoch]
        assert recorded == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("row", "part"), [(r, "unlabeled") for r in ORACLE] + [(r, "foundation") for r in TRANSFER]
)
def test_real_unlabeled_images_are_all_of_d_u_or_of_the_foundation(world, row, part):
    # 3 * 24 images an epoch of 30 in D_u, 2 * 24 of 40 in the foundation: the first sees them all.
    steps = world.run(row).steps
    assert all(len(s.others) == 1 for s in steps)
    seen = [r for s in steps if s.epoch == 0 for r in s.others[0].rows]
    assert set(seen) == world.parts()[part]
    assert {r for s in steps for r in s.others[0].rows} == world.parts()[part]


@pytest.mark.parametrize("row", GENERATIVE)
def test_unlabeled_images_of_generative_methods_are_the_generators(world, row):
    for step in world.run(row).steps:
        weak, _ = step.others[-1].images.chunk(2)  # the weak view here is the image itself
        assert torch.equal(weak, step.made[-1].images)


@pytest.mark.parametrize("row", [*ORACLE, *TRANSFER, *GENERATIVE])
def test_the_ratio_of_the_setting_says_how_many_unlabeled_images_there_are(world, row):
    for step in world.run(row).steps:
        assert len(step.others[-1].rows) == 2 * RATIO[row.split("/")[0]] * BATCH  # two views


def test_the_base_method_sees_labeled_images_alone(world):
    recording = world.run("base/base")
    assert all(not s.others for s in recording.steps)
    assert {who for who, _ in recording.events} == {"student"}


def test_a_run_takes_the_split_of_its_label_fraction(world):
    # 12 images of D: 2 steps an epoch; 4 steps of 18 unlabeled images, of 48 in D_u.
    recording = world.run("oracle/scr", fraction=30, training={"epochs": 2})
    parts = world.parts(30)
    assert set(order(recording.steps)) == parts["labeled"]
    assert {r for s in recording.steps for r in s.others[0].rows} == parts["unlabeled"]
    assert [set(e.rows) for e in recording.evaluations] == [parts["validation"]] * 2 + [
        parts["test"]
    ]


def test_images_that_are_streamed_from_the_file_train_the_same_run(world):
    for row in ("transfer/scr", "generative/mpssl"):
        streamed = world.run(row, training=SHORT, resident_images=0.0)
        assert len(streamed.steps) == 2
        for one, other in zip(streamed.steps, world.run(row).steps, strict=False):
            passes = [one.labeled, *one.others], [other.labeled, *other.others]
            for p, q in zip(*passes, strict=True):
                assert torch.equal(p.images, q.images)
                assert same(p.state, q.state)
        validation, test = streamed.evaluations
        assert set(validation.rows) == world.parts()["validation"]
        assert set(test.rows) == world.parts()["test"]
        assert streamed.record.test_accuracy == pytest.approx(test.accuracy)


# ------------------------------------------------------------------------------------------- views


def test_labeled_weak_and_strong_views_are_each_their_own(world):
    """Labeled: a random crop of the packed image; weak: its centre; strong: the centre, padded."""
    steps = world.run("oracle/scr").steps
    labeled = [s.labeled for s in steps]
    assert all(p.images.shape[1:] == (3, SIDE, SIDE) for p in labeled)
    assert torch.cat([p.border for p in labeled]).any()
    assert not torch.cat([p.padded for p in labeled]).any()
    padded = [s.others[0].padded.chunk(2) for s in steps]
    assert not torch.cat([weak for weak, _ in padded]).any()
    assert torch.cat([strong for _, strong in padded]).any()
    for step in steps:
        assert not step.others[0].border.any()
        weak, strong = step.others[0].rows[: 3 * BATCH], step.others[0].rows[3 * BATCH :]
        assert weak == strong


# -------------------------------------------------------------------------------------- evaluation


@pytest.mark.parametrize("row", ALL)
def test_validation_is_on_d_val_after_each_epoch_and_the_test_images_come_once(world, row):
    parts = world.parts()
    evaluations = world.run(row).evaluations
    expected = [parts["validation"]] * EPOCHS + [parts["test"]]
    assert [set(e.rows) for e in evaluations] == expected
    assert [len(e.rows) for e in evaluations] == [len(part) for part in expected]
    for evaluation in evaluations:
        for p in evaluation.passes:
            assert len(p.rows) <= 8  # training.evaluation_batch_size
            assert ((255 * p.images[:, 2]).round() == CENTRE).all()
            assert p.images.shape[2:] == (SIDE, SIDE)


SPOILED = {"decay": 20.0, "milestones": [0.6]}  # a learning rate of 1 in the last epoch


@pytest.mark.parametrize(("row", "training"), [*((row, {}) for row in ALL), ("base/base", SPOILED)])
def test_accuracies_by_hand_decide_on_the_epoch_whose_weights_are_tested_and_kept(
    world, row, training
):
    recording = world.run(row, training=training) if training else world.run(row)
    record, (*validations, test) = recording.record, recording.evaluations
    accuracies = [v.accuracy for v in validations]
    assert recording.history.val_accuracy.tolist() == pytest.approx(accuracies)
    best = accuracies.index(max(accuracies))  # equal_epochs: first
    assert record.best_epoch == best + 1
    assert record.val_accuracy == pytest.approx(accuracies[best])
    assert record.test_accuracy == pytest.approx(test.accuracy)
    assert same(test.state, validations[best].state)
    assert same(recording.weights, test.state)


@pytest.mark.parametrize("row", ["base/base", "generative/mpssl"])
def test_the_predictions_of_the_test_images_are_kept_in_their_order(world, row):
    recording = world.run(row)
    kept = np.load(io.BytesIO(recording.files["predictions.npz"]))
    logits = torch.cat([p.logits for p in recording.evaluations[-1].passes])
    assert kept["label"].tolist() == world.labels[POOL : POOL + TEST].tolist()
    assert kept["predicted"].tolist() == logits.argmax(dim=1).tolist()
    expected = logits.softmax(dim=1).amax(dim=1)
    assert kept["probability"] == pytest.approx(expected.numpy(), abs=1e-3)
    kinds = {name: kept[name].dtype for name in kept.files}
    assert kinds == {"label": np.uint16, "predicted": np.uint16, "probability": np.float16}
    assert "predictions.npz" in recording.record.files


def test_the_foundation_map_of_lmo_is_kept_and_of_no_other_source(world):
    recording = world.run("generative/mpssl")
    kept = np.load(io.BytesIO(recording.files["converter.npz"]))["rows"]
    assert kept.dtype == np.float16
    assert kept.sum(axis=1) == pytest.approx(1, abs=0.01)
    statistics = recording.record.source_statistics
    assert kept.max(axis=1).mean() == pytest.approx(statistics["converter_largest"], rel=1e-3)
    assert "converter.npz" in recording.record.files
    assert "converter.npz" not in world.run("generative/naive").record.files


def test_the_best_epoch_is_not_always_the_first_or_the_last(world):
    """Else the test before this one could not tell them apart."""
    assert world.run("base/base", training=SPOILED).record.best_epoch < EPOCHS
    assert any(world.run(row).record.best_epoch > 1 for row in ALL)


@pytest.mark.parametrize("row", ["base/base", "oracle/scr", "generative/mpssl"])
def test_feature_norm_is_that_of_d_val_under_the_kept_weights(world, row):
    recording = world.run(row)
    passes = recording.after
    assert {r for p in passes for r in p.rows} == world.parts()["validation"]
    assert sum(len(p.rows) for p in passes) == len(world.parts()["validation"])
    assert all(not p.training and same(p.state, recording.weights) for p in passes)
    norms = torch.cat([p.features.square().sum(dim=1).sqrt() for p in passes])
    assert recording.record.feature_norm == pytest.approx(norms.mean().item(), rel=1e-5)


@pytest.mark.parametrize("row", ["oracle/scr", "generative/naive", "generative/mpssl"])
def test_sample_statistics_compare_images_of_d_with_unlabeled_ones_by_true_class(world, row):
    recording = world.run(row)
    real, unlabeled = recording.measured[-2:]
    assert set(real.rows) <= world.parts()["labeled"]
    assert len(set(real.rows)) == len(unlabeled.rows) == 8  # training.evaluation_batch_size
    if row == "oracle/scr":
        assert set(unlabeled.rows) <= world.parts()["unlabeled"]
    else:
        *_, made = [event for who, event in recording.events if who == "generator"]
        assert torch.equal(unlabeled.images, made.images[:8])
    weights = world.foundation_classifier["resnet8"]
    assert all(same(p.state, weights) and not p.training for p in recording.measured)
    y = world.labels_of(real).tolist()
    pairs = [(i, j) for i in range(8) for j in range(8) if y[i] == y[j]]
    others = [(i, j) for i, j in pairs if i != j]

    def distance(one, other, pairs):
        return torch.stack([(one.features[i] - other.features[j]).norm() for i, j in pairs]).mean()

    within = distance(real, real, others)
    expected = {
        "sample_diversity": (distance(unlabeled, unlabeled, others) / within).item(),
        "sample_distance": (distance(unlabeled, real, pairs) / within).item(),
    }
    assert recording.record.sample_statistics == pytest.approx(expected, rel=1e-3)


def test_samples_are_measured_in_the_trained_features_if_training_starts_from_none(world):
    recording = world.run("oracle/scr", training=SHORT | {"pretrained": False})
    real, unlabeled = recording.after[:2]
    assert set(real.rows) <= world.parts()["labeled"]
    assert set(unlabeled.rows) <= world.parts()["unlabeled"]


@pytest.mark.parametrize("row", GENERATIVE)
def test_snapshots_are_taken_at_the_start_and_the_end_of_all_images_of_d_by_class(world, row):
    recording = world.run(row)
    names = [f"snapshots/epoch-{epoch:04d}" for epoch in (0, EPOCHS)]  # training.snapshots: 2
    files = [f"{name}.{suffix}" for name in names for suffix in ("json", "png")]
    assert sorted(name for name in recording.files if "snapshots" in name) == files
    passes = [event for _, event in recording.before if event in recording.measured]
    assert len(passes) == 6  # real and synthetic images of three classes
    for target, (real, synthetic) in enumerate(zip(passes[::2], passes[1::2], strict=True)):
        rows = {r for r in world.parts()["labeled"] if world.labels[r[1]] == target}
        assert set(real.rows) == rows
        assert synthetic.rows == [None] * len(rows)
    first = json.loads(recording.files["snapshots/epoch-0000.json"])
    assert [entry["class"] for entry in first["classes"]] == [0, 1, 2]


def test_real_unlabeled_images_have_no_snapshots(world):
    assert not any("snapshots" in name for name in world.run("oracle/scr").files)


# ------------------------------------------------------------------------------------ the optimizer


def nesterov(parameters, gradients, velocity, rate):
    """By hand: one step of SGD with weight decay and Nesterov momentum, from rest at first."""
    stepped = {}
    for name, value in parameters.items():
        g = gradients[name] + DECAY * value
        velocity[name] = MOMENTUM * velocity[name] + g if name in velocity else g
        stepped[name] = value - rate * (g + MOMENTUM * velocity[name])
    return stepped


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


# -------------------------------------------------------------------------------------- foundation


@pytest.mark.parametrize("row", GENERATIVE)
def test_the_generator_makes_images_at_the_truncation_of_the_configuration(world, row):
    made = world.run(row).steps[-1].made[-1]
    close(made.images, world.generate(made.z, made.y, 0.5))
    assert (made.images - world.generate(made.z, made.y, 1.0)).abs().max() > 1e-2


def test_uniform_labels_are_one_hot_of_many_classes(world):
    labels = torch.cat([s.made[0].y for s in world.run("generative/naive").steps])
    assert set(labels.unique().tolist()) == {0, 1}
    assert (labels.sum(dim=1) == 1).all()
    assert (labels.sum(dim=0) > 0).all()


def test_pseudo_labels_are_those_of_the_foundation_classifier_for_the_labeled_batch(world):
    model = world.classifier(world.foundation_classifier["resnet8"]).eval()
    for step in world.run("generative/pssl").steps:
        with torch.no_grad():
            expected = model(step.labeled.images).softmax(dim=1)
        (made,) = step.made
        close(made.y, expected.repeat(RATIO["generative"], 1))
        (taught,) = step.taught
        assert not taught.training
        assert torch.equal(taught.images, step.labeled.images)


# --------------------------------------------------------------------------------------------- LMO


def of_lmo(step):
    """The passes of LMO in their order: the objective, the look-ahead, the gap, and line 11's."""
    views, ahead, gap, line_11 = step.others
    return views, ahead, gap, line_11


def test_the_validation_batches_of_lmo_are_images_of_d_val_with_their_labels(world):
    recording = world.run("generative/mpssl")
    for epoch in range(EPOCHS):
        ahead = [of_lmo(s)[1] for s in recording.steps if s.epoch == epoch]
        rows = [row for p in ahead for row in p.rows]
        assert all(len(p.rows) == 4 for p in ahead)  # lmo.validation_batch_size
        assert set(rows) <= world.parts()["validation"]
        if epoch == 0:  # 16 images, of 12 in D_val
            assert set(rows) == world.parts()["validation"]
        assert not any(p.border.any() for p in ahead)
        losses = [F.cross_entropy(p.logits, world.labels_of(p)) for p in ahead]
        recorded = recording.history.meta_validation_loss[epoch]
        assert recorded == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)


def test_a_part_of_d_val_may_be_kept_for_the_choice_of_the_epoch(world):
    part = {"lmo": {"validation_part": 0.5}, "training": SHORT}
    recording = world.run("generative/mpssl", **part)
    learned = {row for s in recording.steps for row in of_lmo(s)[1].rows}
    chose = set(recording.evaluations[0].rows)
    assert len(chose) == recording.record.validation == 6  # of 12
    assert learned and learned <= world.parts()["validation"] - chose
    assert set(world.run("base/base", **part).evaluations[0].rows) == world.parts()["validation"]
    with pytest.raises(UserError, match=r"0\.01 of 12 images of D_val leaves a part empty"):
        world.run("generative/mpssl", lmo={"validation_part": 0.01}, training=SHORT)


def test_the_look_ahead_is_one_plain_step_at_the_present_learning_rate(world):
    """theta' = theta - eta * (labeled gradient + lambda * gradient of the objective)."""
    steps = world.run("generative/mpssl").steps
    assert len({RATES[s.epoch] for s in steps}) == 2
    for step in steps:
        views, ahead, _, _ = of_lmo(step)
        assert views.rows == [None] * 2 * RATIO["generative"] * BATCH
        weak, _ = views.images.chunk(2)
        assert torch.equal(weak, step.made[0].images)
        gradients, _ = gradient(world, step.labeled, views)
        theta = step.labeled.state
        expected = {name: theta[name] - RATES[step.epoch] * g for name, g in gradients.items()}
        same_step(theta, ahead.state, expected)


def test_lmo_leaves_the_running_statistics(world):
    for step in world.run("generative/mpssl").steps:
        assert all(p.training and not p.moves_statistics for p in of_lmo(step))


def test_the_gap_compares_the_labeled_batch_with_the_images_made_for_its_classes(world):
    recording = world.run("generative/mpssl")
    gaps = []
    for step in recording.steps:
        gap = of_lmo(step)[2]
        count = RATIO["generative"] * BATCH
        assert torch.equal(gap.images[:count], step.labeled.images.repeat(2, 1, 1, 1))
        assert torch.equal(gap.images[count:], step.made[0].images)
        real, synthetic = gap.features.chunk(2)
        gaps.append((real - synthetic).square().sum(dim=1).mean())  # Eq. (8)
        for name, value in gap.state.items():  # at theta, after the labeled pass
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                assert torch.equal(value, step.labeled.state[name])
    by_epoch = torch.stack(gaps).view(EPOCHS, STEPS).mean(dim=1)
    assert recording.history.gap.tolist() == pytest.approx(by_epoch.tolist(), rel=1e-4)


def test_the_converter_is_asked_for_the_classes_of_the_labeled_batch(world):
    """Without noise, images of one class have one foundation label, and each class its own."""
    recording = world.run("generative/mpssl/soft", training={"epochs": 1})
    pairs = [(step.labeled, step.made[-1]) for step in recording.steps]
    *_, of_samples = [event for who, event in recording.events if who == "generator"]
    pairs.append((recording.measured[-2], of_samples))  # the images that the record measures
    for labeled, made in pairs:
        y = world.labels_of(labeled).repeat(RATIO["generative"])
        for i in range(len(y)):
            for j in range(len(y)):
                assert torch.equal(made.y[i], made.y[j]) is (y[i] == y[j]).item()


def test_lmo_learns_at_the_steps_of_the_whole_training_that_its_key_names(world):
    steps = world.run("generative/mpssl/third", training={"epochs": 2}).steps
    learned = [number for number, step in enumerate(steps) if len(step.others) > 1]
    assert learned == [0, 3, 6]  # lmo.adapt_every: 3, of 2 * 4 steps


def test_a_variant_changes_lmo_in_its_own_runs(world):
    without = world.run("generative/mpssl/no_gap", training=SHORT)
    assert "gap" not in without.history
    assert all(len(s.others) == 3 for s in without.steps)
    assert "gap" in world.run("generative/mpssl").history


# -------------------------------------------------------------------------------------- the record


@pytest.mark.parametrize("row", ALL)
def test_the_record_says_which_run_it_is_of_and_from_which_files_it_was_made(world, row):
    record = world.run(row).record
    assert (record.experiment, record.run) == ("wiring", world.run(row).run)
    assert record.run.cell.id == f"target/60/{row}/default/resnet8"
    assert (record.run.seed, record.lambda_) == (0, 0 if row == "base/base" else WEIGHT)
    assert (record.labeled, record.validation) == (24, 12)
    inputs = {"data", "split", "foundation_classifier"}
    inputs |= {"generator"} if row in GENERATIVE else set()
    inputs |= {"foundation_images"} if row in TRANSFER else set()
    digests = record.digests.model_dump(exclude_none=True)
    assert set(digests) == inputs | {"code", "configuration"}
    assert {key: digests[key] for key in inputs} == {key: world.digests[key] for key in inputs}


def test_the_model_file_says_all_that_its_use_needs(world):
    described = world.run("base/base", architecture="resnet14", training=SHORT).described
    assert described.architecture == "resnet14"
    assert described.classes == NAMES
    assert (described.packing_size, described.image_size) == (PACKED, SIDE)
    assert (described.mean, described.std) == (MEAN, STD)


def test_the_record_of_another_seed_says_so(world):
    assert world.run("base/base", 1).record.run.seed == 1


# ----------------------------------------------------------------------------------- the checkpoint


@pytest.mark.parametrize(
    ("between", "changes", "steps"),
    [
        (lambda world: None, {}, 0),
        (lambda world: world.select("generative/naive", 0.75), {}, 2),
        (lambda world: None, {"training": SHORT | {"learning_rate": 0.06}}, 2),
        (World.change_split, {}, 2),
        (World.change_generator, {}, 2),
    ],
    ids=["nothing", "lambda", "settings", "split", "generator"],
)
def test_a_checkpoint_is_resumed_unless_something_that_the_run_depends_on_has_changed(
    world, between, changes, steps
):
    world.select("generative/naive", 0.25)
    with world.restored():
        again = world.run_twice("generative/naive", lambda: between(world), **changes)
    assert len(again.steps) == steps
    assert len(again.history) == 1

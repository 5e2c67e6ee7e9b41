"""What a run is validated and tested on, what it leaves, and when it is resumed.

Every run here is a real one of `wiring_world`; what is expected is read from the split's file or
worked out by hand.
"""

import io
import json

import numpy as np
import pytest
import torch

from tests.support.wiring_content import (
    CENTRE,
    EPOCHS,
    MEAN,
    NAMES,
    PACKED,
    POOL,
    SHORT,
    SIDE,
    STD,
    TEST,
)
from tests.support.wiring_steps import (
    ALL,
    GENERATIVE,
    TRANSFER,
    WEIGHT,
    same,
)
from tests.support.wiring_world import World

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

"""Which images generative methods are given, and from what latent meta-optimization learns.

Every run here is a real one of `wiring_world`; what is expected is read from the split's file or
worked out by hand.
"""

import pytest
import torch
import torch.nn.functional as F

from mpssl.common.errors import UserError
from tests.support.wiring_content import (
    BATCH,
    EPOCHS,
    RATIO,
    SHORT,
)
from tests.support.wiring_steps import (
    GENERATIVE,
    RATES,
    STEPS,
    close,
    gradient,
    same_step,
)

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

"""Which images reach each part of a run, and under which views.

Every run here is a real one of `wiring_world`; what is expected is read from the split's file or
worked out by hand.
"""

import pytest
import torch
import torch.nn.functional as F

from tests.support.wiring_content import (
    BATCH,
    EPOCHS,
    FOUNDATION_POOL,
    POOL,
    RATIO,
    SHORT,
    SIDE,
    TAIL,
    TEST,
)
from tests.support.wiring_steps import (
    ALL,
    GENERATIVE,
    ORACLE,
    STEPS,
    TRANSFER,
    order,
    same,
)

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

"""Which images reach a control, and a method that draws from some foundation classes only.

Every run here is a real one of `wiring_world`; what is expected is worked out by hand.
"""

import contextlib
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from mpssl.common.errors import UserError
from mpssl.common.files import read_made
from mpssl.config.data import Split
from mpssl.data.split import write_split
from mpssl.data.store import load
from mpssl.runs import gather
from tests.support.wiring_content import (
    BATCH,
    EPOCHS,
    RATIO,
)

STEPS = 4 * EPOCHS  # a pass over the 24 images of D is an epoch
SOME = {1, 3, 4}  # the foundation classes of the group `some`


def unlabeled(recording):
    """The images beside the labeled ones, view by view, of each step."""
    return [[row for p in step.others for row in p.rows] for step in recording.steps]


@pytest.mark.parametrize(("row", "views"), [("control/scr", 2), ("control/supervised", 1)])
def test_the_other_images_of_a_control_are_those_of_d(world, row, views):
    steps = unlabeled(world.run(row))
    assert {len(rows) for rows in steps} == {views * RATIO["generative"] * BATCH}
    assert {row for rows in steps for row in rows} == world.parts()["labeled"]


def test_the_labels_seen_again_are_under_the_strong_view(world):
    recording = world.run("control/supervised")
    assert any(p.padded.any() for step in recording.steps for p in step.others)


def test_a_longer_control_takes_as_many_images_as_scr_and_no_others(world):
    recording = world.run("control/longer")
    assert len(recording.steps) == STEPS * (1 + 2 * RATIO["generative"])
    assert unlabeled(recording) == [[]] * len(recording.steps)
    assert recording.record.images == world.run("control/scr").record.images


@pytest.mark.parametrize(
    ("row", "images"),  # for each labeled one
    [
        ("base/base", 1),
        ("control/supervised", 1 + RATIO["generative"]),
        ("control/scr", 1 + 2 * RATIO["generative"]),
        ("oracle/scr", 1 + 2 * RATIO["oracle"]),
        ("oracle/scr/as_many", 1 + 2 * RATIO["generative"]),
    ],
)
def test_a_record_counts_the_images_that_passed_the_classifier(world, row, images):
    recording = world.run(row)
    passed = sum(len(p.rows) for s in recording.steps for p in (s.labeled, *s.others))
    assert recording.record.images == passed == STEPS * BATCH * images


def test_foundation_images_are_of_the_groups_classes(world):
    rows = {row for step in unlabeled(world.run("transfer/scr/some")) for _, row in step}
    assert {int(world.foundation_labels[row]) for row in rows} == SOME


def test_generated_images_are_of_the_groups_classes(world):
    drawn = {
        int(k)
        for step in world.run("generative/naive/some").steps
        for made in step.made
        for k in made.y.argmax(dim=1)
    }
    assert drawn == SOME


def test_images_of_a_class_are_learned_with_its_label(world):
    recording, losses, pairs = world.run("generative/labels"), [], set()
    for step in recording.steps:
        y = world.labels_of(step.labeled).repeat(RATIO["generative"])
        (made,), (seen,) = step.made, step.others
        pairs |= set(zip(y.tolist(), made.y.argmax(dim=1).tolist(), strict=True))
        losses.append(F.cross_entropy(seen.logits, y))
    assert pairs == {(k, chosen) for k in range(3) for chosen in (k, 4)}  # foundation.class_map
    by_epoch = torch.stack(losses).view(EPOCHS, -1).mean(dim=1).tolist()
    assert recording.history.unlabeled_loss.tolist() == pytest.approx(by_epoch, rel=1e-4)


@pytest.mark.parametrize(
    ("mapped", "message"),
    [
        ({"one": [0]}, "foundation.class_map names no foundation classes for the class two"),
        ({"one": [0], "two": [5]}, "the class two has 5, the generator's classes are 0 to 4"),
    ],
)
def test_a_class_without_foundation_classes_is_named(mapped, message):
    with pytest.raises(UserError, match=message):
        gather._class_map(mapped, ["one", "two"], SimpleNamespace(classes=5))


def test_a_seed_may_have_a_split_of_its_own(world):
    settings = Split(seed=3, validation_fraction=0.333, drawn_for="seed")
    with contextlib.chdir(world.folder):
        own = world.changed(split={"drawn_for": "seed"}).paths.split("target", 60, 1)
        write_split(own, load(world.paths.packed("target")), 60, settings, 1)
        rows = set(read_made(own)["labeled"])
    recording = world.run("base/base", seed=1, split={"drawn_for": "seed"})
    assert {row for s in recording.steps for _, row in s.labeled.rows} == rows
    assert rows != {row for _, row in world.parts()["labeled"]}

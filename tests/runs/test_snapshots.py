"""Snapshots over training: fixed noise, own streams, resume."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mpssl.runs.snapshots import CLASSES, SHOWN, Snapshots, epochs_of, read
from mpssl.training.train import train
from tests.support.toys import toy_task


class Stop(Exception):
    pass


def stop_after(epoch):
    def observe(loop):
        if loop.epoch == epoch:
            raise Stop

    return observe


def test_epochs_are_evenly_spaced_from_the_start_to_the_last():
    assert epochs_of(5, 200) == [0, 50, 100, 150, 200]
    assert epochs_of(1, 200) == [200]
    assert epochs_of(5, 2) == [0, 1, 2]


@pytest.mark.parametrize("source", ["uniform", "pseudo", "lmo"])
def test_a_run_with_snapshots_equals_one_without(tmp_path, source):
    plain, watched = (toy_task(source, "scr") for _ in range(2))
    first = train(plain, tmp_path / "a.pt")
    second = train(watched, tmp_path / "b.pt", [Snapshots(watched, 0, tmp_path)])
    assert first.history == second.history
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, watched.model.state_dict()[name])


def test_noise_is_fixed_and_only_what_is_learned_changes(tmp_path):
    for source in ("uniform", "lmo"):
        task = toy_task(source, "scr", snapshots=3)
        train(task, tmp_path / source / "c.pt", [Snapshots(task, 0, tmp_path / source)])
    images = {s: [np.asarray(Image.open(e["image"])) for e in read(tmp_path / s)]
              for s in ("uniform", "lmo")}  # fmt: skip
    assert len(images["lmo"]) == 3
    assert (images["uniform"][0] == images["uniform"][2]).all()
    assert (images["lmo"][0] != images["lmo"][2]).any()
    entropies = [e["classes"][0]["entropy"] for e in read(tmp_path / "lmo")]
    assert entropies[0] == pytest.approx(np.log(5))  # five foundation classes, uniform at first
    assert entropies[2] < entropies[0]
    first = read(tmp_path / "uniform")[0]
    assert "entropy" not in first["classes"][0]  # naive gSSL learns and chooses nothing
    side = images["lmo"][0].shape
    assert side == (3 * 16, SHOWN * 16, 3)


def test_an_interrupted_run_leaves_the_snapshots_of_a_whole_one(tmp_path):
    whole = toy_task("lmo", "scr")
    train(whole, tmp_path / "whole/c.pt", [Snapshots(whole, 0, tmp_path / "whole")])
    for stop in (2, None):
        task = toy_task("lmo", "scr")
        others = [stop_after(stop)] if stop else []
        observers = [*others, Snapshots(task, 0, tmp_path / "cut")]  # stopped before its snapshot
        try:
            train(task, tmp_path / "cut/c.pt", observers)
        except Stop:
            assert stop
    names = sorted(p.name for p in (tmp_path / "whole").glob("epoch*"))
    assert names == sorted(p.name for p in (tmp_path / "cut").glob("epoch*"))
    for name in names:
        one, other = (tmp_path / f / name for f in ("whole", "cut"))
        assert one.read_bytes() == other.read_bytes(), name


def test_snapshots_of_an_older_training_go(tmp_path):
    old = tmp_path / "epoch-0003.json"
    old.write_text(json.dumps({"epoch": 3, "classes": []}))
    task = toy_task("uniform", "scr", snapshots=2)
    train(task, tmp_path / "c.pt", [Snapshots(task, 0, tmp_path)])
    assert [entry["epoch"] for entry in read(tmp_path)] == [0, 4]


def test_measures_are_those_of_each_class(tmp_path):
    task = toy_task("pseudo", "scr", snapshots=1)
    train(task, tmp_path / "c.pt", [Snapshots(task, 0, tmp_path)])
    (entry,) = read(tmp_path)
    assert [c["class"] for c in entry["classes"]] == [0, 1, 2]
    assert len(entry["classes"]) <= CLASSES
    for c in entry["classes"]:
        assert c["sample_distance"] > 0 and c["sample_diversity"] > 0
        probabilities = [p for _, p in c["top"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1)  # all five of five

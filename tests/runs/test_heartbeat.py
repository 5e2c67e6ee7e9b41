"""The heartbeat of a run, and TensorBoard's event files."""

import json
import os
import sys

import pytest

from mpssl.common.errors import UserError
from mpssl.runs.heartbeat import EventFiles, Heartbeat
from mpssl.training.train import train
from tests.support.toys import toy_task


def test_the_heartbeat_says_where_training_is(tmp_path):
    beats = []
    beat = Heartbeat(tmp_path / "progress.json")

    def keep(loop):
        beat(loop)
        beats.append(json.loads((tmp_path / "progress.json").read_text()))

    outcome = train(toy_task(), tmp_path / "c.pt", [keep])
    assert [b["epoch"] for b in beats] == [0, 1, 2, 3, 4]
    assert beats[0]["val_accuracy"] is None
    assert [b["val_accuracy"] for b in beats[1:]] == [r["val_accuracy"] for r in outcome.history]
    assert beats[-1]["best_val_accuracy"] == outcome.validation_accuracy
    assert beats[-1]["epochs"] == 4
    assert beats[-1]["pid"] == os.getpid()


def test_event_files_hold_every_epoch(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    outcome = train(toy_task(), tmp_path / "c.pt", [EventFiles(tmp_path / "events")])
    events = reader.EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    scalars = events.Scalars("val_accuracy")
    assert [s.step for s in scalars] == [1, 2, 3, 4]
    assert [s.value for s in scalars] == pytest.approx([r["val_accuracy"] for r in outcome.history])


def test_without_tensorboard_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[tensorboard\]'"):
        EventFiles(tmp_path)

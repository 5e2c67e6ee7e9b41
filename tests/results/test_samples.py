"""Figures of samples show what the runs wrote, and nothing else."""

import json

import numpy as np
import pytest
from matplotlib.text import Text

from mpssl.common.errors import UserError
from mpssl.common.files import file_digest
from mpssl.config.reading import resolve
from mpssl.plan.experiment import Experiment
from mpssl.results import samples
from mpssl.results.records import Records
from mpssl.results.samples_data import foundation_names, snapshots_of
from tests.support.records import record_of


def test_snapshots_are_those_of_the_record_or_refused(content, own_results):
    experiment = Experiment(resolve(content))
    run = next(experiment.plan.runs(experiment.plan.cells("first")))
    folder = experiment.paths.run(run).snapshots
    folder.mkdir(parents=True)
    for epoch in (1, 2, 9):
        (folder / f"epoch-000{epoch}.json").write_text(json.dumps({"epoch": epoch, "classes": []}))
        (folder / f"epoch-000{epoch}.png").write_bytes(b"image")
    written = [path for path in folder.iterdir() if "9" not in path.name]
    files = {f"snapshots/{path.name}": file_digest(path) for path in written}
    record = record_of(experiment, run, files=files)
    assert [s["epoch"] for s in snapshots_of(experiment, record)] == [1, 2]
    (folder / "epoch-0002.png").write_bytes(b"other")
    with pytest.raises(UserError, match=r"epoch-0002\.png is missing or not the file"):
        snapshots_of(experiment, record)
    assert snapshots_of(experiment, None) == []


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_the_title_of_strips_is_above_what_it_is_of(content, own_results, monkeypatch, rows):
    grid = {"title": "All", "kind": "samples", "rows": ["generative/mpssl"] * rows}
    experiment = Experiment(resolve(content | {"figures": {"strips": grid}}))
    monkeypatch.setattr(samples.data, "real_strip", lambda *_: np.zeros((2, 8, 3)))
    canvas, _ = samples.strips(Records(experiment, []), "strips")
    canvas.draw_without_rendering()
    (title,) = canvas.texts
    first = next(t for t in canvas.axes[0].findobj(Text) if t.get_text().startswith("Real"))
    assert title.get_window_extent().y0 >= first.get_window_extent().y1


def test_the_shipped_generators_classes_have_names_without_its_images(content):
    content["foundation"]["generator"] = {"kind": "shipped"}
    experiment = Experiment(resolve(content))
    names = foundation_names(experiment, 98)
    assert [names[0], names[41], names[-1]] == ["A", "Я", "gradient"]
    assert foundation_names(experiment, 12) == [str(i) for i in range(12)]

"""Figures of samples show what the runs wrote, and nothing else."""

import json

import pytest

from mpssl.common.errors import UserError
from mpssl.common.files import file_digest
from mpssl.config.reading import resolve
from mpssl.plan.experiment import Experiment
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


def test_the_shipped_generators_classes_have_names_without_its_images(content):
    content["foundation"]["generator"] = {"kind": "shipped"}
    experiment = Experiment(resolve(content))
    names = foundation_names(experiment, 98)
    assert [names[0], names[41], names[-1]] == ["A", "Я", "gradient"]
    assert foundation_names(experiment, 12) == [str(i) for i in range(12)]

"""Figures of samples show what the runs wrote, and nothing else."""

import json

import pytest

from mpssl.common.errors import UserError
from mpssl.common.files import file_digest
from mpssl.config.reading import resolve
from mpssl.results.samples import _snapshots_of


def test_snapshots_are_those_of_the_record_or_refused(content, own_results):
    config, folder = resolve(content), own_results / "runs/r/snapshots"
    folder.mkdir(parents=True)
    for epoch in (1, 2, 9):
        (folder / f"epoch-000{epoch}.json").write_text(json.dumps({"epoch": epoch, "classes": []}))
        (folder / f"epoch-000{epoch}.png").write_bytes(b"image")
    written = [path for path in folder.iterdir() if "9" not in path.name]
    files = {f"snapshots/{path.name}": file_digest(path) for path in written}
    record = {"run": "r", "files": files}
    assert [s["epoch"] for s in _snapshots_of(config, record)] == [1, 2]
    (folder / "epoch-0002.png").write_bytes(b"other")
    with pytest.raises(UserError, match=r"epoch-0002\.png is missing or not the file"):
        _snapshots_of(config, record)
    assert _snapshots_of(config, None) == []

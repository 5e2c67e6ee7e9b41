"""What is said and removed of a store, by experiments that are gone and by age."""

import json

from mpssl.common.files import write_made
from mpssl.tools.gc import collect_garbage


def test_an_experiment_that_is_gone_is_named_until_nothing_of_it_is_left(tmp_path):
    store = tmp_path / "store"
    for name in ("a", "b"):
        (store / "runs" / name).mkdir(parents=True)
        (store / "runs" / name / "metrics.json").write_text("1")
    (store / "experiments").mkdir()
    file = store / "experiments/x.json"
    write_made(file, {"results": "../results/x", "refers": {"runs": ["a", "never-made"]}})
    listed = collect_garbage(store, 0, False)
    assert f"{tmp_path}/results/x is not there any more, so 1 folders that it used" in listed
    assert collect_garbage(store, 1, True).endswith("2 folders are unused, none for 1 days or more")
    assert file.exists()
    (tmp_path / "results/x").mkdir(parents=True)
    assert "1 folders, 0.0 MB removed" in collect_garbage(store, 0, True)
    assert json.loads(file.read_text()) and (store / "runs/a").exists()
    (tmp_path / "results/x").rmdir()
    assert "1 folders, 0.0 MB removed" in collect_garbage(store, 0, True)
    assert not file.exists() and not (store / "runs/a").exists()

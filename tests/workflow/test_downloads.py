"""The downloadable data sets through Snakemake, from a local server that has their archives."""

import json

import numpy as np
import pytest
import yaml

from mpssl.data import store
from tests.support.commands import mpssl
from tests.support.local_server import running
from tests.support.official_files import A_CLASS, number_of
from tests.support.official_fixtures import CLASSES, DATASETS, DOWNLOADABLE
from tests.support.pipeline import (
    OWN_COPIES,
    ROOT,
    SHIPPED,
    copy_workflow,
    jobs,
    paper_datasets,
    snakemake,
)

SPLITS = ["--until", "split_pool", "--configfile", "config.yaml"]
FRACTION = 10  # percent


def made(folder, kind, name):
    """The one folder in the store of a data set."""
    (found,) = (folder / "store" / kind).glob(f"{name}-*")
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """All splits of the nine data sets, by one call of Snakemake."""
    folder = copy_workflow(tmp_path_factory.mktemp("downloads"))
    tiny = yaml.safe_load((ROOT / "tests/support/tiny.yaml").read_text())
    with running() as server:
        datasets = paper_datasets(server, folder / "own")
        tested = [name for name in datasets if name != "imagenet"]
        config = tiny | {
            "experiment": "downloads_test",
            "datasets": tiny["datasets"] | datasets,
            "packing": {"size": 16},
            "training": tiny["training"] | {"image_size": 16},
            "roles": tiny["roles"]
            | {"datasets": {"main": tested}, "fractions": {"default": [FRACTION]}},
            "wanted": ["all_data"],
            "tables": {"all_data": {"title": "T", "datasets": "main", "rows": ["base/base"]}},
            "figures": {},
            "claims": {},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        result = snakemake(folder, "--cores", "2", *SPLITS)
        assert result.returncode == 0, result.stdout[-4000:]
        for step in (["pack", "imagenet"], ["split", "imagenet", FRACTION]):  # it has no test split
            assert mpssl(step[0], "--config", "config.yaml", *step[1:], cwd=folder).returncode == 0
        yield folder, server, datasets


@pytest.mark.parametrize("name", [*DOWNLOADABLE, *OWN_COPIES])
def test_splits_are_those_of_the_data(finished, name):
    folder, _, _ = finished
    data = DATASETS[DOWNLOADABLE.get(name, name)]()
    meta = json.loads((made(folder, "packed", name) / "meta.json").read_text())
    split = json.loads((made(folder, "splits", name) / "split.json").read_text())
    classes = CLASSES[data.adapter]
    assert meta["classes"] == data.classes
    assert len(meta["classes"]) == classes
    assert meta["pool"] == classes * data.pool
    assert split["data"] == meta["digest"]
    labeled = split["labeled"] + split["validation"]
    assert len(labeled) == classes * data.pool * FRACTION // 100
    assert sorted(labeled + split["unlabeled"]) == list(range(meta["pool"]))
    assert len(split["validation"]) == round(len(labeled) / 10)
    packed_data = store.load(made(folder, "packed", name))
    assert packed_data.images.shape == (classes * (data.pool + data.test), 16, 16, 3)
    assert set(packed_data.labels[labeled].tolist()) == set(range(classes))
    for row in labeled[:: A_CLASS // 2]:
        assert number_of(packed_data.images[row]) == packed_data.labels[row]
    assert np.bincount(packed_data.labels[packed_data.test], minlength=classes).tolist() == (
        [data.test] * classes
    )


def test_every_file_was_downloaded_once(finished):
    folder, server, datasets = finished
    urls = [file["urls"] for name in DOWNLOADABLE for file in datasets[name]["downloads"]]
    expected = [url.removeprefix(server.url) for mirrors in urls for url in mirrors]
    assert sorted(server.paths()) == sorted(expected)
    names = {path.name for path in (folder / "resources/downloads").glob("*/[!.]*")}
    shipped = {file["file"] for name in DOWNLOADABLE for file in SHIPPED[name]["downloads"]}
    assert names == shipped


def test_the_unpacked_files_lie_where_the_configuration_says(finished):
    folder, _, datasets = finished
    data = folder / "resources/data"
    expected = {name for name in DOWNLOADABLE} | {f"{name}.json" for name in DOWNLOADABLE}
    assert {path.name for path in data.iterdir()} == expected
    assert (data / "birds/attributes.txt").exists()
    assert (data / "pets/annotations/trainval.txt").exists()
    for name in DOWNLOADABLE:
        assert (data / name / datasets[name].get("root", "")).is_dir()
        marker = json.loads((data / f"{name}.json").read_text())
        assert [file["file"] for file in marker] == [f["file"] for f in datasets[name]["downloads"]]


def test_terms_are_shown(finished):
    folder, _, _ = finished
    for name in DOWNLOADABLE:
        log = (folder / f"results/downloads_test/logs/fetch/{name}.log").read_text()
        assert f"{SHIPPED[name]['title']}: terms of use: {SHIPPED[name]['licence']}" in log


def test_nothing_is_downloaded_again(finished):
    folder, server, datasets = finished
    before = len(server.requests)
    result = snakemake(folder, "-n", *SPLITS)
    assert result.returncode == 0, result.stdout[-4000:]
    assert set(jobs(result.stdout)) <= {"total"}
    assert len(server.requests) == before

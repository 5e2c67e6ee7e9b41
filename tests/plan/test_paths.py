"""Where everything lies."""

from pathlib import Path

import pytest

from mpssl.config.experiment import Config
from mpssl.plan.cells import SELECTED, Cell, Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.paths import root_of
from mpssl.shipped import FOUNDATION

CELL = Cell("mnist", 50, "generative", "mpssl", "no_lmo", "resnet8")


def paths_of(content):
    return Experiment(Config.model_validate(content)).paths


@pytest.fixture
def paths(content):
    return paths_of(content)


def test_findings_lie_in_the_results(paths):
    assert paths.table("first", "csv") == Path("results/tiny/tables/first.csv")
    assert paths.figure("curves", "png") == Path("results/tiny/figures/curves.png")
    assert paths.resolved_config == Path("results/tiny/config.json")


def test_what_takes_long_lies_in_the_store_by_name(paths):
    names = paths.names
    assert paths.packed("mnist") == Path("store/packed", names.packed("mnist"))
    assert paths.split("mnist", 50, 1) == (
        Path("store/splits", names.split("mnist", 50, 1), "split.json")
    )
    run = Run(CELL, "0.25", 3)
    assert paths.run(run).folder == Path("store/runs", names.run(run))
    assert paths.run(run).record == paths.run(run).folder / "metrics.json"
    chosen = Run(CELL, SELECTED, 3)
    assert paths.run(chosen).folder == Path("store/chosen", names.chosen(chosen), "run")
    assert paths.selected(CELL) == Path("store/searches", names.search(CELL), "selected.json")


def test_people_find_a_run_by_what_it_is(paths):
    folder = "results/tiny/runs/mnist/50/generative/mpssl/no_lmo/resnet8/lambda-0.25/seed-3"
    assert paths.link(Run(CELL, "0.25", 3)) == Path(folder)


def test_trained_foundation_is_made_here(paths):
    assert paths.generator() == Path("store/generators", paths.names.generator())
    file = paths.classifier("resnet8")
    assert file == (
        Path("store/classifiers", paths.names.classifier("resnet8"), "resnet8.safetensors")
    )


def test_shipped_foundation_is_in_the_package(content):
    content["foundation"] = {"generator": {"kind": "shipped"}, "classifier": {"kind": "shipped"}}
    content["training"] = {"normalize_mean": [0.5] * 3, "normalize_std": [0.5] * 3}
    paths = paths_of(content)
    assert paths.generator_files() == [FOUNDATION / "config.json", FOUNDATION / "model.safetensors"]
    assert paths.classifier("resnet8") == FOUNDATION / "resnet8.safetensors"
    assert all(path.exists() for path in [*paths.generator_files(), paths.classifier("resnet8")])


def test_pretrained_foundation_is_where_the_user_says(content):
    content["foundation"]["generator"] = {"kind": "pretrained", "path": "/w/biggan"}
    content["foundation"]["classifier"] = {"kind": "pretrained", "path": "/w"}
    paths = paths_of(content)
    assert paths.generator() == Path("/w/biggan")
    assert paths.classifier("resnet18") == Path("/w/resnet18-f37072fd.pth")
    assert paths.classifier("resnet8") == Path("/w/resnet8.pth")  # none is published


def test_the_store_is_where_the_configuration_says(content):
    paths = paths_of(content | {"store": "/shared/store"})
    assert paths.packed("mnist").parent == Path("/shared/store/packed")


def test_results_may_be_below_a_folder_and_what_the_user_names_is_not(content):
    experiment = Experiment(Config.model_validate(content), root=Path("deep/er"))
    run = Run(CELL, "1", 3)
    paths = experiment.paths
    for path in (paths.resolved_config, paths.train_log(run), paths.link(run), paths.report):
        assert path.is_relative_to("deep/er/results/tiny")
    assert paths.run(run) == paths_of(content).run(run)  # the store is one for all


@pytest.mark.parametrize(
    ("config", "root"),
    [
        ("results/tiny/config.json", "."),
        ("deep/er/results/tiny/config.json", "deep/er"),
        ("/abs/results/tiny/config.json", "/abs"),
        ("/abs/config.json", "."),
        ("deep/results/tiny/config.yaml", "."),
        ("results/config.json", "."),
        ("config/config.yaml", "."),
    ],
)
def test_the_root_is_where_the_made_configuration_is(config, root):
    assert root_of(Path(config)) == Path(root)

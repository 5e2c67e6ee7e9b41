"""Where everything lies."""

from pathlib import Path

import pytest

from mpssl.config.experiment import Config
from mpssl.plan.cells import Cell, Run
from mpssl.plan.paths import Paths, root_of
from mpssl.shipped import FOUNDATION

CELL = Cell("mnist", 50, "generative", "mpssl", "no_lmo", "resnet8")


@pytest.fixture
def paths(content):
    return Paths(Config.model_validate(content))


def test_inputs_and_findings_lie_apart(paths):
    assert paths.packed("mnist") == Path("resources/tiny/packed/mnist")
    assert paths.split("mnist", 50, 1) == Path("resources/tiny/splits/mnist/50.json")
    assert paths.table("first", "csv") == Path("results/tiny/tables/first.csv")
    assert paths.figure("curves", "png") == Path("results/tiny/figures/curves.png")
    assert paths.resolved_config == Path("results/tiny/config.json")


def test_each_seed_may_have_a_split_of_its_own(content):
    paths = Paths(Config.model_validate(content | {"split": {"drawn_for": "seed"}}))
    assert paths.split("mnist", 50, 1) == Path("resources/tiny/splits/mnist/50-1.json")
    assert paths.split_of(Run(CELL, "0.25", 3)).name == "50-3.json"
    assert paths.split("{dataset}", "{fraction}", "{seed}").name == "{fraction}-{seed}.json"


def test_runs_lie_in_their_cell(paths):
    run = Run(CELL, "0.25", 3)
    folder = "results/tiny/runs/mnist/50/generative/mpssl/no_lmo/resnet8"
    assert paths.run(run).folder == Path(folder, "lambda-0.25", "seed-3")
    assert paths.run(run).record == paths.run(run).folder / "metrics.json"
    assert paths.selected(CELL) == Path(folder, "selected.json")
    assert paths.run(run.id) == paths.run(run)
    assert paths.selected(CELL.id) == paths.selected(CELL)


def test_wildcards_pass_through(paths):
    assert paths.packed("{dataset}") == Path("resources/tiny/packed/{dataset}")
    assert paths.split("{dataset}", "{fraction}", "{seed}").name == "{fraction}.json"
    assert paths.run("{run}").folder == Path("results/tiny/runs/{run}")


def test_trained_foundation_is_made_here(paths):
    assert paths.generator() == Path("resources/tiny/foundation/generator")
    assert paths.classifier("resnet8") == Path("resources/tiny/foundation/resnet8.safetensors")


def test_shipped_foundation_is_in_the_package(content):
    content["foundation"] = {"generator": {"kind": "shipped"}, "classifier": {"kind": "shipped"}}
    content["training"] = {"normalize_mean": [0.5] * 3, "normalize_std": [0.5] * 3}
    paths = Paths(Config.model_validate(content))
    assert paths.generator_files() == [FOUNDATION / "config.json", FOUNDATION / "model.safetensors"]
    assert paths.classifier("resnet8") == FOUNDATION / "resnet8.safetensors"
    assert all(path.exists() for path in [*paths.generator_files(), paths.classifier("resnet8")])


def test_pretrained_foundation_is_where_the_user_says(content):
    content["foundation"]["generator"] = {"kind": "pretrained", "path": "/w/biggan"}
    content["foundation"]["classifier"] = {"kind": "pretrained", "path": "/w"}
    paths = Paths(Config.model_validate(content))
    assert paths.generator() == Path("/w/biggan")
    assert paths.classifier("resnet18") == Path("/w/resnet18-f37072fd.pth")
    assert paths.classifier("resnet8") == Path("/w/resnet8.pth")  # none is published


def test_experiments_do_not_share_a_folder(content, paths):
    other = Paths(Config.model_validate(content | {"experiment": "other"}))
    assert other.run(Run(CELL, "1", 3)) != paths.run(Run(CELL, "1", 3))
    assert other.packed("mnist") != paths.packed("mnist")


def test_an_experiment_may_be_below_a_folder_and_what_the_user_names_is_not(content):
    content["datasets"]["birds"] = {"adapter": "folder", "title": "Birds", "path": "images"}
    content["foundation"]["generator"] = {"kind": "pretrained", "path": "weights"}
    paths, root = Paths(Config.model_validate(content), Path("deep/er")), Path("deep/er")
    own = [
        paths.run(Run(CELL, "1", 3)).record,
        paths.resolved_config,
        paths.packed("mnist"),
        paths.unpacked("digits"),
        paths.downloads,
        paths.data("digits"),
    ]
    assert all(path.is_relative_to(root) for path in own), own
    assert paths.data("birds") == Path("images")
    assert paths.generator() == Path("weights")


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

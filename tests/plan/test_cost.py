"""What a plan takes, counted by hand."""

import json

import numpy as np
import pytest

from mpssl.common.errors import UserError
from mpssl.config.architectures import BACKBONES, SMALL_RESNETS
from mpssl.config.experiment import Config
from mpssl.config.reading import load
from mpssl.data import store
from mpssl.data.folder import read_folder
from mpssl.data.split import split_pool, write_split
from mpssl.models.classifier import Classifier
from mpssl.plan import cost
from mpssl.plan.cost import dataset_sizes, kind, split_sizes
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from tests.support.pictures import put

# ------------------------------------------------------------------------------- sizes, downloads


def test_expected_sizes_of_the_paper():
    config = load("config/config.yaml")
    sizes = dataset_sizes(config, "cars")
    assert (sizes.pool, sizes.test, sizes.classes) == (8144, 8041, 196)
    sizes = dataset_sizes(config, "imagenet")
    assert (sizes.pool, sizes.test, sizes.classes) == (100_000, 0, 1000)
    assert dataset_sizes(load("config/mini.yaml"), "glyphs").classes == 98  # docs/mini.md


@pytest.mark.parametrize(("fraction", "part"), [(50, 0.1), (10, 0.1), (25, 0.3333), (100, 0.1)])
@pytest.mark.parametrize("pool", [8144, 6667, 1397])
def test_split_sizes_are_those_of_the_split(content, pool, fraction, part):
    content["datasets"]["mnist"]["pool_size"] = pool
    config = Config.model_validate(content | {"split": {"validation_fraction": part}})
    parts = split_pool(np.arange(pool) % 7, fraction=fraction, validation_fraction=part, seed=0)
    expected = len(parts["labeled"]), len(parts["validation"])
    assert split_sizes(config, "mnist", fraction) == expected


@pytest.mark.parametrize("fraction", [50, 100])
def test_split_sizes_of_a_given_d_val_are_those_of_the_split(content, tmp_path, fraction):
    folder = tmp_path / "images"
    put(folder / "train", a=range(9), b=range(20, 25))
    put(folder / "val", a=range(40, 43))
    put(folder / "test", a=[50])
    entry = {"adapter": "folder", "title": "T", "path": str(folder), "validation": "given"}
    content["datasets"]["mnist"] = entry
    config = Config.model_validate(content)
    sizes = dataset_sizes(config, "mnist")
    assert (sizes.pool, sizes.test, sizes.validation) == (17, 1, 3)
    reading = read_folder(config.datasets["mnist"], config.packing)
    store.save(tmp_path / "packed", reading, config.packing.size)
    write_split(tmp_path / "s.json", store.load(tmp_path / "packed"), fraction, config.split)
    made = json.loads((tmp_path / "s.json").read_text())
    expected = len(made["labeled"]), len(made["validation"])
    assert split_sizes(config, "mnist", fraction) == expected == (14 * fraction // 100, 3)


def test_a_data_set_of_unknown_size_says_which_key_is_missing(content):
    content["datasets"]["dtd"] = {"adapter": "dtd", "title": "DTD", "pool": 3760}
    with pytest.raises(UserError, match=r"size of dtd is not known: datasets\.dtd says no `test`"):
        dataset_sizes(Config.model_validate(content), "dtd")


@pytest.mark.parametrize("architecture", [*SMALL_RESNETS, "resnet18", "mobilenet_v3_small"])
def test_bytes_of_the_backbones(architecture):
    model = Classifier(architecture, 2, (0.5,) * 3, (0.5,) * 3)
    state = model.backbone.state_dict().values()
    expected = sum(value.numel() * value.element_size() for value in state), model.head.in_features
    assert BACKBONES[architecture][:2] == expected


def test_space_by_hand(experiment):
    space = cost.space(experiment, experiment.plan.cells("second"))
    # mnist 20 + 10 images, 98 classes of 4 glyphs, 32 x 32 x 3
    assert space.packed == (30 + 392) * 3072
    head = 4 * 129 * 10
    base, other = 1_239_504 + head + 100_000, 1_239_504 + head + 100_000 + 32 * 3072
    assert space.runs == 6 * base + 10 * other
    assert (space.download, space.archives, space.weights, space.unknown) == (0, 0, 0, [])


def test_downloads_of_the_paper():
    paper = Experiment.load("config/config.yaml")
    space = cost.space(paper, paper.plan.cells("table3"))
    assert space.archives == 1956628579  # Cars; its annotations have no known size
    assert space.weights == 715 + 234411737 + 46830571
    assert space.unknown == ["cars_annos.mat"]
    assert space.packed == (8144 + 8041) * 256 * 256 * 3


def test_the_shipped_foundation_needs_no_glyphs_unless_they_are_unlabeled_images():
    plan = Plan(load("config/mini.yaml"))
    assert cost.needed_datasets(plan, plan.cells("table1")) == ["mnist"]
    assert cost.needed_datasets(plan, plan.cells("table9")) == ["glyphs", "mnist"]


# ----------------------------------------------------------------------------------- steps, hours


def test_steps_of_the_paper():
    """Cars at 50 %: 4,072 labeled, 407 of them validate, 3,665 // 64 = 57 steps, 200 epochs."""
    plan = Plan(load("config/config.yaml"))
    assert cost.steps(plan, plan.cells("table3")[0]) == 57 * 200
    mini = Plan(load("config/mini.yaml"))
    assert cost.steps(mini, mini.cells("table1")[0]) == 15 * 10
    longer = next(cell for cell in mini.cells("controls") if cell.method == "longer")
    assert cost.steps(mini, longer) == 3 * 15 * 10  # SCR passes two views beside each labeled image


def test_kinds_of_the_paper():
    plan = Plan(load("config/config.yaml"))
    kinds = {cell.row: kind(plan, cell) for cell in plan.all_cells()}
    assert kinds["base/base/default"] == "none+none"
    assert kinds["oracle/uda/default"] == "real+uda x7"
    assert kinds["generative/mpssl/default"] == "lmo+scr"
    assert kinds["generative/mpssl/no_gap"] == "lmo+scr, no gap"
    assert kinds["generative/mpssl/no_val"] == "lmo+scr, no validation loss"
    assert kinds["generative/mpssl/soft_label"] == "lmo+scr"


def test_hours_by_hand(plan, calibration):
    # 50 % of 20: 10 labeled, 1 validates, 9 // 4 = 2 steps x 10 epochs = 20 steps;
    # images evaluated: 1 x (10 epochs + 1) + 10 test = 21
    run = {"base": 20 * 1 + 21 * 0.5, "fixmatch": 3 + 20 * 2 + 10.5, "mpssl": 20 * 10 + 10.5}
    found = cost.cost(plan, plan.cells("first"), calibration)
    assert (found.cells, found.runs, found.searched_runs) == (6, 18, 6 + 4 * 5)
    assert (found.steps, found.searched_steps) == (18 * 20, 26 * 20)
    given = 2 * 3 * (run["base"] + run["fixmatch"] + run["mpssl"])
    searched = 2 * (3 * run["base"] + 5 * run["fixmatch"] + 5 * run["mpssl"])
    assert found.hours == pytest.approx(given / 3600)
    assert found.searched_hours == pytest.approx(searched / 3600)


def test_shared_cells_count_once(plan, calibration):
    tables = [cost.cost(plan, plan.cells(name), calibration) for name in ("first", "second")]
    whole = cost.cost(plan, plan.wanted_cells(), calibration)
    shared = cost.cost(plan, plan.cells("second")[:1], calibration)  # base on mnist at 50 %
    for field in ("cells", "runs", "searched_runs", "steps", "searched_steps", "hours"):
        parts = sum(getattr(table, field) for table in tables)
        assert getattr(whole, field) == pytest.approx(parts - getattr(shared, field))


def test_a_missing_kind_leaves_the_hours_open(plan, calibration):
    del calibration.seconds["lmo+scr", "resnet8"]
    assert cost.cost(plan, plan.cells("first"), calibration).hours is None
    assert cost.cost(plan, plan.cells("second"), calibration).hours is not None

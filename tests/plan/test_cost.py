"""What a plan takes, counted by hand."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config.architectures import BACKBONES, SMALL_RESNETS
from mpssl.config.data import ImageNet, Packing, PaperData
from mpssl.config.experiment import Config
from mpssl.config.reading import load
from mpssl.data import official, store
from mpssl.data.folder import read_folder
from mpssl.data.split import split_pool, write_split
from mpssl.models.classifier import Classifier
from mpssl.plan import cost
from mpssl.plan.cost import Calibration, dataset_sizes, kind, split_sizes
from mpssl.plan.cost_report import report
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from tests.support.commands import fails, mpssl
from tests.support.pictures import put

# conftest's configuration: table first has base, FixMatch and MP-SSL on two data sets; second has
# base and MP-SSL without LMO on mnist at 50 and 100 %. Three seeds, a grid of two, pools of 20.


@pytest.fixture
def experiment(content):
    content["training"] = {"epochs": 10, "batch_size": 4, "image_size": 32}
    content["packing"] = {"size": 32}
    return Experiment(Config.model_validate(content))


@pytest.fixture
def plan(experiment):
    return experiment.plan


@pytest.fixture
def calibration():
    """Seconds of a step, an evaluated image and a compilation, easy to multiply by."""
    return Calibration(
        "a fake",
        {
            ("none+none", "resnet8"): (1.0, 0.5, 0.0),
            ("real+fixmatch x7", "resnet8"): (2.0, 0.5, 3.0),
            ("lmo+scr", "resnet8"): (10.0, 0.5, 0.0),
            ("uniform+scr", "resnet8"): (4.0, 0.5, 0.0),
        },
    )


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


# -------------------------------------------------------------------------------------- the text


def test_report_without_and_with_a_calibration(experiment, calibration, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = report(experiment, [])
    assert text.count("run with --calibrate") == 3  # two tables and the sum
    path = tmp_path / "results/tiny/calibration.json"
    path.parent.mkdir(parents=True)
    entries = [
        {
            "kind": name,
            "architecture": architecture,
            **dict(zip(cost.SECONDS, seconds, strict=True)),
        }
        for (name, architecture), seconds in calibration.seconds.items()
    ]
    content = {"device": "a fake", "entries": entries}
    content["measured_with"] = cost.measured_with(experiment.config)
    path.write_text(json.dumps(content))
    assert Calibration.load(experiment) == calibration
    lines = report(experiment, []).splitlines()
    row = next(line.split() for line in lines if line.startswith("first"))
    # 2 x 3 x (30.5 + 53.5 + 210.5) s = 0.49 h, 2 x (3 x 30.5 + 5 x 53.5 + 5 x 210.5) s = 0.78 h
    assert row == ["first", "6", "18", "26", "360", "520", "0.5", "0.8"]
    assert "Hours on a fake" in "\n".join(lines)
    content["measured_with"]["batch_size"] = 5
    path.write_text(json.dumps(content))
    assert Calibration.load(experiment) is None
    path.write_text("{")
    with pytest.raises(UserError, match="damaged.*calibrate again"):
        Calibration.load(experiment)


@pytest.mark.parametrize(("side", "packed", "part"), [(288, 288, "1"), (224, 256, "0.875")])
def test_weights_for_other_images_are_said(content, side, packed, part):
    content["roles"]["architectures"]["default"] = ["timm/resnet18.tv_in1k", "resnet18"]
    content["foundation"]["classifier"] = {"kind": "pretrained", "path": "weights"}
    content |= {"training": {"image_size": side}, "packing": {"size": packed}}
    text = report(Experiment(Config.model_validate(content)), [])
    said = [line for line in text.splitlines() if "has weights for" in line]
    if part == "0.875":  # as the weights want them
        assert said == []
    else:
        wanted = "timm.resnet18.tv_in1k has weights for 224 pixels, 0.875 of the image, bilinear; "
        assert said[0].startswith(wanted + f"your images are {side} pixels, {part} of the image")
        assert len(said) == 1


def test_the_command_prints_the_plan():
    result = mpssl("plan", "--config", "tests/support/tiny.yaml", "table3")
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    # 5 cells; given 5 x 2 seeds, searched 2 + 4 x (2 + 1), as the search is on the first seed;
    # 2 epochs of 2 steps
    assert ["table3", "5", "10", "14", "40", "56", "run", "with", "--calibrate"] in rows


def test_an_unknown_name_is_one_clear_line():
    result = mpssl("plan", "--config", "tests/support/tiny.yaml", "tabel3")
    fails(result, "unknown table or figure 'tabel3'; did you mean 'table3'?")


@pytest.mark.slow
def test_a_plan_needs_no_torch():
    code = (
        "import sys; from mpssl.plan.cost_report import report;"
        "from mpssl.plan.experiment import Experiment;"
        "report(Experiment.load('config/config.yaml'), []);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ------------------------------------------------------------------------- data against the sizes


@pytest.fixture
def chaoyang(tmp_path):
    """A folder with three images of Chaoyang's layout, and a function that makes its settings."""
    root = tmp_path / "chaoyang"
    for part, names in {"train": ["train/a.JPG", "train/b.JPG"], "test": ["test/c.JPG"]}.items():
        (root / part).mkdir(parents=True)
        for name in names:
            Image.new("RGB", (9, 9)).save(root / name)
        (root / f"{part}.json").write_text(json.dumps([{"name": n, "label": 0} for n in names]))

    def settings(pool=2, test=1, classes=4):
        sizes = {"pool": pool, "test": test, "classes": classes}
        return PaperData(adapter="chaoyang", title="Chaoyang", path=root, **sizes)

    return root, settings


def test_a_whole_data_set_is_well(chaoyang):
    root, settings = chaoyang
    text = official.check(settings(), root)
    assert "pool 2 (as expected), test 1 (as expected), classes 4 (as expected)" in text
    assert "all 3 images are there" in text
    assert official.read_official(settings(), Packing(size=8), root).pool == 2


def test_missing_images_are_named(chaoyang):
    root, settings = chaoyang
    for name in ("train/b.JPG", "test/c.JPG"):
        (root / name).unlink()
    with pytest.raises(UserError, match=r"2 of 3 images are missing: train/b\.JPG, test/c\.JPG;"):
        official.check(settings(), root)


def test_of_many_missing_images_the_first_are_named(chaoyang, monkeypatch):
    root, settings = chaoyang
    (root / "train/b.JPG").unlink()
    (root / "test/c.JPG").unlink()
    monkeypatch.setattr(official, "SHOWN", 1)
    with pytest.raises(UserError, match=r"missing: train/b\.JPG and 1 more;"):
        official.check(settings(), root)


@pytest.mark.parametrize(
    "read", [official.check, lambda d, root: official.read_official(d, Packing(size=8), root)]
)
def test_a_partial_copy_is_refused(chaoyang, read):
    root, settings = chaoyang
    expected = "pool: 2 found, 4021 expected; test: 1 found, 2139 expected"
    with pytest.raises(UserError, match=expected):
        read(settings(pool=4021, test=2139), root)


def test_sizes_that_are_not_given_are_not_checked(chaoyang):
    root, settings = chaoyang
    nothing = settings(pool=None, test=None, classes=None)
    assert "pool 2 (expected: unknown)" in official.check(nothing, root)
    assert official.read_official(nothing, Packing(size=8), root).pool == 2


def test_imagenet_wants_all_of_its_classes(tmp_path):
    for name in ("n1", "n2"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (9, 9)).save(tmp_path / "train" / name / f"{i}.JPEG")
    whole = ImageNet(adapter="imagenet", classes=2, images_per_class=2)
    assert "pool 4 (as expected)" in official.check(whole, tmp_path)
    short = ImageNet(adapter="imagenet", classes=2, images_per_class=5)
    with pytest.raises(UserError, match="pool: 6 found, 10 expected"):
        official.check(short, tmp_path)
    with pytest.raises(UserError, match="classes: 2 found, 1000 expected"):
        official.check(ImageNet(adapter="imagenet", classes=1000), tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("digits", "Digits has no official files to check"),
        ("digitz", "unknown data set 'digitz'; did you mean 'digits'?"),
    ],
)
def test_data_check_needs_a_data_set_with_files(name, text):
    fails(mpssl("data-check", "--config", "tests/support/tiny.yaml", name), text)

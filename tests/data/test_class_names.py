"""Classes that may be meant as one, classes without images, and where the paths of a list start."""

import unicodedata
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.config.data import ImageFolder, Split
from mpssl.data.class_names import alike
from mpssl.data.folder import list_images
from mpssl.tools.check import check, summary
from tests.support.commands import fails, mpssl

PIXELS = np.random.default_rng(0)
DECOMPOSED, COMPOSED = (unicodedata.normalize(form, "café") for form in ("NFD", "NFC"))


def fill(folder, *classes, count=5):
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            path = folder / name / f"{i}.png"
            Image.fromarray(PIXELS.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    return folder


def of(path, **more):
    return ImageFolder(adapter="folder", title="T", path=path, **more)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat", "Cat", "dog"], {"Cat": "cat"}),
        (["red fox", "red  fox", "Red Fox"], {"red  fox": "red fox", "Red Fox": "red fox"}),
        (["redfox", "red fox"], {"red fox": "redfox"}),
        ([DECOMPOSED, COMPOSED], {COMPOSED: DECOMPOSED}),
        (["STRASSE", "straße"], {"straße": "STRASSE"}),
        (["２", "2"], {"2": "２"}),
        (["cat", "cats", "1", "11", "a-b", "a_b"], {}),
    ],
)
def test_names_that_may_be_meant_as_one(names, expected):
    counts = Counter({name: 10 - place for place, name in enumerate(names)})
    assert alike(counts) == expected


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["cat", "Cat", "dog"], r"the classes 'Cat' \(5 images\) and 'cat' \(5\) differ only in"),
        (["red fox", "red  fox"], r"'red␣␣fox' \(5 images\) and 'red␣fox'"),
        ([DECOMPOSED, COMPOSED], r"'cafe\\u0301' \(5 images\) and 'caf\\xe9'"),
        (["train/cat", "train/dog", "test/Cat", "test/dog"], "'Cat' .* and 'cat' .* merge them by"),
    ],
)
def test_they_are_asked_about(tmp_path, folders, message):
    with pytest.raises(UserError, match=message):
        list_images(of(fill(tmp_path / "images", *folders)))


@pytest.mark.parametrize(
    ("folders", "train", "test"),
    [
        ({"cat": 5, "Cat": 15, "dog": 10}, {"Cat": 16, "dog": 8}, {"Cat": 4, "dog": 2}),
        ({DECOMPOSED: 9, COMPOSED: 1, "x": 5}, {DECOMPOSED: 8, "x": 4}, {DECOMPOSED: 2, "x": 1}),
        (
            {"train/cat": 5, "train/dog": 5, "test/Cat": 2, "test/dog": 2},
            {"cat": 5, "dog": 5},
            {"cat": 2, "dog": 2},
        ),
    ],
)
def test_a_key_merges_them_under_the_name_that_most_images_have(tmp_path, folders, train, test):
    for name, count in folders.items():
        fill(tmp_path / "images", name, count=count)
    found = list_images(of(tmp_path / "images", merge_classes=True))
    for files, expected in ((found.train, train), (found.test, test)):
        assert {name: len(files[name]) for name in files} == expected


def test_the_labels_of_a_list_are_asked_about_too(tmp_path):
    images = fill(tmp_path, "a", "b")
    lines = [f"{name}/{i}.png,{name}" for name in "ab" for i in range(5)]
    lines[0] = "a/0.png,A"
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
    fails(
        mpssl("init", tmp_path / "p", "--images", tmp_path / "list.csv", "--foundation", "small"),
        "'a' (4 images) and 'A' (1)",
        "mpssl init --merge-classes",
    )
    words = ["init", tmp_path / "p", "--images", tmp_path / "list.csv", "--merge-classes"]
    assert mpssl(*words, "--foundation", "small").returncode == 0
    dataset = reading.load(tmp_path / "p/config.yaml").datasets["p"]
    assert dataset.merge_classes and sorted(list_images(dataset).train) == ["a", "b"]
    assert images.is_dir()


# -------------------------------------------------------------------------- classes without images


def test_a_class_of_which_nothing_is_left_is_named(tmp_path):
    images = fill(tmp_path / "images", "cat", "dog")
    (images / "raw").mkdir()
    (images / "raw/1.cr2").write_text("raw")
    (images / "broken").mkdir()
    (images / "broken/1.png").write_text("nothing")
    text = summary(check(of(images)), Split())
    assert "warning: all images are left out of broken" in text
    assert "warning: no picture is in raw" in text
    (tmp_path / "out.csv").write_text("file\nbroken/1.png\n")
    text = summary(check(of(images, exclude=tmp_path / "out.csv")), Split())
    assert "warning: all images are left out of broken" in text


def test_a_test_class_whose_training_images_are_left_out_is_named(tmp_path):
    images = fill(tmp_path / "images", *(f"{p}/{n}" for p in ("train", "test") for n in "abc"))
    for file in (images / "train/c").iterdir():
        file.write_text("nothing")
    with pytest.raises(UserError, match="the test class 'c'; all of them are left out; 5 files"):
        check(of(images))


# ------------------------------------------------------------------------------- where paths start


@pytest.mark.parametrize(
    ("root", "prefix", "expected"),
    [
        (None, "images/", None),
        ("elsewhere", "", None),
        ("elsewhere", "images/", "none of the 10 files .* relative paths start at .*elsewhere"),
        (None, "", "none of the 10 files .* 10 are not there; .* relative paths start at"),
    ],
)
def test_the_paths_of_a_list_start_at_its_folder_or_at_a_root(tmp_path, root, prefix, expected):
    fill(tmp_path / ("elsewhere" if root else "lists/images"), "a", "b")
    lines = [f"{prefix}{name}/{i}.png,{name}" for name in "ab" for i in range(5)]
    (tmp_path / "lists").mkdir(exist_ok=True)
    (tmp_path / "lists/list.csv").write_text("\n".join(["path,label", *lines]))
    dataset = of(tmp_path / "lists/list.csv", root=root and tmp_path / root)
    if expected:
        with pytest.raises(UserError, match=expected):
            list_images(dataset)
    else:
        assert {name: len(files) for name, files in list_images(dataset).train.items()} == {
            "a": 4,
            "b": 4,
        }


def test_a_root_is_an_option_and_excluded_files_start_there(tmp_path):
    fill(tmp_path / "elsewhere", "a", "b")
    (tmp_path / "elsewhere/a/0.png").write_text("nothing")
    lines = [f"{name}/{i}.png,{name}" for name in "ab" for i in range(5)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
    words = ["init", "p", "--images", "list.csv", "--root", "elsewhere", "--foundation", "small"]
    assert mpssl(*words, cwd=tmp_path).returncode == 0
    dataset = reading.load(tmp_path / "p/config.yaml").datasets["p"]
    assert dataset.root == tmp_path / "elsewhere"
    assert "a/0.png,path," in (tmp_path / "p/excluded.csv").read_text()
    assert len(list_images(dataset).train["a"]) == 3


def test_a_root_without_a_list_is_refused(tmp_path):
    fill(tmp_path / "images", "a", "b")
    with pytest.raises(UserError, match="is for the paths of a CSV"):
        list_images(of(tmp_path / "images", root=tmp_path))

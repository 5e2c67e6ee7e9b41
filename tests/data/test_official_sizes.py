"""Images of an official data set against the sizes that it should have."""

import json

import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config.data import ImageNet, Packing, PaperData
from mpssl.data import official
from tests.support.commands import fails, mpssl


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

"""The readers of the official layouts, on whole tiny copies of them."""

import functools

import numpy as np
import pytest

from mpssl.common.errors import UserError
from mpssl.data import official, store
from mpssl.data.layouts import LISTINGS, OfficialFolder
from mpssl.data.split import split_pool
from tests.support.official_files import A_CLASS, IN_TEST, number_of, write
from tests.support.official_fixtures import (
    CLASSES,
    DATASETS,
    ODD_PETS,
    PACKING,
    VARIANTS,
    imagenet,
    made,
    read,
    settings,
)

pytestmark = pytest.mark.slow  # thousands of small images


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A function: a data set, written, read and packed; once for all tests."""

    @functools.cache
    def pack(name):
        folder = tmp_path_factory.mktemp(name)
        root = write(made(name), folder / "official")
        store.save(folder / "packed", read(name, root), PACKING.size)
        return root, store.load(folder / "packed")

    return pack


@pytest.mark.parametrize("name", DATASETS)
def test_sizes_are_those_of_the_official_split(packed, name):
    _, data = packed(name)
    classes = CLASSES[name]
    assert data.classes == made(name).classes
    assert len(data.classes) == classes
    assert data.pool == classes * made(name).pool
    assert len(data.test) == classes * made(name).test
    counts = np.bincount(data.labels[: data.pool], minlength=classes)
    assert counts.tolist() == [made(name).pool] * classes
    assert data.labels.min() == 0 and data.labels.max() == classes - 1


@pytest.mark.parametrize("name", DATASETS)
def test_every_image_has_its_label_and_split(packed, name):
    """The colour of an image encodes both."""
    _, data = packed(name)
    found = np.array([number_of(image) for image in data.images])
    expected = data.labels.copy()
    expected[data.pool :] += IN_TEST
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", DATASETS)
def test_ten_percent_leaves_an_image_of_each_class(packed, name):
    _, data = packed(name)
    parts = split_pool(data.labels[: data.pool], fraction=10, validation_fraction=0.1, seed=0)
    labeled = parts["labeled"] + parts["validation"]
    assert np.array_equal(np.unique(data.labels[labeled]), np.arange(CLASSES[name]))
    assert len(labeled) == data.pool // 10
    assert len(parts["validation"]) == round(len(labeled) / 10) > 0
    assert max(map(max, parts.values())) < data.pool


NAMED = {  # a file of the pool, the number of its class
    "cub": {"images/002.Laysan_Albatross/Laysan_Albatross_0003_14.jpg": 1},
    "dtd": {"images/zigzagged/zigzagged_0002.jpg": 46, "images/banded/banded_0005.jpg": 0},
    "pets": {"images/beagle_116.jpg": 4, "images/yorkshire_terrier_100.jpg": 36},
    "food101": {"images/churros/1004236.jpg": 2},
    "chaoyang": {"train/353042_3-IMG019x014-3.JPG": 3},
    "imagenet": {"train/n01440777/n01440777_26.JPEG": 1},
}


@pytest.mark.parametrize("name", NAMED)
def test_named_files_have_the_right_label(packed, name):
    root, _ = packed(name)
    labels = dict(LISTINGS[name](OfficialFolder(root)).pool)
    for file, label in NAMED[name].items():
        assert labels[root / file] == label


def test_variants_with_blanks_and_slashes_are_whole(packed):
    root, data = packed("aircraft")
    listing = LISTINGS["aircraft"](OfficialFolder(root))
    lists = (root / "data/images_variant_trainval.txt").read_text().splitlines()
    for variant in ("F/A-18", "Eurofighter Typhoon", "737-200"):
        ids = [line.split(" ", 1)[0] for line in lists if line.split(" ", 1)[1] == variant]
        labels = {dict(listing.pool)[root / f"data/images/{id_}.jpg"] for id_ in ids}
        assert len(ids) == A_CLASS
        assert labels == {VARIANTS.index(variant)} == {data.classes.index(variant)}


@pytest.mark.parametrize("name", ["cars", "cars_split"])
def test_the_two_layouts_of_cars_are_told_apart(packed, name):
    root, _ = packed(name)
    listing = LISTINGS["cars"](OfficialFolder(root))
    pool, test = ({path.parent.name for path, _ in part} for part in (listing.pool, listing.test))
    expected = {"cars": ("car_ims", "car_ims"), "cars_split": ("cars_train", "cars_test")}
    assert (pool, test) == tuple({folder} for folder in expected[name])
    assert not {path for path, _ in listing.pool} & {path for path, _ in listing.test}


def test_odd_pets_are_read_and_stray_files_are_not(packed):
    root, data = packed("pets")
    listing = LISTINGS["pets"](OfficialFolder(root))
    files = [path for path, _ in listing.pool + listing.test]
    assert {path.suffix for path in files} == {".jpg"}
    for image in ODD_PETS:
        row = files.index(root / f"images/{image}.jpg")
        assert number_of(data.images[row]) % IN_TEST == data.labels[row]
    assert {data.classes[0], data.classes[36]} == {"Abyssinian", "yorkshire_terrier"}


def test_dtd_is_partition_1(packed):
    root, data = packed("dtd")
    first = set((root / "labels/test1.txt").read_text().split())
    second = set((root / "labels/test2.txt").read_text().split())
    tested = {path for path, _ in LISTINGS["dtd"](OfficialFolder(root)).test}
    assert not first & second
    assert tested == {root / "images" / name for name in first}


def test_images_per_class_takes_the_first_of_each(tmp_path):
    root = write(imagenet(classes=5), tmp_path)
    (root / "train/n01440764/notes.txt").write_text("not an image")
    (root / "train/README").write_text("not a class")
    reading = read("imagenet", root, images_per_class=3, classes=5)
    assert reading.labels.tolist() == sorted([*range(5)] * 3)
    assert reading.pool == 15
    assert [number_of(image) for image in reading.images] == reading.labels.tolist()
    assert read("imagenet", root, classes=5).pool == 50


@pytest.mark.parametrize("name", DATASETS)
def test_a_whole_copy_passes_the_check(packed, name):
    root, data = packed(name)
    report = official.check(settings(name), root)
    assert str(root) in report
    assert f"pool {data.pool}" in report and f"all {len(data.labels)} images are there" in report


def test_the_check_names_missing_images(packed, lists):
    whole, _ = packed("flowers")
    root = lists("flowers")
    with pytest.raises(UserError, match="1122 of 1122 images are missing: jpg/image_.* 1119 more"):
        official.check(settings("flowers"), root)
    official.check(settings("flowers"), whole)

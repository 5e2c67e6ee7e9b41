"""Validation images that are given: they are D_val, and D and D_u come from the training images."""

import json

import numpy as np
import pytest

from mpssl.common.errors import UserError
from mpssl.config.data import ImageFolder, Packing, Split
from mpssl.data import store
from mpssl.data.folder import list_images, read_folder
from mpssl.data.pictures import read_images
from mpssl.data.split import write_split
from tests.support.pictures import put

PARTS = {"train": 0, "valid": 100, "test": 200}
COUNTS = {"train": 10, "valid": 3, "test": 2}


def of(path, **more):
    return ImageFolder(adapter="folder", title="T", path=path, **{"validation": "given"} | more)


def as_folders(folder, parts=("train", "valid", "test")):
    """Ten training images of each class, three for validation and two for the test."""
    for part in parts:
        first, count = PARTS[part], COUNTS[part]
        a, b = range(first, first + count), range(first + 50, first + 50 + count)
        put(folder / part, a=a, b=b)
    return folder


def as_list(folder, parts=("train", "valid", "test"), group=lambda _: ""):
    """The same as a list, the parts mixed."""
    files = sorted(as_folders(folder, parts).rglob("*.png"), key=lambda file: file.name)
    lines = ["path,label,split,group"]
    for file in files:
        _, part, name, _ = (file.parts)[-4:]
        lines.append(f"{file.relative_to(folder)},{name},{part},{group(file)}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder / "list.csv"


def packed_of(dataset, folder):
    store.save(folder, read_folder(dataset, Packing(size=8)), 8)
    return store.load(folder)


def split(packed, path, fraction, **settings):
    write_split(path, packed, fraction, Split(**settings))
    found = json.loads(path.read_text())
    return [found[part] for part in ("labeled", "validation", "unlabeled")]


@pytest.mark.parametrize("make", [as_folders, as_list])
def test_d_val_is_what_is_given_at_every_fraction_and_seed(tmp_path, make):
    dataset = of(make(tmp_path / "images"))
    images = list_images(dataset)
    assert {f.parts[-3] for f in images.parts["validation"]} == {"valid"}
    packed = packed_of(dataset, tmp_path / "packed")
    assert (packed.pool, packed.validation, len(packed.test)) == (26, 6, 4)
    assert packed.labels.tolist() == [0] * 10 + [1] * 10 + [0] * 3 + [1] * 3 + [0] * 2 + [1] * 2
    given = read_images(images.parts["validation"], Packing(size=8))
    assert np.array_equal(packed.images[20:26], list(given))
    labeled = set()
    for fraction in (50, 100):
        for seed in (0, 1):
            d, d_val, d_u = split(packed, tmp_path / "s.json", fraction, seed=seed)
            assert d_val == list(range(20, 26))
            assert sorted(d + d_u) == list(range(20))
            assert len(d) == 20 * fraction // 100
            labeled.add(tuple(d))
    assert len(labeled) == 3  # two seeds at 50 %; all at 100 %


def test_validation_fraction_does_not_count(tmp_path):
    packed = packed_of(of(as_folders(tmp_path / "images")), tmp_path / "packed")
    found = [
        split(packed, tmp_path / "s.json", 50, validation_fraction=part, validation=way)
        for part in (0.001, 0.9)
        for way in ("random", "stratified")
    ]
    assert found[0] == found[1] == found[2] == found[3]


def test_the_number_is_kept_and_sealed(tmp_path):
    packed = packed_of(of(as_folders(tmp_path / "images")), tmp_path / "packed")
    assert store.load(tmp_path / "packed").validation == 6
    drawn = packed_of(of(tmp_path / "images", validation="train"), tmp_path / "drawn")
    assert drawn.digest != packed.digest
    assert "validation" not in json.loads((tmp_path / "drawn/meta.json").read_text())


def counts(dataset):
    """Of the files for training, D_val and the test."""
    parts = list_images(dataset).parts
    return [len(parts[part]) for part in ("training", "validation", "test")]


@pytest.mark.parametrize("make", [as_folders, as_list])
@pytest.mark.parametrize("test", ["CLASS", "test/CLASS", "list", "list with its part"])
def test_test_images_that_are_elsewhere_leave_the_validation_images(tmp_path, make, test):
    path, more = make(tmp_path / "images", ("train", "valid")), tmp_path / "more"
    match test:
        case "CLASS":
            more = as_folders(more, ("test",)) / "test"
        case "test/CLASS":  # beside training images that do not matter
            more = as_folders(more, ("train", "test"))
        case "list":
            more = as_list(more, ("test",))
            more.write_text(more.read_text().replace(",split,", ",other,"))
        case "list with its part":
            more = as_list(more, ("train", "test"))
    assert counts(of(path, test=more)) == [20, 6, 4]
    assert counts(of(path, test=more, validation="train")) == [26, 0, 4]


@pytest.mark.parametrize("make", [as_folders, as_list])
def test_two_sets_of_test_images_are_refused(tmp_path, make):
    path = make(tmp_path / "images")
    other = as_folders(tmp_path / "more", ("test",)) / "test"
    with pytest.raises(UserError, match=f"{path} has test images, and `test` names others: "):
        list_images(of(path, test=other))
    assert counts(of(path, test=tmp_path / "images/test")) == [20, 6, 4]  # the same


def test_a_file_that_is_listed_for_training_and_validation_is_for_validation(tmp_path):
    path = as_list(tmp_path / "images")
    path.write_text(path.read_text() + "train/a/0.png,a,val,\ntrain/a/1.png,a,test,\n")
    images = list_images(of(path))
    assert [len(images.parts[part]) for part in ("training", "validation", "test")] == [18, 7, 5]


@pytest.mark.parametrize("make", [as_folders, as_list])
@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("train", "test"), "has no validation images; remove the key"),
        (("train", "valid"), "its validation images are the test; name others as `test`"),
    ],
)
def test_validation_images_that_are_not_there_are_refused(tmp_path, make, parts, message):
    with pytest.raises(UserError, match=message) as refused:
        list_images(of(make(tmp_path / "images", parts)))
    assert "\n" not in str(refused.value)


def test_a_folder_of_classes_has_no_validation_images(tmp_path):
    with pytest.raises(UserError, match="has no validation images"):
        list_images(of(put(tmp_path, a=range(3), b=range(5, 8))))


def test_a_validation_class_that_training_lacks_is_named(tmp_path):
    folder = as_folders(tmp_path)
    put(folder / "valid", aa=[90])
    message = r"no training image has the validation class 'aa'; did you mean 'a'"
    with pytest.raises(UserError, match=message):
        list_images(of(folder))


def test_validation_images_that_are_all_left_out_are_refused(tmp_path):
    folder = as_folders(tmp_path / "images")
    files = sorted((folder / "valid").rglob("*.png"))
    lines = "".join(f"{file.relative_to(folder)},path\n" for file in files)
    (tmp_path / "out.csv").write_text("file,place\n" + lines)
    with pytest.raises(UserError, match="no image is left for validation"):
        list_images(of(folder, exclude=tmp_path / "out.csv"))


def test_a_group_with_training_and_validation_images_is_refused(tmp_path):
    shared = {"train/a/0.png": "p", "valid/a/100.png": "p", "valid/b/150.png": "q"}

    def group(file):
        return shared.get("/".join(file.parts[-3:]), file.stem)

    path = as_list(tmp_path / "images", group=group)
    with pytest.raises(
        UserError, match="groups with training and validation images: 1, such as p;"
    ):
        list_images(of(path))
    assert len(list_images(of(path, validation="train")).train["a"]) == 13
    shared["train/a/0.png"] = "r"
    path = as_list(tmp_path / "images", group=group)
    packed = packed_of(of(path), tmp_path / "packed")
    assert split(packed, tmp_path / "s.json", 50)[1] == list(range(20, 26))


def test_groups_and_unlabeled_images_keep_off_a_given_d_val(tmp_path):
    folder = as_folders(tmp_path / "images")
    more = put(tmp_path / "more", u=[100, 300])  # the first is named as a validation image
    dataset = of(folder, unlabeled=more, group_by="[0-9]+.png")
    packed = packed_of(dataset, tmp_path / "packed")
    d, d_val, d_u = split(packed, tmp_path / "s.json", 100)
    assert (len(d), d_val, d_u) == (20, list(range(20, 26)), [31])

"""What the readers of the official layouts say of files that are missing or damaged."""

import io
import json

import numpy as np
import pytest
from scipy.io import loadmat

from mpssl.common.errors import UserError
from mpssl.data import store
from mpssl.data.layouts import LISTINGS, OfficialFolder
from tests.support.official_files import A_CLASS, encoded, lines, mat, write
from tests.support.official_fixtures import DATASETS, PACKING, imagenet, made, read, settings


def refuses(name, root, *texts, **changes):
    """The one-line error of reading the whole data set."""
    with pytest.raises(UserError) as caught:
        list(read(name, root, **changes).images)
    message = str(caught.value)
    assert "\n" not in message
    for text in texts:
        assert str(text) in message
    return message


LISTS = [
    ("aircraft", "data/variants.txt"),
    ("aircraft", "data/images_variant_trainval.txt"),
    ("aircraft", "data/images_variant_test.txt"),
    ("cub", "images.txt"),
    ("cub", "image_class_labels.txt"),
    ("cub", "train_test_split.txt"),
    ("cub", "classes.txt"),
    ("cars_split", "devkit/cars_meta.mat"),
    ("cars_split", "devkit/cars_train_annos.mat"),
    ("cars_split", "cars_test_annos_withlabels.mat"),
    ("dtd", "labels/train1.txt"),
    ("dtd", "labels/val1.txt"),
    ("dtd", "labels/test1.txt"),
    ("flowers", "imagelabels.mat"),
    ("flowers", "setid.mat"),
    ("pets", "annotations/trainval.txt"),
    ("pets", "annotations/test.txt"),
    ("food101", "meta/train.txt"),
    ("food101", "meta/test.txt"),
    ("chaoyang", "train.json"),
    ("chaoyang", "test.json"),
]


@pytest.mark.parametrize(("name", "file"), LISTS)
def test_a_missing_list_is_named_with_a_remedy(lists, name, file):
    root = lists(name)
    (root / file).unlink()
    message = refuses(name, root, settings(name).title, root / file, "does not exist")
    assert "put the official files in" in message and "`path:`" in message


@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_folder_is_named_with_a_remedy(tmp_path, name):
    root = tmp_path / "nowhere"
    refuses(name, root, settings(name).title, root, "does not exist", "`path:`")


def first_image(name, root):
    return LISTINGS[made(name).adapter](OfficialFolder(root)).pool[0][0]


@pytest.mark.parametrize("name", ["aircraft", "cars", "flowers", "chaoyang"])
def test_a_missing_image_is_named(lists, name):
    root = lists(name)
    file = first_image(name, root).relative_to(root)
    refuses(name, root, file, "images are missing", "`path:`")


def test_a_missing_image_comes_with_the_data_set_and_a_remedy(lists):
    root = lists("chaoyang")
    refuses("chaoyang", root, settings("chaoyang").title, "`path:`")


def test_a_missing_image_leaves_no_packed_data(lists, tmp_path):
    root = lists("chaoyang")
    with pytest.raises(UserError):
        store.save(tmp_path / "packed", read("chaoyang", root), PACKING.size)
    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize(
    ("content", "reason", "remedy"),
    [
        (b"", "is empty", "remove it"),
        (b"<html>404</html>", "is a web page", "download it again"),
        (encoded(3)[:200], "is corrupt", "repair or remove it"),
    ],
)
def test_a_damaged_image_is_named(tmp_path, content, reason, remedy):
    root = write(made("chaoyang"), tmp_path)
    damaged = first_image("chaoyang", root)
    damaged.write_bytes(content)
    refuses("chaoyang", root, damaged, reason, remedy)


@pytest.mark.parametrize("part", ["pool", "test", "classes"])
@pytest.mark.parametrize("name", ["aircraft", "cub", "cars", "chaoyang"])
def test_a_partial_copy_is_refused(lists, name, part):
    root, found = lists(name), getattr(settings(name), part)
    texts = [settings(name).title, f"{part}: {found} found, {found + 1} expected", root]
    refuses(name, root, *texts, **{part: found + 1})


def test_a_partial_imagenet_is_refused(tmp_path):
    root = write(imagenet(classes=5), tmp_path)
    refuses("imagenet", root, "classes: 5 found, 1000 expected", root)
    few = {"classes": 5, "images_per_class": A_CLASS + 1}
    refuses("imagenet", root, "pool: 50 found, 55 expected", root, **few)


# --------------------------------------------------------------------------------- what is damaged


def line(start, replacement):
    """A function that replaces the first line that starts with `start`."""

    def change(content):
        rows = content.decode().splitlines()
        rows[next(i for i, row in enumerate(rows) if row.startswith(start))] = replacement
        return lines(rows)

    return change


def all_of(content):
    """A function that replaces everything."""
    return lambda _: content


def cut(content):
    return content[: len(content) // 2]


def binary(content):
    return b"\xff\xfe\x80" + content


def flipped(content):
    """One bit is wrong, in the checksum of the last compressed variable."""
    return content[:-1] + bytes([content[-1] ^ 1])


def image_zero(content):
    """The number of an image is 0, where they count from 1."""
    splits = loadmat(io.BytesIO(content))
    splits["trnid"][0, 0] = 0
    return mat(**{name: splits[name] for name in ("trnid", "valid", "tstid")})


HTML = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
HDF5 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n"
TRAINVAL = "data/images_variant_trainval.txt"

DAMAGED = {
    "aircraft: no text": ("aircraft", TRAINVAL, binary),
    "aircraft: unknown variant": ("aircraft", TRAINVAL, line("", "0034309 Unheard Of")),
    "aircraft: line without variant": ("aircraft", TRAINVAL, line("", "0034309")),
    "aircraft: variants cut": ("aircraft", "data/variants.txt", cut),
    "cub: line without file": ("cub", "images.txt", line("1 ", "1")),
    "cub: labels cut": ("cub", "image_class_labels.txt", cut),
    "cub: label is no number": ("cub", "image_class_labels.txt", line("3 ", "3 three")),
    "cub: split is neither 0 nor 1": ("cub", "train_test_split.txt", line("7 ", "7 2")),
    "cars: web page": ("cars", "cars_annos.mat", all_of(HTML)),
    "cars: cut": ("cars", "cars_annos.mat", cut),
    "cars: no annotations": ("cars", "cars_annos.mat", all_of(mat(class_names=np.zeros(3)))),
    "cars: no structs": ("cars", "cars_annos.mat", all_of(mat(annotations=np.zeros((1, 9))))),
    "cars: devkit cut": ("cars_split", "devkit/cars_train_annos.mat", cut),
    "flowers: web page": ("flowers", "setid.mat", all_of(HTML)),
    "flowers: cut": ("flowers", "imagelabels.mat", cut),
    "flowers: no labels": ("flowers", "imagelabels.mat", all_of(mat(wrong=np.zeros(3)))),
    "flowers: few labels": ("flowers", "imagelabels.mat", all_of(mat(labels=np.ones((1, 9))))),
    "flowers: image 0": ("flowers", "setid.mat", image_zero),
    "pets: line without class": ("pets", "annotations/trainval.txt", line("", "Abyssinian_100")),
    "pets: class is no number": ("pets", "annotations/test.txt", line("", "Abyssinian_1 one 1 1")),
    "pets: class too large": ("pets", "annotations/test.txt", line("", "Abyssinian_1 99 1 1")),
    "food101: unknown class": ("food101", "meta/test.txt", line("", "unheard_of/1")),
    "chaoyang: cut": ("chaoyang", "train.json", cut),
    "chaoyang: nothing": ("chaoyang", "train.json", all_of(b"")),
    "chaoyang: web page": ("chaoyang", "train.json", all_of(HTML)),
    "chaoyang: no list": ("chaoyang", "train.json", all_of(b'{"name": "a.JPG", "label": 0}')),
    "chaoyang: no label": ("chaoyang", "train.json", all_of(b'[{"name": "a.JPG"}]')),
    "chaoyang: null": ("chaoyang", "test.json", all_of(b"null")),
}


def damage(root, file, change):
    path = root / file
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("name", "file", "change"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_list_is_one_clear_error(lists, name, file, change):
    root = lists(name)
    damage(root, file, change)
    refuses(name, root, settings(name).title, f"a list in {root} is damaged")


@pytest.mark.parametrize(
    "case", ["aircraft: unknown variant", "flowers: cut", "pets: line without class"]
)
def test_a_damaged_list_is_named_with_a_remedy(lists, case):
    name, file, change = DAMAGED[case]
    root = lists(name)
    path = damage(root, file, change)
    message = refuses(name, root, path)
    assert any(remedy in message for remedy in ("delete", "again", "replace"))


@pytest.mark.parametrize(
    "change", [flipped, all_of(b""), all_of(HDF5)], ids=["bit", "empty", "7.3"]
)
@pytest.mark.parametrize(
    ("name", "file"), [("cars", "cars_annos.mat"), ("flowers", "imagelabels.mat")]
)
def test_a_damaged_matlab_file_is_one_clear_error(lists, name, file, change):
    root = lists(name)
    damage(root, file, change)
    refuses(name, root, settings(name).title, "is damaged")


NOTHING = {
    "aircraft": ("aircraft", TRAINVAL, all_of(b"\n")),
    "cub": ("cub", "images.txt", all_of(b"")),
    "dtd": ("dtd", "labels/val1.txt", all_of(b"")),
    "food101": ("food101", "meta/test.txt", all_of(b"\n\n")),
    "pets": ("pets", "annotations/trainval.txt", all_of(b"")),
    "chaoyang": ("chaoyang", "test.json", all_of(b"[]")),
}


@pytest.mark.parametrize(("name", "file", "change"), NOTHING.values(), ids=NOTHING)
def test_an_empty_list_is_refused(lists, name, file, change):
    root = lists(name)
    damage(root, file, change)
    refuses(name, root, settings(name).title)


def test_an_unknown_class_of_dtd_is_refused(lists):
    root = lists("dtd")
    damage(root, "labels/test1.txt", line("", "unheard/of_0001.jpg"))
    refuses("dtd", root, "classes: 48 found, 47 expected")


def labels_from_one(content):
    return json.dumps([r | {"label": r["label"] + 1} for r in json.loads(content)]).encode()


def label_zero(content):
    """The first label of the whole file is 0, where labels count from 1."""
    labels = loadmat(io.BytesIO(content))["labels"]
    labels[0, 0] = 0
    return mat(labels=labels)


OUT_OF_RANGE = {
    "cub: class 0": ("cub", "image_class_labels.txt", line("1 ", "1 0")),
    "cub: class 201": ("cub", "image_class_labels.txt", line("1 ", "1 201")),
    "flowers: class 0": ("flowers", "imagelabels.mat", label_zero),
    "chaoyang: class 4": ("chaoyang", "train.json", labels_from_one),
}


@pytest.mark.parametrize(("name", "file", "change"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
def test_a_label_out_of_range_is_refused(lists, name, file, change):
    root = lists(name)
    damage(root, file, change)
    with pytest.raises(UserError, match=settings(name).title):
        read(name, root)


def test_imagenet_without_images_is_refused(tmp_path):
    (tmp_path / "train/n01440764").mkdir(parents=True)
    with pytest.raises(UserError, match="ImageNet"):
        store.save(tmp_path / "packed", read("imagenet", tmp_path, classes=None), PACKING.size)

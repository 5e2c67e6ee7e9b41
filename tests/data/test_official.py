"""The readers of the official layouts, on tiny copies of them, and what they say of damage."""

import functools
import io
import json

import numpy as np
import pytest
from scipy.io import loadmat

from mpssl.common.errors import UserError
from mpssl.config.data import ImageNet, Packing, PaperData
from mpssl.data import adapters, official, store
from mpssl.data.layouts import LISTINGS, OfficialFolder
from mpssl.data.split import split_pool
from tests.support.official_fixtures import (
    A_CLASS,
    CLASSES,
    DATASETS,
    IN_TEST,
    ODD_PETS,
    VARIANTS,
    encoded,
    imagenet,
    lines,
    mat,
    number_of,
    write,
)

PACKING = Packing(size=8)
made = functools.cache(lambda name: DATASETS[name]())


def settings(name, **changes):
    """As mpssl/shipped/datasets.yaml has them, with the sizes of the fixture."""
    data, classes = made(name), CLASSES[name]
    if data.adapter == "imagenet":
        return ImageNet(**{"adapter": data.adapter, "classes": classes} | changes)
    sizes = {"classes": classes, "pool": classes * data.pool, "test": classes * data.test}
    return PaperData(**{"adapter": data.adapter, "title": f"The {name} data"} | sizes | changes)


def read(name, root, **changes):
    return adapters.read_dataset(settings(name, **changes), PACKING, root)


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


@pytest.fixture
def lists(tmp_path):
    """A function: the folder of a data set, written without its images."""
    return lambda name: write(made(name), tmp_path, images=False)


def refuses(name, root, *texts, **changes):
    """The one-line error of reading the whole data set."""
    with pytest.raises(UserError) as caught:
        list(read(name, root, **changes).images)
    message = str(caught.value)
    assert "\n" not in message
    for text in texts:
        assert str(text) in message
    return message


@pytest.mark.slow
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


# --------------------------------------------------------------------------------- what is missing

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


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", encoded(3)[:200]])
def test_a_damaged_image_is_named(tmp_path, content):
    root = write(made("chaoyang"), tmp_path)
    damaged = first_image("chaoyang", root)
    damaged.write_bytes(content)
    refuses("chaoyang", root, damaged, "corrupt", "repair or remove it")


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

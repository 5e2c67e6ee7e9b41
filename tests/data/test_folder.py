"""Images in folders and lists: what is read, held out, refused."""

import json

import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config.data import ImageFolder, Packing, Split
from mpssl.data import store
from mpssl.data.folder import hold_out, list_images, read_folder
from mpssl.data.split import write_split

PACKING = Packing(size=8)
RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (80, 80, 80)


def of(path, **more):
    return ImageFolder(adapter="folder", title="Mine", path=path, **more)


def make(path, colour=GREY, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path):
    """Classes cat and dog, written out of order: 3 in the pool, 2 in the test split."""
    for name in ("train/dog/b.png", "train/cat/2.png", "train/cat/1.PNG"):
        make(tmp_path / name)
    for name in ("test/dog/x.png", "test/cat/y.png"):
        make(tmp_path / name)
    return tmp_path


def test_pool_comes_first_and_classes_are_sorted(folder):
    make(folder / "train/cat/1.PNG", RED)
    make(folder / "test/dog/x.png", BLUE)
    (folder / "train/cat/notes.txt").write_text("not an image")
    (folder / "train/README").write_text("not a class")
    reading = read_folder(of(folder), PACKING)
    assert (reading.classes, reading.pool) == (["cat", "dog"], 3)
    assert reading.labels.tolist() == [0, 0, 1, 0, 1]
    colours = [tuple(image[0, 0].tolist()) for image in reading.images]
    assert colours == [RED, GREY, GREY, GREY, BLUE]


def test_packs_to_disk(folder, tmp_path):
    store.save(tmp_path / "packed", read_folder(of(folder), PACKING), PACKING.size)
    packed = store.load(tmp_path / "packed")
    assert packed.images.shape == (5, 8, 8, 3)
    assert (packed.images == 80).all()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("train", "has test, other, but no labeled train/CLASS"),
        ("test", "has other beside train; move"),
    ],
)
def test_missing_folder(folder, part, message):
    (folder / part).rename(folder / "other")
    with pytest.raises(UserError, match=message):
        read_folder(of(folder), PACKING)


def test_folder_without_images(folder, tmp_path):
    (tmp_path / "empty" / "train" / "cat").mkdir(parents=True)
    with pytest.raises(UserError, match="train has no images"):
        read_folder(of(tmp_path / "empty"), PACKING)


def test_a_class_without_images_is_no_class(folder):
    (folder / "train" / "bird").mkdir()
    assert read_folder(of(folder), PACKING).classes == ["cat", "dog"]


def test_test_class_without_training_images(folder):
    (folder / "train/dog/b.png").unlink()
    with pytest.raises(UserError, match="class 'dog'"):
        read_folder(of(folder), PACKING)


def test_corrupt_image_leaves_nothing(folder, tmp_path):
    (folder / "test/cat/y.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"cat/y\.png is corrupt"):
        store.save(tmp_path / "packed", read_folder(of(folder), PACKING), PACKING.size)
    assert list((tmp_path / "packed").iterdir()) == []


def test_a_short_line_of_a_list(tmp_path):
    (tmp_path / "out.csv").write_text("reason,file\nblurred\n")
    make(tmp_path / "x/cat/1.png")
    with pytest.raises(UserError, match=r"out\.csv, line 2: a column is missing"):
        list_images(of(tmp_path / "x", exclude=tmp_path / "out.csv"))


def test_held_out_by_class_and_single_images_stay(tmp_path):
    files = {"a": [tmp_path / f"a{i}" for i in range(10)], "b": [tmp_path / "b0", tmp_path / "b1"]}
    files["c"] = [tmp_path / "c0"]
    train, test = hold_out(files, 0.2, 0, {})
    assert {k: len(v) for k, v in train.items()} == {"a": 8, "b": 1, "c": 1}
    assert {k: len(v) for k, v in test.items()} == {"a": 2, "b": 1}
    for name in files:
        assert sorted([*train[name], *test.get(name, [])]) == files[name]
    assert hold_out(files, 0.2, 0, {}) == (train, test)
    assert hold_out(files, 0.2, 1, {}) != (train, test)


@pytest.mark.parametrize("in_groups", [False, True])
def test_what_is_held_out_stays_when_images_come_go_or_move(tmp_path, in_groups):
    def held_out(folder, numbers):
        files = {
            "a": [folder / f"a{i}" for i in numbers],
            "b": [folder / f"b{i}" for i in range(9)],
        }
        of_group = {file: f"{file.name}'s" for file in files["a"] if in_groups}
        _, test = hold_out(files, 0.2, 0, of_group)
        return {file.name for part in test.values() for file in part}

    before = held_out(tmp_path, range(20))
    assert held_out(tmp_path / "moved", range(20)) == before
    fewer = held_out(tmp_path, range(1, 20))
    assert len(before) == len(fewer) == 6
    assert len(before & fewer) >= 5
    assert len(before & held_out(tmp_path, range(22))) >= 4


def test_csv_with_odd_labels_unlabeled_and_excluded(tmp_path):
    for name in ("x/1.png", "x/2.png", "y/3.png", "y/4.png", "u/deep/5.png", "u/6.png"):
        make(tmp_path / name)
    rows = "path,label\nx/1.png,七 b\nx/2.png,七 b\ny/3.png,Ä\ny/4.png,Ä\n"
    (tmp_path / "list.csv").write_text(rows)
    (tmp_path / "out.csv").write_text("file,place,reason\n6.png,unlabeled,blurred\n")
    dataset = of(
        tmp_path / "list.csv", unlabeled=tmp_path / "u", exclude=tmp_path / "out.csv", seed=3
    )
    reading = read_folder(dataset, PACKING)
    assert reading.classes == ["Ä", "七 b"]
    assert (reading.pool, reading.unlabeled) == (2, 1)
    assert reading.labels.tolist() == [0, 1, 0, 1, -1]
    store.save(tmp_path / "packed", reading, PACKING.size)
    packed = store.load(tmp_path / "packed")
    assert packed.test.tolist() == [2, 3]
    write_split(tmp_path / "split.json", packed, 100, Split(validation_fraction=0.5))
    assert json.loads((tmp_path / "split.json").read_text())["unlabeled"] == [4]
    assert list_images(dataset)[2] == [tmp_path / "u/deep/5.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na,b\n", "no column 'path'"),
        ("path,label\na.png,\n", "line 2: a path or a label is empty"),
        ("", "no column 'label'"),
    ],
)
def test_bad_csv(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        list_images(of(tmp_path / "list.csv"))


def test_one_class_is_refused(tmp_path):
    make(tmp_path / "only/1.png")
    make(tmp_path / "only/2.png")
    with pytest.raises(UserError, match="'only' only; two are needed"):
        read_folder(of(tmp_path), PACKING)

"""Pools of generated images: how folders are understood, what is left out, what is refused."""

import numpy as np
import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config.data import Packing
from mpssl.config.generators import ImagePool
from mpssl.data import pool, store
from mpssl.data.store import Packed


def draw(path, seed, size=(32, 32), suffix=None, **options):
    """A picture of random coarse colours; the same seed gives the same one at any size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    image.save(path, **options)


def settings(path, **more):
    return ImagePool(kind="images", path=path, **more)


@pytest.mark.parametrize(
    ("files", "classes", "labels"),
    [
        (["cat/1.png", "dog/1.png", "dog/2.jpg"], ["cat", "dog"], [0, 1, 1]),
        (["9/a.png", "10/a.png"], ["9", "10"], [0, 1]),  # numbers in their order
        (["a.png", "b.png"], [], [-1, -1]),
        (["cat/1.png", "dog/x/1.png", "sheet.png"], ["cat", "dog"], [0, 1]),
        (["a.png", ".hidden.png"], [], [-1]),
    ],
)
def test_folders_are_classes_and_images_alone_have_none(tmp_path, files, classes, labels):
    for k, name in enumerate(files):
        draw(tmp_path / name, k)
    reading = pool.read_pool(settings(tmp_path), Packing(size=99), size=16)
    assert reading.classes == classes
    assert reading.labels.tolist() == labels
    images = list(reading.images)
    assert len(images) == len(labels)
    assert all(image.shape == (16, 16, 3) for image in images)  # other sizes are brought to it


def test_a_packed_pool_is_whole(tmp_path):
    for k in range(3):
        draw(tmp_path / f"images/{k}.png", k)
    for k, given in enumerate((settings(tmp_path / "images"), settings(tmp_path))):
        store.save(tmp_path / f"packed{k}", pool.read_pool(given, Packing(), 16), 16)
        assert len(store.load(tmp_path / f"packed{k}").images) == 3
        if not k:
            (tmp_path / "packed0").rename(tmp_path / ".packed")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "of the pool has no images; fill it or remove it"),
        (["cat/notes.txt"], "/cat of the pool has no images"),
        (["cat/1.png", "dog/notes.txt"], "/dog of the pool has no images"),
        (["cat/1.png", "1.png"], "has images beside its folders, such as 1.png"),
    ],
)
def test_a_folder_that_is_no_pool_is_one_line(tmp_path, files, message):
    for k, name in enumerate(files):
        if name.endswith(".txt"):
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).touch()
        else:
            draw(tmp_path / name, k)
    with pytest.raises(UserError, match=message):
        pool.list_pool(settings(tmp_path))
    with pytest.raises(UserError, match="does not exist; foundation.generator.path"):
        pool.list_pool(settings(tmp_path / "absent"))


def test_a_corrupt_image_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"a/1\.png is corrupt"):
        list(pool.read_pool(settings(tmp_path), Packing(), 8).images)


def test_equal_files_count_once_and_in_two_folders_not_at_all(tmp_path, capsys):
    for name, seed in (("a/1", 0), ("a/2", 0), ("a/3", 1), ("a/4", 2), ("b/1", 2), ("b/2", 3)):
        draw(tmp_path / f"{name}.png", seed)
    files, labels, _ = pool.kept_files(settings(tmp_path))
    assert [str(f.relative_to(tmp_path)) for f in files] == ["a/1.png", "a/3.png", "b/2.png"]
    assert labels == [0, 0, 1]
    assert "left out: 3 files" in capsys.readouterr().out


def test_listed_files_are_left_out(tmp_path):
    for k in range(3):
        draw(tmp_path / f"pool/{k}.png", k)
    (tmp_path / "out.csv").write_text(f"file\n{tmp_path}/pool/1.png\n")
    given = settings(tmp_path / "pool", exclude=tmp_path / "out.csv")
    assert [f.name for f in pool.list_pool(given)[pool.FLAT]] == ["0.png", "2.png"]


def packed(images):
    return Packed(images, np.zeros(len(images), np.int64), ["a"], 0, "", 0)


def test_a_test_image_is_found_at_another_size_and_in_another_format(tmp_path):
    for k in range(4):
        draw(tmp_path / f"data/{k}.png", k, size=(256, 256))
    draw(tmp_path / "pool/new.png", 10)
    draw(tmp_path / "pool/old.jpg", 2, size=(180, 180), quality=80)
    files = sorted((tmp_path / "data").iterdir())
    data = np.stack([*pool.read_images(files, Packing(size=64))])
    generated = pool.read_pool(settings(tmp_path / "pool"), Packing(), 32)
    found = pool.leaks(packed(np.stack([*generated.images])), packed(data))
    assert found == [(1, 2)]


def test_training_images_are_no_leak(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    data = Packed(images, np.zeros(6, np.int64), ["a"], 4, "")  # the last two are for the test
    assert pool.leaks(packed(images[:4]), data) == []
    assert sorted(pool.leaks(packed(images), data)) == [(4, 4), (5, 5)]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [(["0", "1", "7"], [0, 1, 7]), (["n01", "n02"], [0, 1]), (["007", "12"], [7, 12])],
)
def test_a_class_has_the_number_of_its_name_or_place(names, numbers):
    assert pool.class_numbers(names) == numbers


def test_classes_of_the_same_name():
    assert pool.classes_by_name(["b", "a"], ["a", "b"], [0, 1]) == {"b": [0], "a": [1]}
    assert pool.classes_by_name(["3", "5"], ["3", "5"], [3, 5]) == {"3": [3], "5": [5]}
    with pytest.raises(UserError, match="images for the class dog.*did you mean 'dogs'"):
        pool.classes_by_name(["cat", "dogs"], ["cat", "dog"], [0, 1])
    with pytest.raises(UserError, match="the generated class cow is none of the data"):
        pool.classes_by_name(["cat", "cow", "dog"], ["cat", "dog"], [0, 1, 2])

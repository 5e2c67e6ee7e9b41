"""Packed data sets on disk."""

import os
import shutil
from collections import namedtuple

import numpy as np
import pytest

from mpssl.common.errors import UserError
from mpssl.data import store
from mpssl.data.store import Reading

IMAGES = np.arange(3 * 2 * 2 * 3, dtype=np.uint8).reshape(3, 2, 2, 3)


def reading(images=IMAGES, labels=(0, 1, 1), pool=2):
    return Reading(iter(images), np.array(labels), ["cat", "dog"], pool)


def digest(folder, **changes):
    store.save(folder, reading(**changes), size=2)
    return store.load(folder).digest


def test_round_trip(tmp_path):
    store.save(tmp_path / "a" / "b", reading(), size=2)
    packed = store.load(tmp_path / "a" / "b")
    np.testing.assert_array_equal(packed.images, IMAGES)
    assert packed.labels.tolist() == [0, 1, 1]
    assert packed.labels.dtype == np.int64
    assert packed.classes == ["cat", "dog"]
    assert (packed.pool, packed.test.tolist()) == (2, [2])


def test_images_are_mapped_not_read(tmp_path):
    store.save(tmp_path, reading(), size=2)
    images = store.load(tmp_path).images
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_digest_is_that_of_pixels_and_labels(tmp_path):
    first = digest(tmp_path)
    assert digest(tmp_path) == first
    changed = IMAGES.copy()
    changed[1, 0, 1, 2] += 1
    assert digest(tmp_path, images=changed) != first
    assert digest(tmp_path, labels=(0, 1, 0)) != first


def test_disk_too_small(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    # 3 images of 2 x 2 x 3 bytes need 36
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 65, 35))
    with pytest.raises(UserError, match="free some space and run again"):
        store.save(tmp_path, reading(), size=2)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 64, 36))
    store.save(tmp_path, reading(), size=2)
    assert len(store.load(tmp_path).labels) == 3


def failing():
    yield IMAGES[0]
    raise UserError("the second image is corrupt")


def test_nothing_is_left_by_a_failure(tmp_path):
    with pytest.raises(UserError, match="second image"):
        store.save(tmp_path, Reading(failing(), np.array([0, 1, 1]), ["a", "b"], 2), size=2)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_what_was_packed_before(tmp_path):
    first = digest(tmp_path)
    with pytest.raises(UserError):
        store.save(tmp_path, Reading(failing(), np.array([0, 0, 0]), ["a", "b"], 2), size=2)
    assert store.load(tmp_path).digest == first
    np.testing.assert_array_equal(store.load(tmp_path).images, IMAGES)
    made = {"images.npy", "labels.npy", "meta.json", "verified.json"}
    assert {f.name for f in tmp_path.iterdir()} == made


def full_disk(*_):
    raise OSError("no space left")


def test_a_full_disk_keeps_the_set_that_was_there(tmp_path, monkeypatch):
    store.save(tmp_path, reading(), size=2)
    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        store.save(tmp_path, reading(images=IMAGES + 1), size=2)
    np.testing.assert_array_equal(store.load(tmp_path).images, IMAGES)


def test_old_meta_does_not_mark_new_images(tmp_path, monkeypatch):
    """A stop between the renaming of the arrays and the writing of meta.json is seen."""
    store.save(tmp_path, reading(), size=2)
    monkeypatch.setattr(store, "write_made", full_disk)
    with pytest.raises(OSError, match="no space"):
        store.save(tmp_path, reading(images=IMAGES + 1), size=2)
    with pytest.raises(UserError):
        store.load(tmp_path)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "meta.json"])
def test_missing_file(tmp_path, name):
    store.save(tmp_path, reading(), size=2)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"{tmp_path} is missing or damaged"):
        store.load(tmp_path)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "meta.json"])
def test_truncated_file(tmp_path, name):
    store.save(tmp_path, reading(), size=2)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match="damaged"):
        store.load(tmp_path)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_empty_file(tmp_path, name):
    store.save(tmp_path, reading(), size=2)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="damaged"):
        store.load(tmp_path)


def test_files_that_do_not_belong_together(tmp_path):
    store.save(tmp_path, reading(), size=2)
    np.save(tmp_path / "labels.npy", np.array([0, 1]))
    with pytest.raises(UserError, match="damaged"):
        store.load(tmp_path)


def test_a_changed_byte_is_seen_in_every_file(tmp_path):
    for name in ("images.npy", "labels.npy"):
        store.save(tmp_path, reading(), size=2)
        store.load(tmp_path)
        content = bytearray((tmp_path / name).read_bytes())
        content[-1] ^= 1
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="wrong checksum"):
            store.load(tmp_path)


def test_an_edited_meta_is_refused(tmp_path):
    store.save(tmp_path, reading(), size=2)
    path = tmp_path / "meta.json"
    path.write_text(path.read_text().replace('"pool": 2', '"pool": 1'))
    with pytest.raises(UserError, match="wrong checksum"):
        store.load(tmp_path)


def test_unchanged_arrays_are_hashed_once(tmp_path, monkeypatch):
    store.save(tmp_path, reading(), size=2)
    store.load(tmp_path)
    hashed = []
    monkeypatch.setattr(store, "_seal", lambda *_, **__: hashed.append(1) or "other")
    store.load(tmp_path)
    assert hashed == []
    os.utime(tmp_path / "labels.npy", (1, 1))  # also back into the past
    with pytest.raises(UserError, match="wrong checksum"):
        store.load(tmp_path)
    assert hashed == [1]


def test_the_digest_tells_classes_and_pool(tmp_path):
    first = digest(tmp_path)
    assert digest(tmp_path, pool=1) != first
    store.save(tmp_path, Reading(iter(IMAGES), np.array([0, 1, 1]), ["cat", "cow"], 2), size=2)
    assert store.load(tmp_path).digest != first


@pytest.mark.parametrize("image", [np.zeros((2, 3, 3), np.uint8), np.zeros((2, 2, 3))])
def test_an_image_of_another_form_is_not_packed(tmp_path, image):
    with pytest.raises(ValueError, match="expected"):
        store.save(tmp_path, reading(images=[image] * 3), size=2)
    assert list(tmp_path.iterdir()) == []

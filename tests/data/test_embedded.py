"""The embedded data: glyphs, hard digits, and the warp under both."""

import unicodedata

import numpy as np
import pytest

from mpssl.config.glyph_classes import GLYPH_CLASSES, GLYPHS, TEXTURE_NAMES
from mpssl.data import embedded
from mpssl.data.glyphs import TEXTURES, render_glyphs
from mpssl.data.warp import affine_matrices, thicken, warp

GLYPH_SETTINGS = {
    "images_per_class": 3,
    "image_size": 32,
    "rotation_degrees": 4,
    "log_scale": 0.05,
    "shear": 0.08,
    "translation": 0.02,
    "elastic": 0.02,
    "stroke": 0.8,
}
PLAIN = {"rotation_degrees": 0, "log_scale": 0, "translation": 0, "clutter": 0, "noise": 0}


@pytest.fixture(scope="module")
def glyphs():
    return render_glyphs(seed=0, **GLYPH_SETTINGS)


def test_no_glyph_is_a_digit():
    for words in GLYPHS.values():
        for character in words.replace(" ", ""):
            assert unicodedata.numeric(character, None) is None, character


def test_glyphs_are_broad_and_whole(glyphs):
    images, labels, names = glyphs
    classes = GLYPH_CLASSES
    assert tuple(TEXTURES) == TEXTURE_NAMES
    assert len(names) == len(set(names)) == classes > 90
    assert images.shape == (3 * classes, 32, 32, 3)
    assert images.dtype == np.uint8
    assert labels.tolist() == [k for k in range(classes) for _ in range(3)]
    assert (images.reshape(len(images), -1).max(axis=1) > 200).all()
    assert (images.reshape(len(images), -1).std(axis=1) > 10).all()
    assert (images[..., 0] == images[..., 2]).all()


def test_glyphs_depend_on_the_seed_alone(glyphs):
    again = render_glyphs(seed=0, **GLYPH_SETTINGS)
    other = render_glyphs(seed=1, **GLYPH_SETTINGS)
    np.testing.assert_array_equal(again[0], glyphs[0])
    assert (other[0] != glyphs[0]).any()


@pytest.mark.parametrize("read", [embedded.mnist, embedded.digits])
def test_targets_have_ten_classes_in_proportion_and_a_fixed_test_split(read):
    images, labels, names, pool = read(image_size=32, n_pool=500, n_test=200, seed=0, **PLAIN)
    assert images.shape == (700, 32, 32, 3)
    assert pool == 500
    assert names == [str(k) for k in range(10)]
    for part, size in ((labels[:500], 500), (labels[500:], 200)):
        counts = np.bincount(part, minlength=10)
        assert counts.sum() == size
        assert np.ptp(counts) <= 0.05 * size


@pytest.mark.parametrize(
    "difficulty",
    [
        {"rotation_degrees": 30},
        {"log_scale": 0.3},
        {"translation": 0.2},
        {"clutter": 1.0},
        {"noise": 0.1},
    ],
)
def test_each_difficulty_acts_and_repeats(difficulty):
    size = {"image_size": 32, "n_pool": 50, "n_test": 20, "seed": 0}
    plain = embedded.digits(**size, **PLAIN)
    hard = embedded.digits(**size, **PLAIN | difficulty)
    again = embedded.digits(**size, **PLAIN | difficulty)
    np.testing.assert_array_equal(hard[0], again[0])
    np.testing.assert_array_equal(hard[1], plain[1])
    assert np.abs(hard[0].astype(int) - plain[0]).mean() > 1


def test_more_images_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"exceed the data set's 1797 images"):
        embedded.digits(image_size=32, n_pool=1700, n_test=200, seed=0, **PLAIN)


def still(count: int, **settings) -> np.ndarray:
    zero = np.zeros(count)
    defaults = {"rotation_degrees": zero, "log_scale": zero, "shear": zero}
    return affine_matrices(**defaults | {"translation": np.zeros((count, 2))} | settings)


def test_warp_moves_and_turns_by_hand():
    image = np.zeros((1, 8, 8), dtype=np.float32)
    image[0, 2, 5] = 1  # row 2, column 5
    none = np.zeros((1, 2, 2, 2))
    np.testing.assert_allclose(warp(image, still(1), none), image, atol=1e-5)
    right = warp(image, still(1, translation=np.array([[1 / 8, 0]])), none)
    assert right[0, 2, 6] == pytest.approx(1, abs=1e-4)
    # a quarter turn counter-clockwise: (row, column) -> (7 - column, row)
    turned = warp(image, still(1, rotation_degrees=np.array([90.0])), none)
    assert turned[0, 2, 2] == pytest.approx(1, abs=1e-4)


def test_thicken_widens_and_thins():
    image = np.zeros((1, 9, 9), dtype=np.float32)
    image[0, 3:6, 3:6] = 1
    sums = [thicken(image, np.array([s])).sum() for s in (-1.0, 0.0, 1.0)]
    assert sums == [1, 9, 25]

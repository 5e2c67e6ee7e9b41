"""The embedded data: glyphs, hard digits, and the warp under both."""

import unicodedata

import numpy as np
import pytest

from mpssl.config.data import EmbeddedDigits, Glyphs
from mpssl.config.glyph_classes import GLYPH_CLASSES, GLYPHS, TEXTURE_NAMES
from mpssl.data import embedded
from mpssl.data.glyphs import TEXTURES, render_glyphs
from mpssl.data.warp import affine_matrices, thicken, warp


def render(seed=0):
    return render_glyphs(Glyphs(adapter="glyphs", images_per_class=3, seed=seed), image_size=32)


def settings(pool_size, test_size, **distortion):
    return EmbeddedDigits(
        adapter="digits",
        title="Digits",
        pool_size=pool_size,
        test_size=test_size,
        distortion=distortion,
    )


@pytest.fixture(scope="module")
def glyphs():
    return render()


def test_no_glyph_is_a_digit():
    for words in GLYPHS.values():
        for character in words.replace(" ", ""):
            assert unicodedata.numeric(character, None) is None, character


def test_glyphs_are_broad_and_whole(glyphs):
    images, labels, names = glyphs.images, glyphs.labels, glyphs.classes
    assert glyphs.pool == len(images)
    classes = GLYPH_CLASSES
    assert tuple(TEXTURES) == TEXTURE_NAMES
    assert len(names) == len(set(names)) == classes > 90
    assert images.shape == (3 * classes, 32, 32, 3)
    assert images.dtype == np.uint8
    assert labels.tolist() == [k for k in range(classes) for _ in range(3)]
    assert (images.reshape(len(images), -1).max(axis=1) > 200).all()
    assert (images.reshape(len(images), -1).std(axis=1) > 10).all()
    assert (images[..., 0] == images[..., 2]).all()


@pytest.mark.slow
def test_glyphs_depend_on_the_seed_alone(glyphs):
    np.testing.assert_array_equal(render().images, glyphs.images)
    assert (render(seed=1).images != glyphs.images).any()


@pytest.mark.parametrize(
    "read", [pytest.param(embedded.mnist, marks=pytest.mark.slow), embedded.digits]
)
def test_targets_have_ten_classes_in_proportion_and_a_fixed_test_split(read):
    reading = read(settings(500, 200), image_size=32)
    assert reading.images.shape == (700, 32, 32, 3)
    assert reading.pool == 500
    assert reading.classes == [str(k) for k in range(10)]
    for part, size in ((reading.labels[:500], 500), (reading.labels[500:], 200)):
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
    plain = embedded.digits(settings(50, 20), image_size=32)
    hard = embedded.digits(settings(50, 20, **difficulty), image_size=32)
    again = embedded.digits(settings(50, 20, **difficulty), image_size=32)
    np.testing.assert_array_equal(hard.images, again.images)
    np.testing.assert_array_equal(hard.labels, plain.labels)
    assert np.abs(hard.images.astype(int) - plain.images).mean() > 1


def test_more_images_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"exceed the data set's 1797 images"):
        embedded.digits(settings(1700, 200), image_size=32)


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

"""Intervals and verdicts of the answer with few test images."""

import math

import pytest

from mpssl.results.comparison import Difference
from mpssl.results.gains import HELPS, HURTS, OPEN, bounds, one_image, verdict

NAN = math.nan


@pytest.mark.parametrize(
    ("effect", "seeds_error", "images", "low", "high", "word"),
    [
        # three seeds that agree on all images: one image of 25 is 4 points
        (4, 0, 25, 0, 8, OPEN),
        (8, 0, 25, 4, 12, HELPS),
        (-4, 0, 25, -8, 0, OPEN),
        (-12, 0, 25, -16, -8, HURTS),
        (0, 0, 25, -4, 4, OPEN),
        # a seed's error of 1 point is 4.3 points on either side (Student's t, 2 degrees)
        (8, 1, 25, 8 - 4.3027, 8 + 4.3027, HELPS),
        (8, 1, 20, 3, 13, HELPS),
        (4.5, 1, 20, -0.5, 9.5, OPEN),
        # a measure that is not of single images has no such bound
        (1, 0, 0, 1, 1, HELPS),
        (8, NAN, 25, NAN, NAN, OPEN),
    ],
)
def test_no_interval_is_narrower_than_one_image(effect, seeds_error, images, low, high, word):
    found = Difference(effect, seeds_error, 0.0, 3, images)
    assert bounds(found) == pytest.approx((low, high), abs=1e-3, nan_ok=True)
    assert verdict(found) == word


def test_one_image_more_is_no_verdict_in_any_digit():
    for images in range(2, 400):
        for sign in (-1, 1):
            found = Difference(sign * (100 * 1 / images) * (1 + 1e-15), 0.0, 0.0, 3, images)
            assert verdict(found) == OPEN, images


def test_the_interval_of_the_comparison_and_its_p_value_stay_as_they_are():
    found = Difference(4, 0.0, 0.0, 3, 25)
    assert (found.low, found.high, found.p_above()) == (4, 4, 0)
    assert one_image(found) == 4

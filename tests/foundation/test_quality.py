"""The measures of a foundation, by hand-made numbers."""

import pytest
import torch
from scipy.linalg import sqrtm

from mpssl.config.data import Glyphs
from mpssl.config.glyph_classes import GLYPH_CLASSES
from mpssl.foundation.quality import frechet_distance, measure


def test_frechet_distance_by_hand():
    a, b = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])
    # means 1 and 3, variances 2 and 8: 2^2 + (sqrt 8 - sqrt 2)^2
    assert frechet_distance(a, b) == pytest.approx(6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_correlated_features():
    torch.manual_seed(0)
    a, b = torch.randn(50, 3) @ torch.randn(3, 3), torch.randn(40, 3) @ torch.randn(3, 3) + 1
    s_a, s_b = torch.cov(a.T.double()).numpy(), torch.cov(b.T.double()).numpy()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum().item()
    expected += (s_a + s_b - 2 * sqrtm(s_a @ s_b).real).trace()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_of_fewer_images_than_features():
    torch.manual_seed(0)
    x = torch.randn(4, 10)
    assert frechet_distance(x, x + 2) == pytest.approx(40, rel=1e-5)  # ten features, 2^2 each


class Says:
    """A classifier whose one feature is an image's brightest pixel, and which knows one class."""

    def __init__(self, known):
        self.known = known

    def features(self, x):
        return x.amax(dim=(1, 2, 3))[:, None]

    def head(self, features):
        return torch.nn.functional.one_hot(torch.tensor([self.known]), GLYPH_CLASSES).expand(
            len(features), -1
        )


class Black:
    """A generator of black images."""

    z_dim, classes, image_size = 2, GLYPH_CLASSES, 8

    def __call__(self, z, y):
        assert z.shape == (len(y), 2) and y.shape[1] == GLYPH_CLASSES
        return torch.zeros(len(y), 3, 8, 8)


@pytest.mark.slow
def test_black_images_are_far_from_glyphs_and_of_no_class():
    settings = Glyphs(adapter="glyphs", images_per_class=1)
    found = measure(Black(), Says(known=3), settings, seed=1, images_per_class=2)
    assert found.images == 2 * GLYPH_CLASSES
    assert found.frechet_distance > 0.9  # the brightest pixel of a glyph is 1, and about that here
    assert found.frechet_floor < 0.01
    assert found.coverage < 0.05 < 0.95 < found.coverage_of_real
    # a class has two of each, and one class in 98 is the one that is always said
    assert found.class_agreement == found.accuracy == pytest.approx(1 / GLYPH_CLASSES)

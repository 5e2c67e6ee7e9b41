"""The distance of the generator's images from the data."""

import pytest
import torch

from mpssl.foundation.domain_distance import distances


def test_the_same_distribution_is_near_and_another_far():
    torch.manual_seed(0)
    real, same, other = torch.randn(200, 8), torch.randn(200, 8), torch.randn(200, 8) + 10
    near, far = distances(real, same), distances(real, other)
    assert near["distance"] == pytest.approx(1, abs=0.15)
    assert near["coverage"] > 0.9
    assert far["distance"] > 5
    assert far["coverage"] == 0


def test_by_hand():
    real, made = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[5.0], [9.0]])
    # nearest made: 5, 4, 2; nearest real: 1, 1, 2; second-nearest real: 3, 2, 3
    found = distances(real, made)
    assert found["distance"] == 4
    assert found["coverage"] == pytest.approx(1 / 3)

"""Float batches from packed bytes."""

import numpy as np
import pytest
import torch

from mpssl.data.batches import Batches
from mpssl.data.store import Packed

CPU = torch.device("cpu")


def packed(side=5, count=4):
    """Image n has 51 * n everywhere, but for its own pixel: channel 1 of row 2, column 1 is 255."""
    images = np.zeros((count, side, side, 3), np.uint8)
    images += (51 * np.arange(count, dtype=np.uint8))[:, None, None, None]
    images[:, 2, 1, 1] = 255
    return Packed(images, np.array([7, 8, 9, 6][:count]), [str(k) for k in range(10)], count, "d")


def test_values_classes_and_axes():
    batches = Batches(packed(), [3, 1], 5, CPU)
    images, labels = batches.whole(torch.tensor([1, 0, 1]))
    assert len(batches) == 2
    assert (images.shape, images.dtype) == ((3, 3, 5, 5), torch.float32)
    assert labels.tolist() == [8, 6, 8]
    # 51 / 255 = 0.2 and 153 / 255 = 0.6; the marked pixel is [channel 1, row 2, column 1]
    assert images[:, 0, 0, 0].tolist() == pytest.approx([0.2, 0.6, 0.2])
    assert (images == 1).nonzero().tolist() == [[n, 1, 2, 1] for n in range(3)]


@pytest.mark.parametrize(("size", "row", "column"), [(5, 2, 1), (3, 1, 0), (4, 2, 1)])
def test_centre(size, row, column):
    # from 5: 3 begins at 1; 4 begins at 0, the odd pixel is lost at the end
    images, labels = Batches(packed(), [0, 2], size, CPU).centre(torch.tensor([1]))
    assert images.shape == (1, 3, size, size)
    assert labels.tolist() == [9]
    assert (images == 1).nonzero().tolist() == [[0, 1, row, column]]


def test_centre_images_are_those_of_centre():
    batches = Batches(packed(), range(4), 3, CPU)
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(batches.centre_images(rows), batches.centre(rows)[0])


def test_rows_may_be_an_array():
    assert Batches(packed(), np.arange(2, 4), 5, CPU).labels.tolist() == [9, 6]

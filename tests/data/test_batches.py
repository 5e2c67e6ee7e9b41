"""Float batches from packed bytes."""

import numpy as np
import pytest
import torch

from mpssl.data.batches import Resident, Streamed, batches_of
from mpssl.data.store import Packed
from mpssl.training.rng import Shuffled

CPU = torch.device("cpu")


def packed(side=5, count=4):
    """Image n has 51 * n everywhere, but for its own pixel: channel 1 of row 2, column 1 is 255."""
    images = np.zeros((count, side, side, 3), np.uint8)
    images += (51 * np.arange(count, dtype=np.uint8))[:, None, None, None]
    images[:, 2, 1, 1] = 255
    return Packed(images, np.array([7, 8, 9, 6][:count]), [str(k) for k in range(10)], count, "d")


def test_values_classes_and_axes():
    batches = batches_of(packed(), [3, 1], 5, CPU)
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
    images, labels = batches_of(packed(), [0, 2], size, CPU).centre(torch.tensor([1]))
    assert images.shape == (1, 3, size, size)
    assert labels.tolist() == [9]
    assert (images == 1).nonzero().tolist() == [[0, 1, row, column]]


def test_centre_images_are_those_of_centre():
    batches = batches_of(packed(), range(4), 3, CPU)
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(batches.centre_images(rows), batches.centre(rows)[0])


def test_rows_may_be_an_array():
    assert batches_of(packed(), np.arange(2, 4), 5, CPU).labels.tolist() == [9, 6]


def on_file(tmp_path, count=12):
    """The same images as a memory-mapped file."""
    data = packed(count=count) if count <= 4 else many(count)
    np.save(tmp_path / "images.npy", data.images)
    file = np.load(tmp_path / "images.npy", mmap_mode="r")
    return Packed(file, data.labels, data.classes, data.pool, data.digest)


def many(count):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 5, 5, 3), dtype=np.uint8)
    return Packed(pixels, np.arange(count) % 3, ["a", "b", "c"], count, "d")


def test_images_in_their_file_are_the_same(tmp_path):
    data, rows = on_file(tmp_path), [7, 3, 11, 0]
    resident, streamed = batches_of(data, rows, 3, CPU), batches_of(data, rows, 3, CPU, share=0)
    assert (type(resident), type(streamed)) == (Resident, Streamed)
    for wanted in (torch.tensor([2, 0, 2]), torch.tensor([3])):
        for name in ("whole", "centre"):
            for a, b in zip(
                getattr(resident, name)(wanted), getattr(streamed, name)(wanted), strict=True
            ):
                assert torch.equal(a, b)
                assert a.stride() == b.stride()  # convolutions choose their arithmetic by it


def test_a_batch_that_was_named_is_read_once_and_ahead(tmp_path, monkeypatch):
    batches = batches_of(on_file(tmp_path), range(12), 5, CPU, share=0)
    read, original = [], batches._read
    monkeypatch.setattr(
        batches, "_read", lambda rows: (read.append(rows.tolist()), original(rows))[1]
    )
    order = Shuffled(12, batches.prefetch)
    seen = [order.next(4) for _ in range(1)]
    batches.whole(seen[0])
    for _ in range(2):
        seen.append(order.next(4))
        images, labels = batches.whole(seen[-1])
        assert torch.equal(
            images, torch.from_numpy(many(12).images)[seen[-1]].permute(0, 3, 1, 2) / 255
        )
        assert torch.equal(labels, seen[-1] % 3)
    assert sorted(map(tuple, read)) == sorted(tuple(rows.tolist()) for rows in seen)
    assert torch.equal(batches.whole(torch.tensor([5]))[1], torch.tensor([2]))  # never named


def test_a_row_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(IndexError):
        batches_of(on_file(tmp_path, 4), [0, 1], 5, CPU, share=0).whole(torch.tensor([2]))

"""A pool in place of a generator: which image a latent and a label choose."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mpssl.data.batches import Streamed
from mpssl.data.store import Packed
from mpssl.training.pool import PoolGenerator
from mpssl.training.sources import build_source
from tests.support.toys import CPU, make_ingredients

COUNTS = {"0": 5, "2": 3, "7": 1}  # of images by class
SHARE = {False: 1.0, True: 0.0}


def make(counts=COUNTS, streamed=False):
    """Images whose red is their class's number and whose green is their number in it."""
    names = list(counts)
    labels = np.repeat(np.arange(len(names)), list(counts.values()))
    order = np.random.default_rng(0).permutation(len(labels))
    images = np.zeros((len(labels), 4, 4, 3), np.uint8)
    images[..., 0] = np.array([int(n) for n in names])[labels][:, None, None]
    within = np.concatenate([np.arange(n) for n in counts.values()])
    images[..., 1] = within[:, None, None]
    packed = Packed(images[order], labels[order], names, len(labels), "")
    return PoolGenerator(packed, 4, CPU, SHARE[streamed])


def seen(images):
    values = (images[:, :, 0, 0] * 255).round().long()
    return values[:, 0].tolist(), values[:, 1].tolist()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_label_chooses_the_class_and_a_latent_each_of_its_images_alike(streamed):
    pool = make(streamed=streamed)
    assert isinstance(pool.batches, Streamed) == streamed
    z = torch.randn(6000, 2, generator=torch.Generator().manual_seed(0))
    classes, numbers = seen(pool(z, F.one_hot(torch.full((6000,), 2), 8).float()))
    assert set(classes) == {2}
    counts = np.bincount(numbers)
    assert len(counts) == 3
    assert abs(counts - 2000).max() < 150  # four standard deviations


def test_a_soft_label_is_a_probability():
    pool, z = make(), torch.randn(6000, 2, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0.2, 0, 0.7, 0, 0, 0, 0, 0.1]).expand(6000, -1)
    counts = np.bincount(seen(pool(z, y))[0], minlength=8) / 6000
    assert counts == pytest.approx(y[0].numpy(), abs=0.025)
    assert (counts[[1, 3, 4, 5, 6]] == 0).all()


def test_a_class_without_images_gives_one_of_another():
    pool, z = make(), torch.randn(6000, 2, generator=torch.Generator().manual_seed(2))
    assert pool.present == [0, 2, 7]
    counts = np.bincount(seen(pool(z, F.one_hot(torch.full((6000,), 4), 8).float()))[0])
    assert abs(counts[[0, 2, 7]] - 2000).max() < 150


def test_extreme_latents_choose_an_image():
    pool, z = make(), torch.tensor([[-9.0, 9.0], [9.0, -9.0], [0.0, 40.0], [40.0, 0.0]])
    for k in (0, 2, 7):
        assert set(seen(pool(z, F.one_hot(torch.full((4,), k), 8).float()))[0]) == {k}


def test_images_without_classes_are_one_class():
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    pool = PoolGenerator(Packed(images, np.full(9, -1), [], 0, "", 9), 4, CPU)
    assert pool.classes == 1
    made = pool(torch.randn(500, 2, generator=torch.Generator().manual_seed(3)), torch.ones(500, 1))
    rows = {tuple((image.flatten() * 255).round().int().tolist()) for image in made}
    assert rows == {tuple(image.transpose(2, 0, 1).flatten().tolist()) for image in images}


@pytest.mark.parametrize("source", ["uniform", "mapped"])
def test_sources_draw_from_it(source):
    ingredients = make_ingredients(
        generator=make(), ratio=40, class_map=[[0], [2, 7], [7]], foundation_classes=None
    )
    x, y = torch.rand(3, 3, 4, 4), torch.arange(3)
    made = build_source(source, ingredients).sample(x, y)
    classes = torch.tensor(seen(made)[0]).view(40, 3)
    if source == "mapped":
        assert [set(column.tolist()) for column in classes.T] == [{0}, {2, 7}, {7}]
    else:
        assert set(classes.flatten().tolist()) == {0, 2, 7}
    again = build_source(source, ingredients).sample(x, y)
    assert not torch.equal(made, again)  # the stream of latents goes on

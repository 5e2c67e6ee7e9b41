"""The generator in examples/: it is one that the pipeline can use, and what z and y do."""

import pytest
import torch
import torch.nn.functional as F

from mpssl.models.generator import load_python_generator
from tests.support.pipeline import ROOT

pytestmark = pytest.mark.slow  # the fixture renders all glyphs


@pytest.fixture(scope="module")
def printed():
    """The generator of examples/printed_glyphs.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        patch.chdir(ROOT)
        return load_python_generator("examples.printed_glyphs:build", {}, 32)


def draw(printed, count=4):
    torch.manual_seed(0)
    z = torch.randn(count, printed.z_dim, requires_grad=True)
    y = F.one_hot(torch.arange(count) * 7, printed.classes).float().requires_grad_()
    return z, y


def test_images_are_in_range_and_clean(printed):
    z, y = draw(printed, count=14)
    images = printed(z, y)
    assert images.shape == (14, 3, 32, 32)
    assert images.min() >= 0 and images.max() <= 1
    assert (images.amax(dim=(1, 2, 3)) > 0.8).all()
    assert torch.equal(images[:, 0], images[:, 2])
    grey = ((images > 0.1) & (images < 0.9)).float().mean()
    assert grey < 0.25  # soft edges, but no haze


def test_gradients_reach_every_latent_and_the_label(printed):
    z, y = draw(printed)
    weights = torch.randn(4, 3, 32, 32)
    of_z, of_y = torch.autograd.grad((printed(z, y) * weights).sum(), (z, y))
    assert torch.isfinite(of_z).all() and torch.isfinite(of_y).all()
    assert (of_z.abs().amax(0) > 0).all()
    assert (of_y != 0).any(1).all()


def test_the_latent_warps_and_the_label_mixes(printed):
    z, y = draw(printed)
    with torch.no_grad():
        images = printed(z, y)
        turned = z.clone()
        turned[:, 17] += 2
        assert ((printed(turned, y) - images).abs().mean(dim=(1, 2, 3)) > 0.005).all()
        # the same latent, half of each of two classes
        pair = y[[0, 1]].mean(0, keepdim=True)
        plain = z[:1].clone()
        plain[:, 16:] = 0  # thickness does nothing at 0
        halves = printed(plain.expand(2, -1), y[:2])
        torch.testing.assert_close(printed(plain, pair)[0], halves.mean(0), rtol=0, atol=1e-5)

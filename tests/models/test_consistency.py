"""A consistency model of diffusers: the pipeline's images, differentiable in z and y."""

import pytest
import torch
import torch.nn.functional as F

from mpssl.common.errors import UserError
from mpssl.models.generator import FrozenGenerator

pytest.importorskip("diffusers")

from mpssl.models.consistency import load_consistency  # noqa: E402
from mpssl.models.pipelines import import_diffusers  # noqa: E402
from tests.support import tiny_pipelines  # noqa: E402
from tests.support.tiny_pipelines import CLASSES, SIDE  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_pipelines.consistency(tmp_path_factory.mktemp("consistency") / "it")


@pytest.fixture(scope="module")
def exact(folder):
    """The model in float64, and without the clip, whose kink finite differences would meet."""
    network = load_consistency(folder).double()
    network.clips = False
    return network


def test_images_are_those_of_the_pipeline_in_one_step(folder):
    network = load_consistency(folder)
    z = torch.randn(4, network.z_dim, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 3, 4, 3])
    with torch.no_grad():
        ours = (network(z, F.one_hot(y, CLASSES).float()) + 1) / 2
    pipeline = import_diffusers().ConsistencyModelPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        batch_size=4,
        class_labels=y,
        num_inference_steps=1,
        latents=z.view(4, 3, SIDE, SIDE),
        output_type="pt",
    ).images
    assert (network.z_dim, network.classes) == (3 * SIDE * SIDE, CLASSES)
    torch.testing.assert_close(ours, theirs.clamp(0, 1), atol=1e-5, rtol=1e-5)
    assert ours.std() > 0.01


@pytest.mark.parametrize("which", ["z", "y"])
def test_gradients_are_finite_differences(exact, which):
    torch.manual_seed(2)
    z = torch.randn(2, exact.z_dim, dtype=torch.float64, requires_grad=True)
    y = torch.rand(2, CLASSES, dtype=torch.float64).softmax(dim=1).requires_grad_()
    weight = torch.randn(2, 3, SIDE, SIDE, dtype=torch.float64)

    def value(z, y):
        return (exact(z, y) * weight).sum()

    inputs = {"z": z, "y": y}
    (gradient,) = torch.autograd.grad(value(z, y), inputs[which])
    assert gradient.abs().max() > 0
    for seed in range(3):
        torch.manual_seed(seed)
        direction, h = torch.randn_like(gradient), 1e-5
        with torch.no_grad():
            ahead = inputs | {which: inputs[which] + h * direction}
            behind = inputs | {which: inputs[which] - h * direction}
            slope = (value(**ahead) - value(**behind)).item() / (2 * h)
        assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-5)


def test_a_soft_class_mixes_embeddings(exact):
    z = torch.zeros(1, exact.z_dim, dtype=torch.float64)
    one = torch.eye(CLASSES, dtype=torch.float64)
    seen = []
    hook = exact.unet.class_embedding.register_forward_hook(lambda *call: seen.append(call[2]))
    for y in (one[:1], one[1:2], 0.25 * one[:1] + 0.75 * one[1:2]):
        exact(z, y)
    hook.remove()
    torch.testing.assert_close(seen[2], 0.25 * seen[0] + 0.75 * seen[1])


def test_a_frozen_generator_resizes_and_takes_parts(folder):
    frozen = FrozenGenerator(load_consistency(folder), image_size=16)
    z, y = torch.randn(3, frozen.z_dim), torch.eye(CLASSES)[:3].requires_grad_()
    whole = frozen(z, y)
    assert whole.shape == (3, 3, 16, 16)
    assert whole.min() >= 0 and whole.max() <= 1
    frozen.images_per_pass = 2
    torch.testing.assert_close(frozen(z, y), whole)


def test_other_folders_are_one_line(tmp_path, folder):
    with pytest.raises(UserError, match=r"has no model_index.json"):
        load_consistency(tmp_path)
    plain = tiny_pipelines.consistency(tmp_path / "plain", classes=None)
    with pytest.raises(UserError, match="has no classes; take another"):
        load_consistency(plain)
    texts = tiny_pipelines.stable_diffusion(tmp_path / "texts")
    with pytest.raises(UserError, match="StableDiffusionPipeline .* give `prompts`"):
        load_consistency(texts)
    (plain / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_consistency(plain)
    (plain / "unet/diffusion_pytorch_model.safetensors").rename(plain / "unet/pytorch_model.bin")
    with pytest.raises(UserError, match=r"no weights as \*\.safetensors"):
        load_consistency(plain)
    (plain / "model_index.json").write_text("[]")
    with pytest.raises(UserError, match="is damaged; fetch it again"):
        load_consistency(plain)

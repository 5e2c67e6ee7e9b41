"""Text-to-image models as makers of pools: prompts, seeds, LoRA, variations of images."""

import pytest
import torch

from mpssl.common.errors import UserError
from mpssl.config.generators import DiffusersGenerator, PoolMaking, Prompts

CPU = torch.device("cpu")
CLASSES = {"cat": "cat", "dog": "small dog"}


# ---------------------------------------------------------------------------- without diffusers


def test_prompts_of_a_class():
    prompts = Prompts(
        classes=CLASSES, templates=["a {class}", "a {class} in {domain}"], domain="the snow"
    )
    assert prompts.of("dog") == ["a small dog", "a small dog in the snow"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a photo", "'a photo' has no {class}"),
        ("a {class} of {colour}", "other braces than {class} and {domain}"),
        ("a {class} {", "other braces"),
        ("a {class} {0}", "other braces"),
    ],
)
def test_a_template_must_name_the_class(template, message):
    with pytest.raises(ValueError) as caught:
        Prompts(classes=CLASSES, templates=[template])
    assert message in str(caught.value)


def test_a_name_on_the_hub_needs_a_revision(tmp_path):
    with pytest.raises(ValueError, match="give its `revision`"):
        DiffusersGenerator(kind="diffusers", model="stabilityai/sd-turbo")
    named = DiffusersGenerator(kind="diffusers", model="stabilityai/sd-turbo", revision="b261bac6f")
    assert named.of_hub
    assert str(named.folder) == "resources/weights/sd-turbo-b261bac6f"
    with pytest.raises(ValueError, match="'main' is no commit"):
        DiffusersGenerator(kind="diffusers", model="stabilityai/sd-turbo", revision="main")
    local = DiffusersGenerator(kind="diffusers", model=str(tmp_path))
    assert not local.of_hub
    assert local.folder == tmp_path


def test_variations_need_a_model_of_texts():
    with pytest.raises(ValueError, match="with `prompts`"):
        PoolMaking(
            generator={"kind": "shipped"},
            images_per_class=1,
            variations={"dataset": "birds", "fraction": 50},
        )


# ------------------------------------------------------------------------------- with diffusers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    from tests.support import tiny_pipelines

    return tiny_pipelines.stable_diffusion(tmp_path_factory.mktemp("texts") / "it")


def model(folder, strength=None, size=8, **settings):
    from mpssl.models.text_to_image import TextToImage

    given = {"kind": "diffusers", "model": str(folder), "prompts": {"classes": CLASSES}}
    return TextToImage(DiffusersGenerator(**given | settings), size, CPU, strength)


def test_an_image_depends_on_class_number_and_seed_alone(folder):
    made = model(folder)
    images = made.make("cat", [0, 1, 2], seed=0)
    assert images.shape == (3, 3, 8, 8)
    assert images.min() >= 0 and images.max() <= 1
    assert len(images.unique(dim=0)) == 3
    torch.testing.assert_close(made.make("cat", [2], seed=0)[0], images[2], atol=1e-5, rtol=0)
    assert not torch.allclose(made.make("dog", [0, 1, 2], seed=0), images, atol=1e-3)
    assert not torch.allclose(made.make("cat", [0, 1, 2], seed=1), images, atol=1e-3)


def test_prompts_and_other_settings_reach_the_pipeline(folder):
    plain, seen = model(folder).make("cat", [0, 1], 0), []
    templates = ["a {class}", "no {class} at all"]
    guided = {"templates": templates, "negative": "blur", "classes": CLASSES}
    made = model(folder, size=16, prompts=guided, steps=2, guidance=3)
    call = made.pipeline.__class__.__call__

    def spy(self, **options):
        seen.append(options)
        return call(self, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.pipeline.__class__, "__call__", spy)
        images = made.make("dog", [0, 1], 0)
    assert images.shape == (2, 3, 16, 16)
    assert seen[0]["prompt"] == ["a small dog", "no small dog at all"]
    assert seen[0]["negative_prompt"] == ["blur", "blur"]
    assert (seen[0]["num_inference_steps"], seen[0]["guidance_scale"]) == (2, 3)
    assert plain.shape == (2, 3, 8, 8)


def test_lora_weights_change_the_images(folder, tmp_path):
    pytest.importorskip("peft")
    from tests.support import tiny_pipelines

    weights = tiny_pipelines.lora_of(folder, tmp_path / "lora")
    plain = model(folder).make("cat", [0], 0)
    for path in (weights, next(weights.glob("*.safetensors"))):
        assert not torch.allclose(model(folder, lora=path).make("cat", [0], 0), plain, atol=1e-4)
    with pytest.raises(UserError, match="absent do not exist"):
        model(folder, lora=tmp_path / "absent")
    (tmp_path / "bad.safetensors").write_bytes(b"bad")
    with pytest.raises(UserError, match="the LoRA weights .* cannot be loaded"):
        model(folder, lora=tmp_path / "bad.safetensors")


@pytest.mark.parametrize("strength", [0.2, 0.5, 1.0])
def test_variations_start_from_images(folder, strength):
    start = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    made = model(folder, strength=strength)
    images = made.make("cat", [0, 1], 0, start)
    assert images.shape == (2, 3, 8, 8)
    other = made.make("cat", [0, 1], 0, 1 - start)
    assert (images - other).abs().max() > (1e-3 if strength < 1 else 0)


def test_a_consistency_model_is_no_model_of_texts(folder, tmp_path):
    from tests.support import tiny_pipelines

    with pytest.raises(UserError, match="makes classes, not texts"):
        model(tiny_pipelines.consistency(tmp_path / "it"))


@pytest.mark.parametrize("missing", ["diffusers", "transformers"])
def test_a_missing_package_is_one_line(folder, missing, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=rf"need {missing}: pip install 'mpssl\[diffusers\]'"):
        model(folder)


def test_a_hub_that_is_not_there_names_the_files_and_the_folder(folder, tmp_path, monkeypatch):
    import huggingface_hub

    from mpssl.models import pipelines

    def absent(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", absent)
    with pytest.raises(UserError) as caught:
        pipelines.fetch("stabilityai/sd-turbo", "b261", tmp_path / "it")
    assert "huggingface.co/stabilityai/sd-turbo/tree/b261" in str(caught.value)
    assert f"into {tmp_path / 'it'}" in str(caught.value)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------ in the training step


def in_training(folder, **settings):
    from mpssl.models.one_step_texts import load_one_step_texts

    given = {"kind": "diffusers", "model": str(folder), "prompts": {"classes": CLASSES}}
    return load_one_step_texts(DiffusersGenerator(**given | settings))


def test_one_step_is_that_of_the_pipeline(folder):
    network = in_training(folder)
    z = torch.randn(2, network.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = (network(z, torch.eye(2)) + 1) / 2
    theirs = (
        model(folder)
        .pipeline(
            prompt=["a photo of a cat", "a photo of a small dog"],
            latents=z.view(2, *network.shape),
            num_inference_steps=1,
            guidance_scale=0.0,
            output_type="pt",
        )
        .images
    )
    assert (network.classes, network.names) == (2, ["cat", "dog"])
    torch.testing.assert_close(ours, theirs.clamp(0, 1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
def test_gradients_of_one_step_are_finite_differences(folder, predicts):
    network = in_training(folder).double()
    network.predicts = predicts
    torch.manual_seed(0)
    z = 0.1 * torch.randn(2, network.z_dim, dtype=torch.float64)
    y = torch.rand(2, 2, dtype=torch.float64).softmax(dim=1)
    with torch.no_grad():  # inside of the clip, whose kink finite differences would meet
        network.vae.decoder.conv_out.weight.mul_(0.1)
    inputs = [z.requires_grad_(), y.requires_grad_()]
    weight = torch.randn(2, 3, 8, 8, dtype=torch.float64)

    def value(z, y):
        return (network(z, y) * weight).sum()

    gradients = torch.autograd.grad(value(*inputs), inputs)
    for place, gradient in enumerate(gradients):
        assert gradient.abs().max() > 0
        direction, h, ends = torch.randn_like(gradient), 1e-5, []
        for sign in (1, -1):
            moved = list(inputs)
            moved[place] = inputs[place] + sign * h * direction
            with torch.no_grad():
                ends.append(value(*moved).item())
        slope = (ends[0] - ends[1]) / (2 * h)
        assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-4)


def test_other_pipelines_and_schedulers_are_for_pools(folder, tmp_path):
    import json
    import shutil

    other = shutil.copytree(folder, tmp_path / "other")
    index = json.loads((other / "model_index.json").read_text())
    (other / "model_index.json").write_text(json.dumps(index | {"_class_name": "SanaPipeline"}))
    with pytest.raises(UserError, match="SanaPipeline .* is not known in training; make a pool"):
        in_training(other)
    index["scheduler"] = ["diffusers", "LCMScheduler"]
    (other / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="is a LCMScheduler; .* make a pool"):
        in_training(other)

"""The frozen generator: a tiny BigGAN through a folder and back."""

import json
import os

import pytest
import torch
import torch.nn.functional as F
from pytorch_pretrained_biggan import BigGAN, BigGANConfig

from mpssl.common.errors import UserError
from mpssl.models import generator
from mpssl.models.biggan import FoldedBigGan

CLASSES, Z, SIDE = 10, 16, 64
WEIGHTS, CONFIG = "pytorch_model.bin", "config.json"


@pytest.fixture(scope="module")
def network():
    """A BigGAN of random weights whose images are finite: the class itself leaves them NaN."""
    torch.manual_seed(0)
    config = BigGANConfig(
        output_dim=SIDE,
        z_dim=Z,
        class_embed_dim=Z,
        channel_width=4,
        num_classes=CLASSES,
        layers=[(False, 16, 16), (True, 16, 8), (True, 8, 4), (True, 4, 2), (True, 2, 1)],
        attention_layer_position=2,
    )
    network = BigGAN(config)
    torch.nn.init.ones_(network.generator.bn.weight)  # uninitialized memory
    torch.nn.init.zeros_(network.generator.bn.bias)
    with torch.no_grad():
        for _ in range(30):  # the spectral norm's vectors converge
            network(*make_inputs(2), 1.0)
    return network.eval()


@pytest.fixture
def folder(network, tmp_path):
    """A BigGAN in its official files."""
    torch.save(network.state_dict(), tmp_path / WEIGHTS)
    (tmp_path / CONFIG).write_text(json.dumps(network.config.to_dict()))
    return tmp_path


@pytest.mark.parametrize("damage", ["none", "half", "one bit", "config"])
def test_own_weights_are_read_whole_or_refused(network, tmp_path, damage):
    generator.save(network, tmp_path)
    path = tmp_path / "model.safetensors"
    assert sorted(f.name for f in tmp_path.iterdir()) == [CONFIG, path.name]
    content = bytearray(path.read_bytes())
    if damage == "none":
        inputs = make_inputs()
        expected = (network(*inputs, 1.0) + 1) / 2  # not folded
        found = generator.load(tmp_path, SIDE, 1.0)(*inputs)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        return
    if damage == "config":
        edited = (tmp_path / CONFIG).read_text().replace("eps", "Eps")
        (tmp_path / CONFIG).write_text(edited)
    content[-9] ^= damage == "one bit"
    path.write_bytes(content[: len(content) // 2] if damage == "half" else content)
    with pytest.raises(UserError, match="cannot be loaded"):
        generator.load(tmp_path, SIDE, 1.0)


def make_inputs(count=4):
    source = torch.Generator().manual_seed(0)
    classes = torch.randint(CLASSES, (count,), generator=source)
    return torch.randn(count, Z, generator=source), F.one_hot(classes, CLASSES).float()


def test_loaded_generator_equals_the_saved_network_in_0_to_1(network, folder):
    loaded = generator.load(folder, SIDE, 1.0)
    z, y = make_inputs()
    images = loaded(z, y)
    assert images.shape == (4, 3, SIDE, SIDE)
    torch.testing.assert_close(images, (network(z, y, 1.0) + 1) / 2, rtol=0, atol=1e-5)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0.01
    assert (loaded.z_dim, loaded.classes) == (Z, CLASSES)


def test_network_is_folded_and_in_evaluation_mode(folder):
    loaded = generator.load(folder, SIDE, 1.0)
    assert isinstance(loaded.network, FoldedBigGan)
    assert not any(module.training for module in loaded.network.modules())


@pytest.mark.parametrize("size", [32, 96])
def test_images_are_resized(folder, size):
    inputs = make_inputs()
    images, full = (generator.load(folder, side, 1.0)(*inputs) for side in (size, SIDE))
    assert images.shape == (4, 3, size, size)
    assert images.min() >= 0
    assert images.max() <= 1
    brightness = full.mean(dim=(2, 3))
    torch.testing.assert_close(images.mean(dim=(2, 3)), brightness, atol=0.01, rtol=0)


@pytest.mark.parametrize("size", [SIDE, 32])
def test_gradients_reach_latents_and_soft_labels_but_no_parameter(folder, size):
    loaded = generator.load(folder, size, 1.0)
    assert not any(p.requires_grad for p in loaded.parameters())
    z, y = make_inputs()
    z.requires_grad_()
    y = (0.9 * y + 0.1 / CLASSES).requires_grad_()
    loaded(z, y).square().mean().backward()
    for gradient in (z.grad, y.grad):
        assert torch.isfinite(gradient).all()
        assert (gradient.abs().sum(dim=1) > 0).all()


def test_truncation_chooses_the_stored_statistics(network, folder):
    state = torch.load(folder / WEIGHTS)
    state["generator.bn.running_means"][-1] += 0.5  # the row of truncation 1
    torch.save(state, folder / WEIGHTS)
    inputs = make_inputs()
    original = (network(*inputs, 1.0) + 1) / 2
    assert not torch.allclose(generator.load(folder, SIDE, truncation=1.0)(*inputs), original)
    half = (network(*inputs, 0.5) + 1) / 2
    found = generator.load(folder, SIDE, truncation=0.5)(*inputs)
    torch.testing.assert_close(found, half, rtol=0, atol=1e-5)


# ----------------------------------------------------------------------------------- bad folders


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def lose_config(folder):
    (folder / CONFIG).unlink()


def lose_weights(folder):
    (folder / WEIGHTS).unlink()


def truncate_weights(folder):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def truncate_config(folder):
    (folder / CONFIG).write_text((folder / CONFIG).read_text()[:20])


def change_weights(change):
    def damage(folder):
        state = torch.load(folder / WEIGHTS)
        change(state)
        torch.save(state, folder / WEIGHTS)

    return damage


def change_config(**changes):
    def damage(folder):
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | changes))

    return damage


EMBEDDING = "embeddings.weight"


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lose_config, CONFIG),
        (lose_weights, WEIGHTS),
        (truncate_weights, ""),
        (truncate_config, ""),
        (change_weights(lambda state: state.update(surplus=torch.zeros(1))), "surplus"),
        (change_weights(lambda state: state.pop(EMBEDDING)), EMBEDDING),
        (change_weights(lambda state: state.update({EMBEDDING: torch.zeros(2, 2)})), EMBEDDING),
        (change_config(num_classes=11), EMBEDDING),
    ],
    ids=["no config", "no weights", "half the weights", "half the config", "surplus key",
         "missing key", "wrong shape", "other config"],
)  # fmt: skip
def test_a_bad_folder_is_refused_in_one_line(folder, damage, part):
    damage(folder)
    with pytest.raises(UserError) as caught:
        generator.load(folder, SIDE, 1.0)
    message = str(caught.value)
    assert str(folder) in message
    assert part in message
    assert "\n" not in message
    assert len(message) < 300 + len(str(folder))


def test_pickled_code_is_refused_and_not_executed(folder, tmp_path):
    path = tmp_path / "executed"
    torch.save(Malicious(path), folder / WEIGHTS)
    with pytest.raises(UserError) as caught:
        generator.load(folder, SIDE, 1.0)
    assert not path.exists()
    assert "\n" not in str(caught.value)
    torch.load(folder / WEIGHTS, weights_only=False)
    assert path.exists()  # the fixture is malicious indeed

"""The foundation that the package carries: whole, as good as it says, and used without training."""

import shutil
from functools import cache

import pytest
import torch
from torch import nn

from mpssl.common.errors import UserError
from mpssl.common.files import read_json
from mpssl.config.data import Glyphs
from mpssl.config.foundation import SHIPPED_NORMALIZATION
from mpssl.config.glyph_classes import GLYPH_CLASSES
from mpssl.foundation import quality
from mpssl.models import generator, shipped_foundation, tensor_file
from mpssl.models.classifier import load_foundation_classifier
from mpssl.shipped import FOUNDATION, FOUNDATION_CHECKSUMS, FOUNDATION_STATISTICS

NETWORK = ("config.json", "model.safetensors")
ARCHITECTURES = ("resnet8", "resnet14")
IMAGES_PER_CLASS = 20


def read(folder, file):
    if file in NETWORK:
        return generator.load(folder, 32, 1.0)
    norm = SHIPPED_NORMALIZATION
    return load_foundation_classifier(folder / file, file.partition(".")[0], norm, norm)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the shipped files that takes their place."""
    folder = shutil.copytree(FOUNDATION, tmp_path / "foundation")
    monkeypatch.setattr(shipped_foundation, "FOUNDATION", folder)
    checksums = folder / FOUNDATION_CHECKSUMS.name
    monkeypatch.setattr(shipped_foundation, "FOUNDATION_CHECKSUMS", checksums)
    return folder


@pytest.mark.parametrize("file", [*NETWORK, *(f"{name}.safetensors" for name in ARCHITECTURES)])
def test_a_file_with_another_byte_is_refused(copied, file):
    read(copied, file)
    content = (copied / file).read_bytes()
    for changed in (content[:-1] + bytes([content[-1] ^ 1]), content + b" ", content[:-1]):
        (copied / file).write_bytes(changed)
        with pytest.raises(UserError, match=f"{file} has sha256 .*install mpssl again"):
            read(copied, file)
    (copied / file).unlink()
    with pytest.raises(UserError, match="install mpssl again"):
        read(copied, file)


def test_without_checksums_nothing_is_read(copied):
    (copied / FOUNDATION_CHECKSUMS.name).unlink()
    for file in (NETWORK[0], "resnet8.safetensors"):
        with pytest.raises(UserError, match="cannot be verified"):
            read(copied, file)


def test_every_shipped_file_has_a_checksum():
    files = {path.name for path in FOUNDATION.iterdir()}
    about = {FOUNDATION_CHECKSUMS.name, FOUNDATION_STATISTICS.name}
    assert files - about == set(read_json(FOUNDATION_CHECKSUMS))
    assert about < files


@pytest.mark.parametrize("file", ["model.safetensors", "resnet8.safetensors"])
def test_half_precision_on_the_disk_is_single_precision_in_memory(file):
    stored, _ = tensor_file.load(FOUNDATION / file)
    assert {v.dtype for v in stored.values() if v.is_floating_point()} == {torch.float16}
    network = read(FOUNDATION, file)
    values = [*network.parameters(), *network.buffers()]
    assert {v.dtype for v in values if v.is_floating_point()} == {torch.float32}


# ------------------------------------------------------------------------------- as good as it says


class Shuffled(nn.Module):
    """The generator with its classes' names mixed up."""

    def __init__(self, network):
        super().__init__()
        self.network, self.z_dim = network, network.z_dim
        self.image_size, self.classes = network.image_size, network.classes

    def forward(self, z, y):
        return self.network(z, y.roll(1, dims=1))


@pytest.fixture(scope="module")
def shipped():
    return read(FOUNDATION, "config.json")


@pytest.fixture(scope="module")
def measured():
    """A function: the measures of a generator, on a sample smaller than the stated one."""
    settings, patch = Glyphs(adapter="glyphs", images_per_class=1), pytest.MonkeyPatch()
    patch.setattr(quality, "render_glyphs", cache(quality.render_glyphs))
    classifier = read(FOUNDATION, "resnet8.safetensors")
    yield lambda network: quality.measure(network, classifier, settings, 2, IMAGES_PER_CLASS)
    patch.undo()


def as_stated(found: quality.Quality) -> dict[str, bool]:
    """Whether each measure is that of statistics.json.

    Of fewer images the Frechet distances are larger, and their difference is about the same; the
    neighbourhoods are wider, so that more of them hold an image.
    """
    stated = quality.Quality(**read_json(FOUNDATION_STATISTICS)["resnet8"])

    def excess(q):
        return q.frechet_distance - q.frechet_floor

    return {
        "frechet_distance": abs(excess(found) - excess(stated)) < 0.15,
        "coverage": abs(found.coverage - stated.coverage) < 0.12,
        "class_agreement": abs(found.class_agreement - stated.class_agreement) < 0.01,
        "accuracy": abs(found.accuracy - stated.accuracy) < 0.005,
    }


@pytest.mark.slow
def test_the_shipped_foundation_is_as_good_as_its_statistics_say(measured, shipped):
    found = measured(shipped)
    assert all(as_stated(found).values()), found


@pytest.mark.slow
def test_a_generator_with_shuffled_classes_is_found_out(measured, shipped):
    found = as_stated(measured(Shuffled(shipped)))
    assert not found["class_agreement"]
    assert found["accuracy"]


@pytest.mark.slow
def test_a_generator_with_noisy_weights_is_found_out(measured):
    network = read(FOUNDATION, "config.json")
    torch.manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.3 * value.std(correction=0) * torch.randn_like(value))
    found = as_stated(measured(network))
    assert not found["frechet_distance"]
    assert not found["class_agreement"]


def test_the_generator_knows_the_classes_of_the_glyphs(shipped):
    assert shipped.classes == GLYPH_CLASSES
    for name in ARCHITECTURES:
        assert len(read(FOUNDATION, f"{name}.safetensors").head.bias) == GLYPH_CLASSES

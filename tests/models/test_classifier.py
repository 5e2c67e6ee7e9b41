"""The classifier: g and h apart, frozen statistics, weights of others."""

import pytest
import torch
from torch import nn

from mpssl.common.errors import UserError
from mpssl.compat.torchvision import models
from mpssl.models import tensor_file
from mpssl.models.classifier import (
    SMALL_RESNETS,
    Classifier,
    choose_layout,
    load_foundation_classifier,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Classifier("resnet8", 5, MEAN, STD)


@pytest.fixture
def images():
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def copy_of(state):
    return {name: value.clone() for name, value in state.items()}


def equal(state, other):
    return all(torch.equal(value, other[name]) for name, value in state.items())


def test_logits_are_the_head_of_the_features(model, images):
    model.eval()
    features = model.features(images)
    assert features.shape == (6, 128)
    by_hand = features @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(images), by_hand)


def test_features_normalize_the_input(model, images):
    model.eval()
    normalized = torch.stack(
        [(images[:, c] - MEAN[c]) / STD[c] for c in range(3)], dim=1
    )  # channel by channel
    torch.testing.assert_close(model.features(images), model.backbone(normalized))


def test_head_starts_small_and_without_bias():
    torch.manual_seed(0)
    head = Classifier("resnet8", 200, MEAN, STD).head
    assert not head.bias.any()
    assert head.weight.std().item() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(("architecture", "blocks"), SMALL_RESNETS.items())
def test_small_resnets_have_the_layers_of_their_names(architecture, blocks):
    model = Classifier(architecture, 5, MEAN, STD)
    shortcuts = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) - len(shortcuts) == 6 * blocks + 2 == int(architecture[6:])
    assert len(shortcuts) == 3


def test_frozen_statistics_stay_and_others_move(model, images):
    before = copy_of(model.state_dict())
    with model.statistics_frozen():
        inside = model(images)
    assert equal(before, model.state_dict())
    outside = model(images)
    assert torch.equal(inside, outside)  # batch statistics in both
    moved = {name for name, value in model.state_dict().items() if (value != before[name]).any()}
    assert moved == {name for name in before if "running" in name or "num_batches" in name}
    model.eval()
    assert not torch.allclose(model(images), outside)


def test_statistics_move_again_after_an_exception(model, images):
    with pytest.raises(ZeroDivisionError), model.statistics_frozen():
        1 / 0  # noqa: B018
    before = copy_of(model.state_dict())
    model(images)
    assert not equal(before, model.state_dict())


@pytest.mark.parametrize("training", [True, False])
def test_evaluating_restores_the_mode_that_it_found(model, images, training):
    model.train()(images)  # statistics of their own
    expected = model.eval()(images)
    model.train(training)
    with pytest.raises(ZeroDivisionError), model.evaluating():
        assert torch.equal(model(images), expected)
        1 / 0  # noqa: B018
    assert all(module.training is training for module in model.modules())


def test_torchvision_weights_load_into_backbone_and_head(tmp_path):
    torch.manual_seed(0)
    network = models.resnet18(num_classes=7)
    images = torch.rand(4, 3, 64, 64)
    network(images)  # running statistics of their own
    torch.save(network.eval().state_dict(), tmp_path / "resnet18.pth")
    model = load_foundation_classifier(tmp_path / "resnet18.pth", "resnet18", MEAN, STD)
    normalized = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    assert torch.equal(model(images), network(normalized))
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_own_weights_load_with_identical_outputs(tmp_path, model, images):
    model(images)
    tensor_file.save(tmp_path / "own.safetensors", model.eval().state_dict())
    loaded = load_foundation_classifier(tmp_path / "own.safetensors", "resnet8", MEAN, STD)
    assert torch.equal(loaded(images), model(images))


def test_bad_weights_are_refused_in_one_line(tmp_path, model):
    good, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    tensor_file.save(good, model.state_dict())
    bad.write_bytes(good.read_bytes()[:1000])
    for path, architecture, part in (
        (tmp_path / "none.safetensors", "resnet8", "does not exist"),
        (tmp_path / "none.pth", "resnet18", "does not exist"),
        (bad, "resnet8", "damaged"),
        (good, "resnet14", "not a resnet14"),
    ):
        with pytest.raises(UserError, match=part) as caught:
            load_foundation_classifier(path, architecture, MEAN, STD)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_unknown_architecture_is_named_with_the_nearest():
    with pytest.raises(UserError) as caught:
        Classifier("resnet-18", 5, MEAN, STD)
    assert str(caught.value) == "unknown architecture 'resnet-18'; did you mean 'resnet18'?"
    with pytest.raises(UserError, match="known: .*resnet8"):
        Classifier("vit", 5, MEAN, STD)


def test_statistics_frozen_may_be_nested():
    model = Classifier("resnet8", 3, (0.5,) * 3, (0.5,) * 3)
    before = model.backbone[1].running_mean.clone()
    with model.statistics_frozen():
        with model.statistics_frozen():
            pass
        model(torch.rand(4, 3, 16, 16))
    assert torch.equal(model.backbone[1].running_mean, before)


@pytest.mark.parametrize("architecture", ["resnet8", "resnet18"])
def test_layout_changes_nothing_but_memory(architecture):
    torch.manual_seed(0)
    model = Classifier(architecture, 3, (0.5,) * 3, (0.25,) * 3).double().eval()
    x = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    expected = model(x)
    choose_layout(model, architecture, torch.device("cpu"))
    first = next(p for p in model.parameters() if p.ndim == 4)
    assert first.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model(x), expected)


def test_one_image_is_too_few_for_batch_norm_of_one_pixel():
    model, image = Classifier("resnet18", 5, MEAN, STD), torch.rand(1, 3, 32, 32)
    with pytest.raises(UserError, match="a batch of one image; raise training.batch_size"):
        model(image)
    assert model.eval()(image).shape == (1, 5)
    with pytest.raises(ValueError, match="only batches"):  # not of batch norm
        model.backbone.register_forward_pre_hook(_refuse)
        model(image)


def _refuse(*_):
    raise ValueError("only batches")

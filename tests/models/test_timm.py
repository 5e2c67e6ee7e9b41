"""Classifiers of timm: split, weights of their own format, normalization, the exact step."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from mpssl.common.errors import UserError
from mpssl.config.architectures import BACKBONES, unusable
from mpssl.config.experiment import Config
from mpssl.config.tables import Roles
from mpssl.models import timm_network
from mpssl.models.classifier import Classifier, load_foundation_classifier
from tests.support.extras import need_timm

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
# A CNN, a transformer, a ConvNeXt: each of a few thousand weights.
NAMES = ["timm.test_resnet", "timm.test_vit", "timm.test_convnext"]


@pytest.fixture(scope="module")
def timm():
    return need_timm()


# ------------------------------------------------------------------------- names, without timm


def test_a_slash_is_written_and_a_point_is_kept():
    given = {"default": ["timm/resnet18.a1_in1k", "resnet8"]}
    roles = Roles(datasets={"main": ["a"]}, fractions={"default": [50]}, architectures=given)
    assert roles.every_architecture == ["timm.resnet18.a1_in1k", "resnet8"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timm/resnet18.a1_in2k", "did you mean 'timm.resnet18.a1_in1k'"),
        ("timm/qqqqqqqq", "see timm.list_models()"),
        ("resnet19", "did you mean 'resnet18'"),
    ],
)
def test_a_name_that_is_nearly_right_is_one_line(content, name, text):
    content["roles"]["architectures"]["default"] = [name]
    with pytest.raises(ValueError) as caught:
        Config.model_validate(content)
    assert text in str(caught.value)
    assert len(str(unusable(name.replace("/", ".")))) < 200


def test_published_weights_have_an_address_and_a_normalization():
    known = BACKBONES["timm.resnet18.a1_in1k"]
    assert known.url.startswith("https://huggingface.co/timm/resnet18.a1_in1k/resolve/")
    assert (known.weights, known.classes) == ("timm.resnet18.a1_in1k.safetensors", 1000)
    assert BACKBONES["timm.vit_base_patch16_clip_224.openai"].mean[0] == pytest.approx(0.4814547)
    assert BACKBONES["timm.vit_small_patch14_dinov2.lvd142m"].classes == 0


def test_sides_that_do_not_pass_are_refused(content):
    content["roles"]["architectures"]["default"] = ["timm/vit_small_patch14_dinov2.lvd142m"]
    content["training"] = {"image_size": 64}
    with pytest.raises(ValueError, match="multiple of 14 pixels; training.image_size is 64"):
        Config.model_validate(content)
    content["training"] = {"image_size": 70}
    assert Config.model_validate(content)


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(UserError, match=r"pip install 'mpssl\[timm\]'"):
        Classifier("timm.test_resnet", 3, MEAN, STD)


# ------------------------------------------------------------------------------------ with timm


@pytest.mark.parametrize("name", NAMES)
def test_features_and_head_are_the_network(timm, name, tmp_path):
    torch.manual_seed(0)
    whole = timm_network.build(name).eval()
    for parameter in whole.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    save_file(
        {key: value.contiguous() for key, value in whole.state_dict().items()},
        tmp_path / "w.safetensors",
    )
    model = load_foundation_classifier(tmp_path / "w.safetensors", name, MEAN, STD)
    assert len(model.head.bias) == BACKBONES[name].classes == 1000
    x = torch.rand(2, 3, 64, 64)
    assert model.features(x).shape == (2, BACKBONES[name].features)
    torch.testing.assert_close(model(x), whole((x - 0.5) / 0.25))


def test_weights_of_another_network_are_one_line(timm, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="is damaged or not a timm.test_resnet"):
        load_foundation_classifier(tmp_path / "w.safetensors", NAMES[0], MEAN, STD)
    with pytest.raises(UserError, match="does not exist"):
        load_foundation_classifier(tmp_path / "absent.safetensors", NAMES[0], MEAN, STD)


@pytest.mark.parametrize("name", NAMES)
def test_two_passes_in_training_are_equal(timm, name):
    """No dropout, no stochastic depth: the meta-gradient needs one function."""
    torch.manual_seed(0)
    model, x = Classifier(name, 3, MEAN, STD).train(), torch.rand(3, 3, 64, 64)
    with model.statistics_frozen():
        assert torch.equal(model(x), model(x))


def test_no_layer_is_left_that_cannot_be_differentiated_twice(timm):
    network = timm_network.build("timm.lcnet_050")
    kinds = {type(module).__name__ for module in network.modules()}
    assert "HardSigmoid" in kinds
    assert "Hardsigmoid" not in kinds


def test_facts_are_those_of_the_networks(timm):
    for name in NAMES:
        model, known = Classifier(name, 3, MEAN, STD), BACKBONES[name]
        stored = sum(v.numel() * v.element_size() for v in model.backbone.state_dict().values())
        assert (stored, model.head.in_features) == known[:2]


# --------------------------------------------------------------------------- the head alone


@pytest.mark.parametrize("architecture", ["resnet8", *NAMES])
def test_frozen_features_stay_and_the_head_moves(request, architecture):
    if architecture in NAMES:
        request.getfixturevalue("timm")
    torch.manual_seed(0)
    model = Classifier(architecture, 3, MEAN, STD).train()
    model.freeze_features()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert [p is q for p, q in zip(model.trained, model.head.parameters(), strict=True)] == [
        True
    ] * 2
    x, y = torch.rand(6, 3, 64, 64), torch.arange(6) % 3
    model.train()
    F.cross_entropy(model(x), y).backward()
    with torch.no_grad():
        for parameter in model.trained:
            parameter -= parameter.grad
    moved = {name for name, value in model.state_dict().items() if (value != before[name]).any()}
    assert moved == {"head.weight", "head.bias"}

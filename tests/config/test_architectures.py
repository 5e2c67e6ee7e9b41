"""The list of torchvision's models is that of the installed version, and they split."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.list_torchvision import split_last_linear
from mpssl.common.errors import UserError
from mpssl.compat.torchvision import models
from mpssl.config.architectures import BACKBONES, SMALL_RESNETS, TIMM, UNSPLITTABLE
from mpssl.config.experiment import Config
from mpssl.models.classifier import (
    Classifier,
    load_foundation_classifier,
    torchvision_network,
)
from mpssl.training.meta_gradient import validation_gradient

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SMALL = ["mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5"]


def test_names_and_weights_are_torchvisions():
    others = (*SMALL_RESNETS, *[name for name in BACKBONES if name.startswith(TIMM)])
    listed = {name: b for name, b in BACKBONES.items() if name not in others}
    unsplittable = {name for name in UNSPLITTABLE if not name.startswith(TIMM)}
    assert {*listed, *unsplittable} == set(models.list_models(module=models))
    for name, backbone in listed.items():
        weights = models.get_model_weights(name).__members__.get("IMAGENET1K_V1")
        assert backbone.weights == (weights.url.rpartition("/")[2] if weights else None), name


@pytest.mark.parametrize("name", [*SMALL, "densenet121", "swin_t"])
def test_listed_features_are_those_of_a_checked_split(name):
    with torch.device("meta"):
        network = torchvision_network(name).eval()
    stored = sum(v.numel() * v.element_size() for v in network.state_dict().values())
    linear = split_last_linear(name, network, BACKBONES[name].smallest)
    backbone = sum(v.numel() * v.element_size() for v in network.state_dict().values())
    assert (backbone, linear.in_features) == BACKBONES[name][:2]
    assert stored > backbone


def test_a_split_is_checked_on_values():
    class Late(nn.Module):
        def __init__(self, after):
            super().__init__()
            self.fc, self.after = nn.Linear(12, 2), after

        def forward(self, x):
            return self.after(self.fc(x.flatten(1)))

    assert split_last_linear("x", Late(nn.Identity()), 2).in_features == 12
    with pytest.raises(UserError, match="x cannot be split"):
        split_last_linear("x", Late(nn.ReLU()), 2)


@pytest.mark.parametrize("name", [*UNSPLITTABLE[:20]])
def test_what_cannot_be_split_is_refused_by_name(name, content):
    with pytest.raises(UserError, match=f"{name} cannot be split"):
        Classifier(name, 3, MEAN, STD)
    content["roles"]["architectures"]["default"] = [name]
    with pytest.raises(ValueError, match=f"{name} cannot be split"):
        Config.model_validate(content)


def test_sizes_that_do_not_pass_are_refused(content):
    content["training"] = {"image_size": 32}
    for name, text in (("vit_b_16", "of 224"), ("inception_v3", "of at least 75")):
        content["roles"]["architectures"]["default"] = [name]
        with pytest.raises(ValueError, match=f"{name} takes images {text}"):
            Config.model_validate(content)


def test_published_weights_load_by_their_own_names(tmp_path):
    name = "mobilenet_v3_small"
    torch.manual_seed(0)
    network = models.get_model(name, num_classes=7).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    model = load_foundation_classifier(tmp_path / "w.pth", name, MEAN, STD)
    x = torch.rand(2, 3, 32, 32)
    normalized = (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(model(x), network(normalized))


def test_a_backbone_carries_the_meta_gradient_and_repeats_itself():
    torch.manual_seed(0)
    model = Classifier("mobilenet_v3_small", 3, MEAN, STD).train()
    x, y = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 0])
    images = torch.rand(4, 3, 32, 32, requires_grad=True)
    labeled = list(torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters())))

    def objective(u):
        return 1 - F.cosine_similarity(model.features(u), model.features(u.flip(3))).mean()

    settings = {"learning_rate": 0.1, "lambda_": 1.0, "x_val": x, "y_val": y}
    (first,), loss = validation_gradient(model, objective, [images], labeled, **settings)
    (again,), _ = validation_gradient(model, objective, [images], labeled, **settings)
    assert first.isfinite().all() and loss.isfinite()
    assert torch.equal(first, again)  # no dropout, no stochastic depth

"""The classifier f = h o g: feature extractor g and linear head h, apart (Sec. 2.1)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from mpssl.common.errors import UserError
from mpssl.config.architectures import SMALL_RESNETS, TIMM, unusable
from mpssl.models import tensor_file, timm_network
from mpssl.models.activations import smooth
from mpssl.models.shipped_foundation import verify
from mpssl.models.small_resnet import small_resnet

# googlenet and inception_v3 are built as for their published weights, but without auxiliary heads.
BUILD_OPTIONS = dict.fromkeys(
    ("googlenet", "inception_v3"),
    {"aux_logits": False, "transform_input": True, "init_weights": False},
)
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


class Classifier(nn.Module):
    """f = h o g on images x [B, 3, H, W] in [0, 1].

    `features` is g with the input's normalization before it: [B, D]; `head` is h: [B, D] -> [B, K].
    """

    attends = False
    """True if attention is among the layers."""
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    """Number format in which g computes in training mode; weights and features stay in float32.

    TF32 is a matter of the device (`mpssl.machine.precision`).
    """
    frozen_features = False
    """True if g is not trained: it keeps its statistics, and its weights have no gradient."""
    passes: Callable[["Classifier", Tensor], Tensor] | None = None
    """How normalized images pass through g, if not at once."""

    def __init__(
        self,
        architecture: str,
        classes: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.backbone, dimension = _backbone(architecture)
        self.attends = architecture.startswith(("vit", "maxvit", TIMM))
        self.head = nn.Linear(dimension, classes)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def freeze_features(self) -> None:
        """Leave g as it is from now on; the head alone is trained."""
        self.frozen_features = True
        self.backbone.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Classifier":
        """Set the mode; frozen features stay in evaluation mode."""
        super().train(mode)
        if self.frozen_features:
            self.backbone.eval()
        return self

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def features(self, x: Tensor) -> Tensor:
        """g(x): [B, 3, H, W] in [0, 1] -> [B, D]."""
        normalized = (x - self.mean) / self.std
        with ExitStack() as contexts:
            if self.attends:  # the fused kernels cannot be differentiated twice
                contexts.enter_context(sdpa_kernel(SDPBackend.MATH))
            if self.precision == "bf16" and self.training:
                contexts.enter_context(torch.autocast(x.device.type, torch.bfloat16))
            through = self.backbone if self.passes is None else partial(self.passes, self)
            try:
                features = through(normalized)
            except ValueError:  # of batch norm
                if len(x) > 1 or not self.training:
                    raise
                raise UserError(
                    "the classifier cannot be trained with a batch of one image; raise "
                    "training.batch_size and lmo.validation_batch_size, or label more images"
                ) from None
        return features.float() if features.dtype == torch.bfloat16 else features

    def forward(self, x: Tensor) -> Tensor:
        """f(x): logits [B, K]."""
        return self.head(self.features(x))

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Forward passes inside use running statistics; the mode is restored afterwards."""
        before = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(before)

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """Forward passes inside compute as if `precision` were float32."""
        before, self.precision = self.precision, "float32"
        try:
            yield
        finally:
            self.precision = before

    @contextmanager
    def statistics_frozen(self) -> Iterator[None]:
        """Forward passes inside use batch statistics and leave the running ones as they are."""
        with statistics_frozen(self):
            yield

    @property
    def blocks(self) -> list[nn.Module]:
        """The parts of g, one after the other: a ResNet's blocks, or another network as a whole."""
        network = self.backbone
        if isinstance(network, nn.Sequential):  # a small ResNet
            return [network[:3], *network[3:-2], network[-2:]]
        if not isinstance(getattr(network, "layer4", None), nn.Sequential) or not hasattr(
            network, "relu"
        ):
            return [network]
        stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        stages = (network.layer1, network.layer2, network.layer3, network.layer4)
        return [stem, *chain(*stages), nn.Sequential(network.avgpool, nn.Flatten())]


@contextmanager
def statistics_frozen(network: nn.Module) -> Iterator[None]:
    """Forward passes inside use batch statistics and leave the running ones as they are."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    layers = [m for m in network.modules() if isinstance(m, kinds)]
    before = [layer.track_running_stats for layer in layers]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer, tracked in zip(layers, before, strict=True):
            layer.track_running_stats = tracked


def choose_layout(model: Classifier, architecture: str, device: torch.device) -> None:
    """Lay weights, and so feature maps, in memory as the device's convolutions want them.

    Tensor cores want channels last. So do a CPU's kernels for maps of many pixels; the last two
    stages of a ResNet have many channels and few pixels, and are faster with channels first.
    """
    parts: list[nn.Module] = []
    if device.type == "cuda" or architecture in SMALL_RESNETS:
        parts = [model]
    elif isinstance(getattr(model.backbone, "layer3", None), nn.Sequential):
        resnet = model.backbone
        parts = [resnet.conv1, resnet.layer1, resnet.layer2]
        resnet.layer3[0].register_forward_pre_hook(_contiguous)
    for part in parts:
        part.to(memory_format=torch.channels_last)


def _contiguous(layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (inputs[0].contiguous(),)


def _backbone(architecture: str) -> tuple[nn.Module, int]:
    if architecture in SMALL_RESNETS:
        return small_resnet(SMALL_RESNETS[architecture])
    if reason := unusable(architecture):
        raise UserError(reason)
    if architecture.startswith(TIMM):
        return timm_network.features_of(architecture)
    network = torchvision_network(architecture)
    name, linear = last_linear(network)
    network.set_submodule(name, nn.Identity())
    return network, linear.in_features


def torchvision_network(architecture: str) -> nn.Module:
    """Build a classification network of torchvision, with random weights.

    Dropout and stochastic depth are off: the meta-gradient and the consistency of two views need
    one function, and a run must not depend on random numbers outside of its streams.
    """
    from mpssl.compat.torchvision import models  # slow to import; the small networks need none

    network = models.get_model(architecture, **BUILD_OPTIONS.get(architecture, {}))
    for module in network.modules():
        if type(module).__name__ in ("Dropout", "StochasticDepth"):
            module.p = 0.0
    return smooth(network)


def last_linear(network: nn.Module) -> tuple[str, nn.Linear]:
    """The name and the module of a network's last linear layer.

    Raises:
        UserError: it has none.
    """
    linears = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)]
    if not linears:
        raise UserError(f"{type(network).__name__} has no linear layer to split the features at")
    return linears[-1]


def load_foundation_classifier(
    path: Path, architecture: str, mean: tuple, std: tuple
) -> Classifier:
    """The foundation classifier f_F: our own .safetensors, or torchvision's .pth weights.

    Weights stored as float16, as those of the shipped ones are, become float32.

    Raises:
        UserError: the file is missing, damaged or of another architecture.
    """
    verify(path)
    try:
        if architecture.startswith(TIMM) and not tensor_file.is_ours(path):
            state: Mapping[str, Tensor] = timm_network.read_weights(path, architecture)
        elif path.suffix == ".safetensors":
            state = tensor_file.load(path)[0]
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            state = _split_head(state, architecture)
        model = Classifier(architecture, len(state["head.weight"]), mean, std)
        model.load_state_dict(state)
    except FileNotFoundError:
        raise UserError(f"the foundation classifier {path} does not exist") from None
    except UserError:
        raise
    except Exception as error:  # each format has its own exceptions for damaged files
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"the foundation classifier {path} is damaged or not a {architecture}: {reason}"
        ) from None
    return model.eval().requires_grad_(False)


def _split_head(state: Mapping[str, Tensor], architecture: str) -> dict[str, Tensor]:
    """torchvision's names (conv1..., fc) as ours (backbone..., head), without auxiliary heads."""
    name, linear = last_linear(torchvision_network(architecture))
    kept = {key: value for key, value in state.items() if not key.startswith(AUXILIARY)}
    ours = {
        f"head.{key[len(name) + 1 :]}" if key.startswith(f"{name}.") else f"backbone.{key}": value
        for key, value in kept.items()
    }
    if linear.bias is None:
        ours["head.bias"] = torch.zeros(len(ours["head.weight"]))
    return ours

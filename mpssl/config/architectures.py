"""Architectures of the classifier f = h o g: what a plan must know without building a network."""

import csv
import difflib
from typing import NamedTuple

from mpssl.common.errors import nearest
from mpssl.shipped import TIMM_MODELS, TORCHVISION


class Backbone(NamedTuple):
    """Facts about a feature extractor g."""

    bytes: int
    """Of its weights and buffers."""
    features: int
    """D, the number of features that it returns."""
    maps: int
    """Numbers that its layers return for an image, for each of the image's pixels."""
    smallest: int
    """Side of the smallest images that it takes, of the sides tried, pixels."""
    fixed: bool
    """Whether it takes no other size than that."""
    weights: str | None
    """File of the published weights: torchvision's IMAGENET1K_V1, whose name ends in the first
    digits of its sha256, or timm's."""
    url: str | None = None
    """Where that file is; None if it is torchvision's."""
    multiple: int = 1
    """Number of which the side of images must be a multiple."""
    classes: int | None = None
    """Number of classes of timm's weights, 0 without a linear head; None if it is not timm's."""
    mean: tuple[float, ...] | None = None
    """Mean of the pixels that the weights want; None for `training.normalize_mean`."""
    std: tuple[float, ...] | None = None
    """Standard deviation, the same."""
    trained_at: str = ""
    """Side in pixels, part of the image and filter that the weights were trained with."""


def _torchvision() -> dict[str, Backbone | None]:
    """torchvision's classification models; None for one that cannot be split into h o g."""
    with open(TORCHVISION, newline="") as file:
        return {
            row["name"]: Backbone(
                int(row["bytes"]),
                int(row["features"]),
                int(row["maps"]),
                int(row["smallest"]),
                row["fixed"] == "1",
                row["weights"] or None,
            )
            if row["features"]
            else None
            for row in csv.DictReader(file)
        }


TIMM = "timm."  # before a name of timm's; a configuration may write `timm/`
HUB = "https://huggingface.co/{}/resolve/main/model.safetensors"


def _timm() -> dict[str, Backbone | None]:
    """timm's models with and without a tag; None for one that cannot be split into h o g."""
    found: dict[str, Backbone | None] = {}
    with open(TIMM_MODELS, newline="") as file:
        for row in csv.DictReader(file):
            name, network = TIMM + row["name"], TIMM + row["name"].partition(".")[0]
            if row["name"] == row["name"].partition(".")[0]:
                found[name] = _timm_network(row)
            of_network = found[network]
            if of_network is None:
                found[name] = None
                continue
            found[name] = of_network._replace(
                weights=f"{name}.safetensors" if row["hub"] else None,
                url=HUB.format(row["hub"]) if row["hub"] else None,
                classes=int(row["classes"]),
                mean=tuple(map(float, row["mean"].split())),
                std=tuple(map(float, row["std"].split())),
                trained_at=row["trained_at"],
            )
    return found


def _timm_network(row: dict[str, str]) -> Backbone | None:
    if not row["features"]:
        return None
    numbers = (int(row[key]) for key in ("bytes", "features", "maps", "smallest"))
    return Backbone(*numbers, row["fixed"] == "1", None, multiple=int(row["multiple"]))


SMALL_RESNETS = {"resnet8": 1, "resnet14": 2, "resnet20": 3}  # residual blocks a stage
_LISTED = _torchvision() | _timm()
BACKBONES = {
    "resnet8": Backbone(1_239_504, 128, 45, 8, False, None),
    "resnet14": Backbone(2_795_008, 128, 63, 8, False, None),
    "resnet20": Backbone(4_350_512, 128, 80, 8, False, None),
    **{name: backbone for name, backbone in _LISTED.items() if backbone},
}
UNSPLITTABLE = [name for name, backbone in _LISTED.items() if backbone is None]
UNSPLITTABLE_REASON = "cannot be split into features g and a last linear layer h; take another"


def wrong_side(name: str, side: int) -> str | None:
    """Which images a classifier takes if it takes none of that side in pixels, or None."""
    known = BACKBONES[name]
    if side < known.smallest or (known.fixed and side != known.smallest):
        at_least = "of" if known.fixed else "of at least"
        return f"{name} takes images {at_least} {known.smallest} pixels"
    if side % known.multiple:
        return f"{name} takes images whose side is a multiple of {known.multiple} pixels"
    return None


def unusable(name: str) -> str | None:
    """Why a name is not that of a classifier that can be trained, or None."""
    if name in BACKBONES:
        return None
    if name in UNSPLITTABLE:
        return f"{name} {UNSPLITTABLE_REASON}"
    if not name.startswith(TIMM):
        own = [known for known in BACKBONES if not known.startswith(TIMM)]
        return f"unknown architecture '{name}'{nearest(name, own)}"
    close = difflib.get_close_matches(name, BACKBONES, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "see timm.list_models()"
    return f"no model '{name}' is in the list mpssl/shipped/timm.csv; {hint}"

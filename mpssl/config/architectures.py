"""Architectures of the classifier f = h o g: what a plan must know without building a network."""

import csv
from typing import NamedTuple

from mpssl.shipped import TORCHVISION


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
    """File of torchvision's IMAGENET1K_V1; its name ends in the first digits of its sha256."""


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


SMALL_RESNETS = {"resnet8": 1, "resnet14": 2, "resnet20": 3}  # residual blocks a stage
_LISTED = _torchvision()
BACKBONES = {
    "resnet8": Backbone(1_239_504, 128, 45, 8, False, None),
    "resnet14": Backbone(2_795_008, 128, 63, 8, False, None),
    "resnet20": Backbone(4_350_512, 128, 80, 8, False, None),
    **{name: backbone for name, backbone in _LISTED.items() if backbone},
}
UNSPLITTABLE = [name for name, backbone in _LISTED.items() if backbone is None]
UNSPLITTABLE_REASON = "cannot be split into features g and a last linear layer h; take another"

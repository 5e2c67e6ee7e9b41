"""The foundation: the generator G_F and the foundation classifier f_F (Eq. 5)."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from mpssl.config.downloads import Download, Downloadable
from mpssl.config.fields import (
    AS_IN_YAML_1_2,
    Closed,
    Count,
    Name,
    NonNegative,
    Place,
    Positive,
    as_text,
)
from mpssl.config.generators import ImagePool, Network
from mpssl.shipped import shipped_classifiers

SHIPPED_NORMALIZATION = (0.5, 0.5, 0.5)  # mean and standard deviation, of config/foundation.yaml

Classes = Annotated[
    str, StringConstraints(pattern=r"^\d{1,6}(-\d{1,6})?$"), BeforeValidator(as_text)
]


class ShippedClassifier(Downloadable):
    """The foundation classifiers of glyphs that the package carries: ResNet-8 and ResNet-14."""

    kind: Literal["shipped"] = Field(description="Kind of the classifier.")


def check_shipped_classifiers(architectures: list[str], *normalization: tuple[float, ...]) -> None:
    """Refuse what no shipped foundation classifier serves.

    Args:
        architectures: of the runs.
        normalization: mean and standard deviation of the runs' images.

    Raises:
        ValueError: none is of that architecture, or they see images normalized otherwise.
    """
    shipped = shipped_classifiers()
    instead = "`foundation.classifier: {kind: trained, steps: 2000}`"
    for name in architectures:
        if name not in shipped:
            raise ValueError(
                f"roles.architectures: no foundation classifier of {name} is shipped, only of "
                f"{' and '.join(shipped)}; {instead} trains one"
            )
    if set(normalization) != {SHIPPED_NORMALIZATION}:
        raise ValueError(
            "the shipped foundation classifiers need training.normalize_mean and normalize_std "
            f"{list(SHIPPED_NORMALIZATION)}; {instead} trains one with others"
        )


class TrainedClassifier(Downloadable):
    """A foundation classifier trained by the pipeline on the foundation data set."""

    kind: Literal["trained"] = Field(description="Kind of the classifier.")
    steps: Count = Field(description="Number of training steps.")
    batch_size: Count = Field(64, description="Number of images in a batch.")
    learning_rate: Positive = Field(
        0.1, description="Learning rate of SGD at the start; it falls to zero as a half cosine."
    )
    weight_decay: NonNegative = Field(5e-4, description="Weight decay of SGD.")
    held_out: Annotated[float, Field(gt=0, lt=1), AS_IN_YAML_1_2] = Field(
        0.1, description="Part of the images on which the accuracy that is printed is measured."
    )
    seed: int = Field(0, description="Seed of the weights, of the batches and of that part.")


class PretrainedClassifier(Downloadable):
    """torchvision's IMAGENET1K_V1 weights of the same architecture, in a folder of .pth files."""

    kind: Literal["pretrained"] = Field(description="Kind of the classifier.")
    path: Place = Field(description="Folder of the files of weights.", examples=["weights"])
    downloads: list[Download] = Field(
        [],
        description="Files to fetch into that folder that are pinned further than by "
        "torchvision's names, or those of timm that are pinned at all; the others of "
        "`roles.architectures` are fetched without being named.",
    )

    @property
    def to_download(self) -> list[Download]:
        """The pinned files."""
        return self.downloads


class Foundation(Closed):
    """The generative foundation model G_F and the foundation classifier f_F (Eq. 5)."""

    dataset: Name | None = Field(
        None,
        description="Name of the data set with the foundation's own real images, on which it is "
        "trained and which Table 9 uses; a shipped or pretrained foundation needs none.",
    )
    class_groups: dict[Name, list[Classes]] = Field(
        {},
        description="Groups of foundation classes by name, as numbers or ranges of them; a method "
        "or variant with `classes` draws from a group only.",
        examples=[{"dogs": ["151-268"], "some": ["3", "10-19"]}],
    )
    class_map: dict[Annotated[str, BeforeValidator(as_text)], list[Classes]] = Field(
        {},
        description="Foundation classes that look like a target class, by the target class's "
        "name, as numbers or ranges; the source `mapped` draws from them evenly.",
        examples=[{"beagle": ["162"], "terrier": ["179-181", "185"]}],
    )
    generator: Annotated[Network | ImagePool, Field(discriminator="kind")] = Field(
        description="Generator G_F of the synthetic images, or images that one made."
    )
    classifier: Annotated[
        ShippedClassifier | TrainedClassifier | PretrainedClassifier, Field(discriminator="kind")
    ] = Field(
        description="Classifier f_F, from which training starts; it also makes P-SSL's labels."
    )
    truncation: Annotated[float, Field(gt=0, le=1), AS_IN_YAML_1_2] = Field(
        1.0,
        description="Truncation of BigGAN, which picks its batch-norm statistics; latents are "
        "drawn from N(0, I) whatever it is.",
    )

    @model_validator(mode="after")
    def _several_steps_are_for_a_pool(self) -> "Foundation":
        generator = self.generator
        of_texts = generator.kind == "diffusers" and generator.prompts is not None
        if of_texts and (generator.steps > 1 or generator.guidance > 1):
            raise ValueError(
                "generator: in training a text-to-image model takes one step without guidance; for "
                "more write {kind: images, path: FOLDER, make: {generator: {kind: diffusers, ...}, "
                "images_per_class: 100}}"
            )
        return self

    @property
    def network(self) -> Network | None:
        """The network that makes images: G_F, or what a pool is made with; None if it is given."""
        if self.generator.kind != "images":
            return self.generator
        return None if self.generator.make is None else self.generator.make.generator

    def classes_of(self, group: str) -> list[int]:
        """The numbers of a group's classes, each once, in ascending order."""
        return _numbers(self.class_groups[group])

    def mapped_classes(self) -> dict[str, list[int]]:
        """The numbers of the classes that `class_map` names, in the same form, by target class."""
        return {target: _numbers(classes) for target, classes in self.class_map.items()}


def _numbers(classes: list[str]) -> list[int]:
    ranges = [[int(number) for number in text.split("-")] for text in classes]
    return sorted({n for bounds in ranges for n in range(bounds[0], bounds[-1] + 1)})

"""The foundation: the generator G_F and the foundation classifier f_F (Eq. 5)."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from mpssl.config.downloads import Download, Downloadable
from mpssl.config.fields import AS_IN_YAML_1_2, Closed, Count, Name, NonNegative, Place, Positive
from mpssl.shipped import shipped_classifiers

SHIPPED_NORMALIZATION = (0.5, 0.5, 0.5)  # mean and standard deviation, of config/foundation.yaml


class ShippedGenerator(Downloadable):
    """The small BigGAN of 98 classes of glyphs that the package carries (docs/mini.md)."""

    kind: Literal["shipped"] = Field(description="Kind of the generator.")


def _text(value: Any) -> Any:
    """YAML reads a single number as a number."""
    return str(value) if type(value) is int else value


Classes = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(-\d{1,6})?$"), BeforeValidator(_text)]


class TrainedGenerator(Downloadable):
    """A small BigGAN trained by the pipeline on the foundation data set.

    It is the decoder of a conditional variational autoencoder, sharpened by a discriminator.
    """

    kind: Literal["trained"] = Field(description="Kind of the generator.")
    steps: Count = Field(description="Number of training steps.")
    batch_size: Count = Field(
        32, description="Number of real images in a batch; as many are sampled."
    )
    learning_rate: Positive = Field(
        2e-3, description="Learning rate of Adam at the start; it falls to zero as a half cosine."
    )
    warmup_steps: Count = Field(
        150,
        description="Number of steps over which the discriminator's weight in the generator's "
        "loss grows from zero to its full value.",
    )
    kl_weight: NonNegative = Field(
        1,
        description="Weight of the divergence from the prior in the autoencoder's loss.",
    )
    adversarial_weight: NonNegative = Field(
        0.02, description="Weight of the discriminator's verdict real or generated."
    )
    class_weight: NonNegative = Field(
        0.02, description="Weight of the discriminator's class loss on generated images."
    )
    averaging: Annotated[float, Field(ge=0, lt=1), AS_IN_YAML_1_2] = Field(
        0.995,
        description="Decay of the moving average of the generator's weights, which is what is "
        "kept; 0 keeps the last weights.",
    )
    z_dim: Count = Field(32, description="Length of the latent z and of the class's embedding.")
    channel_width: Count = Field(16, description="Unit in which `layers` counts channels.")
    layers: list[tuple[bool, Count, Count]] = Field(
        [(True, 16, 8), (False, 8, 4), (True, 4, 2), (True, 2, 1)],
        description="Blocks of the generator, each as (whether it doubles the side, input "
        "channels, output channels); the first side is 4 pixels and the last must be "
        "`packing.size`.",
    )
    helper_width: Count = Field(
        32, description="Number of channels of the encoder and the discriminator at half the side."
    )
    seed: int = Field(0, description="Seed of the weights, batches and latents.")


class PretrainedGenerator(Downloadable):
    """A folder with a BigGAN's config.json and pytorch_model.bin."""

    kind: Literal["pretrained"] = Field(description="Kind of the generator.")
    path: Place = Field(
        description="Folder of the generator's files.",
        examples=["resources/weights/biggan-deep-256"],
    )
    downloads: list[Download] = Field(
        [], description="Files to fetch into that folder; without any they must be there."
    )

    @property
    def to_download(self) -> list[Download]:
        """The generator's files."""
        return self.downloads


class PythonGenerator(Downloadable):
    """Any class-conditional generator, built by a Python function (docs/generators.md)."""

    kind: Literal["python"] = Field(description="Kind of the generator.")
    entry: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] = Field(
        description="Function that builds the network, as `module:function`.",
        examples=["my_generator:build"],
    )
    options: dict[str, Any] = Field(
        {}, description="Keyword arguments of the function.", examples=[{"weights": "my.pt"}]
    )
    files: list[Place] = Field(
        [], description="Files that the function reads: runs depend on their content."
    )


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
        "torchvision's names; the others of `roles.architectures` are fetched without being named.",
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
    class_map: dict[Annotated[str, BeforeValidator(_text)], list[Classes]] = Field(
        {},
        description="Foundation classes that look like a target class, by the target class's "
        "name, as numbers or ranges; the source `mapped` draws from them evenly.",
        examples=[{"beagle": ["162"], "terrier": ["179-181", "185"]}],
    )
    generator: Annotated[
        ShippedGenerator | TrainedGenerator | PretrainedGenerator | PythonGenerator,
        Field(discriminator="kind"),
    ] = Field(description="Generator G_F of the synthetic images.")
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

    def classes_of(self, group: str) -> list[int]:
        """The numbers of a group's classes, each once, in ascending order."""
        return _numbers(self.class_groups[group])

    def mapped_classes(self) -> dict[str, list[int]]:
        """The numbers of the classes that `class_map` names, in the same form, by target class."""
        return {target: _numbers(classes) for target, classes in self.class_map.items()}


def _numbers(classes: list[str]) -> list[int]:
    ranges = [[int(number) for number in text.split("-")] for text in classes]
    return sorted({n for bounds in ranges for n in range(bounds[0], bounds[-1] + 1)})

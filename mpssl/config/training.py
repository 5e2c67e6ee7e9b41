"""The classifier's training and the views of its images."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from mpssl.config.architectures import BACKBONES
from mpssl.config.fields import (
    AS_IN_YAML_1_2,
    Closed,
    Count,
    NonNegative,
    Number,
    Positive,
    Setting,
    Side,
    View,
)

Operation = Literal[
    "auto_contrast", "equalize", "invert", "rotate", "posterize", "solarize", "solarize_add",
    "color", "contrast", "brightness", "sharpness", "shear_x", "shear_y", "translate_x",
    "translate_y",
]  # fmt: skip


class RandAugment(Closed):
    """kornia's RandAugment: `n` operations of magnitude `m` (of 30)."""

    n: Count = Field(
        2,
        description="Number of operations that are applied, one after the other; at most as many "
        "as there are to draw from.",
    )
    m: Annotated[float, Field(gt=0, lt=30), AS_IN_YAML_1_2] = Field(
        10, description="Magnitude of each operation, on kornia's scale up to 30."
    )
    operations: list[Operation] | None = Field(
        None,
        description="Names of the operations to draw from; kornia's default if this is empty.",
        examples=[["rotate", "shear_x", "contrast"]],
    )
    drawn_for: Literal["batch", "image"] = Field(
        "batch",
        description="What the operations are drawn for: once a `batch`, as kornia does, or for "
        "each `image`, as UDA and FixMatch do.",
    )
    gradient: Literal["as_is", "straight_through"] = Field(
        "as_is",
        description="Gradient of equalize and posterize at the images: `as_is` is 0, so that LMO "
        "learns nothing through them; `straight_through` is that of the identity.",
    )

    @model_validator(mode="after")
    def _enough(self) -> "RandAugment":
        names = self.operations or get_args(Operation)
        if self.n > len(names):
            raise ValueError(f"n: {self.n} operations cannot be drawn from {len(names)}")
        return self


class Views(Closed):
    """One random view of a batch of images."""

    crop: Literal["none", "padded", "resized"] = Field(
        "padded",
        description="Way to cut out `training.image_size` pixels: `padded` pads the image and "
        "cuts anywhere, `resized` cuts a part of random area and resizes it, `none` takes the "
        "centre.",
    )
    padding: Annotated[int, Field(ge=0)] = Field(
        28, description="Padding of the padded crop on each edge, in pixels."
    )
    scale: tuple[Positive, Positive] = Field(
        (0.08, 1),
        description="Smallest and largest area of the resized crop, as a part of the image.",
    )
    flip: bool = Field(True, description="Whether each image is mirrored with probability 1/2.")
    randaugment: RandAugment | None = Field(
        None, description="Settings of RandAugment; none is applied if this is empty."
    )


class Augmentation(Closed):
    """Views of labeled images, and the weak and strong view T_w, T_s of unlabeled ones."""

    labeled: Views = Field(Views(crop="resized"), description="Weak view of the labeled images.")
    labeled_view: View = Field(
        "weak",
        description="View under which the labeled images are learned: `weak` is that of `labeled`, "
        "`strong` applies the strong view's RandAugment after it. A method may say its own.",
    )
    weak: Views = Field(Views(), description="Weak view T_w of the unlabeled images.")
    strong: Views = Field(
        Views(randaugment=RandAugment()), description="Strong view T_s of the unlabeled images."
    )

    def of_labeled(self, view: View) -> Views:
        """What the weak or the strong view of labeled images consists of."""
        strong = {"randaugment": self.strong.randaugment}
        return self.labeled.model_copy(update=strong if view == "strong" else {})


class Training(Closed):
    """The classifier's optimization (Sec. 4.1)."""

    epochs: Count = Field(200, description="Number of epochs, each with a validation at its end.")
    steps_per_epoch: Count | None = Field(
        None, description="Number of steps in an epoch; one pass over D if this is empty."
    )
    batch_size: Count = Field(
        64, description="Number of labeled images in a batch; all of D if D has fewer."
    )
    labeled_sampling: Literal["shuffled", "balanced"] = Field(
        "shuffled",
        description="Choice of the images of a labeled batch: `shuffled` takes each image of D "
        "once before any comes again; `balanced` takes each class equally often, so that images "
        "of small classes come again sooner.",
    )
    learning_rate: Positive = Field(0.01, description="Learning rate of SGD at the start.")
    momentum: Annotated[float, Field(ge=0, lt=1), AS_IN_YAML_1_2] = Field(
        0.9, description="Momentum of SGD, in Nesterov's form; 0 is plain SGD."
    )
    weight_decay: NonNegative = Field(
        0, description="Weight decay of SGD: this times a weight is added to its gradient."
    )
    milestones: list[Annotated[float, Field(gt=0, lt=1), AS_IN_YAML_1_2]] = Field(
        [0.3, 0.6, 0.8],
        description="Milestones at which the learning rate falls, as parts of the epochs: the "
        "defaults are epochs 60, 120 and 160 of 200.",
    )
    decay: Positive = Field(
        0.1, description="Factor by which the learning rate is multiplied at each milestone."
    )
    image_size: Side = Field(
        224,
        description="Side of the square images that the classifier gets, in pixels; at most "
        "`packing.size`.",
    )
    pretrained: bool = Field(
        True,
        description="Whether training starts from the foundation classifier's features; "
        "otherwise from random weights.",
    )
    running_statistics: Literal["labeled", "all"] = Field(
        "labeled",
        description="Images that move batch norm's running statistics: the `labeled` ones of a "
        "classifier step, or `all` of it.",
    )
    equal_epochs: Literal["first", "last"] = Field(
        "last", description="Choice between epochs that tie for the best validation accuracy."
    )
    normalize_mean: tuple[Number, Number, Number] = Field(
        (0.485, 0.456, 0.406),
        description="Mean of red, green and blue that is subtracted from pixels in 0 to 1; the "
        "default is ImageNet's. A model of timm has its own.",
    )
    normalize_std: tuple[Positive, Positive, Positive] = Field(
        (0.229, 0.224, 0.225),
        description="Standard deviation of red, green and blue by which pixels are divided; the "
        "default is ImageNet's. A model of timm has its own.",
    )
    evaluation_batch_size: Count = Field(
        256, description="Number of images in a batch of the validation and the test."
    )
    precision: Literal["float32", "tf32", "bf16"] = Field(
        "float32",
        description="Precision of a run. With `float32` a GPU computes in float32, without TF32; "
        "with `tf32` it rounds the inputs of float32 products to TF32. With `bf16` the classifier "
        "computes in bfloat16 in training; weights, losses, optimizers, the generator and LMO's "
        "second-order part stay in float32. On a CPU `tf32` is `float32`.",
    )
    generator_precision: Literal["float32", "bf16"] = Field(
        "float32",
        description="Precision of the generator's weights and maps. With `bf16` they are bfloat16; "
        "the images and their gradients are float32.",
    )
    autotune: bool = Field(
        False,
        description="Whether a GPU's convolutions are timed for every shape at the start of a run "
        "and the fastest kernels taken; results then differ by rounding between runs. No effect "
        "with `deterministic`.",
    )
    compile: bool = Field(
        False,
        description="Whether `torch.compile` compiles, at the first step, the classifier's pass "
        "over the labeled images and its gradient, and the generator where no gradient goes "
        "through it; results differ by rounding. A batch in parts is computed without.",
    )
    images_per_pass: Literal["auto"] | Count = Field(
        "auto",
        description="Number of images that pass through the generator at a time. If the unlabeled "
        "batch has more, the generator computes each part's maps anew in its backward pass, and "
        "the classifier those of each of its blocks; gradients are the same up to rounding. `auto` "
        "is the whole batch if the device's memory holds it, else the largest half, quarter, ... "
        "of it that fits.",
    )
    deterministic: bool = Field(
        False,
        description="Whether a GPU may use only operations that repeat bit for bit, which are "
        "slower; the CPU always repeats.",
    )
    train: Literal["all", "head"] = Field(
        "all",
        description="Part of the classifier that is trained: `all`, or the linear `head` on the "
        "frozen features, which batch norm then makes with its running statistics. Objectives on "
        "features have nothing to train in a head.",
    )
    snapshots: Annotated[int, Field(ge=0)] = Field(
        5,
        description="Number of epochs, evenly spaced, at which a generative method's samples are "
        "kept for the figures; 0 keeps none.",
    )

    def normalization(
        self, architecture: str
    ) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Mean and standard deviation by which an architecture's images are normalized."""
        of_weights = BACKBONES[architecture]
        return of_weights.mean or self.normalize_mean, of_weights.std or self.normalize_std


class UnlabeledRatio(Closed):
    """Unlabeled images for each labeled one in a batch, by setting."""

    oracle: Count = Field(
        7, description="Number of unlabeled images for each labeled one, if they are from D_u."
    )
    transfer: Count = Field(
        7,
        description="Number of unlabeled images for each labeled one, if they are the "
        "foundation's own real images.",
    )
    generative: Count = Field(
        1,
        description="Number of unlabeled images for each labeled one, if they are generated; the "
        "controls take as many.",
    )

    def of(self, setting: Setting) -> int:
        """The ratio of a setting's methods; 0 for the base model's."""
        if setting == "base":
            return 0
        return getattr(self, "generative" if setting == "control" else setting)

"""The classifier's training and the views of its images."""

from typing import Annotated, Literal

from pydantic import Field

from mpssl.config.fields import AS_IN_YAML_1_2, Closed, Count, NonNegative, Number, Positive, Side


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

"""What an experiment reports: tables, figures, claims, the answer."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from mpssl.config.architectures import TIMM
from mpssl.config.fields import BASE_ROW, CellRow, Closed, Name, NonNegative, Percent, Positive


def _architecture(value: Any) -> Any:
    """The name of timm's model is also part of a path, where a slash is none."""
    return value.replace("timm/", TIMM, 1) if isinstance(value, str) else value


Architecture = Annotated[Name, BeforeValidator(_architecture)]


class Roles(Closed):
    """Names for lists of data sets, label fractions and architectures.

    A table says `datasets: main` and `fractions: small`; here an experiment says which data sets
    and fractions these are. So the same tables serve all experiments.
    """

    datasets: dict[Name, Annotated[list[Name], Field(min_length=1)]] = Field(
        description="Lists of data sets by role. The shipped tables and claims use `main`, "
        "`ablation`, `additional`, `competitive` and `mismatched`.",
        examples=[{"main": ["aircraft", "cars"], "ablation": ["cars"]}],
    )
    fractions: dict[Name, Annotated[list[Percent], Field(min_length=1)]] = Field(
        description="Lists of label fractions by role: the labeled part of the training pool, in "
        "percent. The shipped tables and claims use `default`, `small` and `all`.",
        examples=[{"default": [50], "small": [10], "all": [10, 25, 50, 100]}],
    )
    architectures: dict[Name, Annotated[list[Architecture], Field(min_length=1)]] = Field(
        description="Lists of classifiers by role: names of torchvision's, `timm/NAME` for timm's, "
        "or `resnet8`, `resnet14`, `resnet20` for small images. The shipped tables and claims use "
        "`default` and `larger`.",
        examples=[{"default": ["resnet18"], "larger": ["resnet50", "resnet101"]}],
    )

    @property
    def every_architecture(self) -> list[str]:
        """The architectures of all roles, each once."""
        return list(dict.fromkeys(name for names in self.architectures.values() for name in names))


class Columns(Closed):
    """The product of data sets, label fractions and architectures, each named by a role."""

    datasets: Name = Field("ablation", description="Role of the data sets, from `roles.datasets`.")
    fractions: Name = Field(
        "default", description="Role of the label fractions, from `roles.fractions`."
    )
    architectures: Name = Field(
        "default", description="Role of the architectures, from `roles.architectures`."
    )


class Grid(Columns):
    """Rows times columns: each place is a cell, a method on a data set, fraction, architecture."""

    title: str = Field(description="Title above the table or figure.")
    rows: list[CellRow] = Field(
        min_length=1,
        description="Rows from top to bottom, each as `setting/method` or "
        "`setting/method/variant`, named as under `methods`.",
        examples=[["base/base", "generative/mpssl", "generative/mpssl/no_lmo"]],
    )
    labels: dict[CellRow, str] = Field(
        {},
        description="Labels of rows that differ from the method's own.",
        examples=[{"generative/mpssl": "MP-SSL, exact"}],
    )
    note: str = Field("", description="Sentence below the table or figure.")


class Table(Grid):
    """A table of the paper, or of our own."""

    ours: bool = Field(
        False,
        description="Whether it is beyond the paper: such a table also says how many images and "
        "seconds a run takes.",
    )
    reference: CellRow = Field(
        BASE_ROW,
        description="Row to which the paired differences are taken, if the table has it.",
    )


class Figure(Grid):
    """A figure of the paper, or of our own."""

    kind: Literal[
        "dots", "differences", "fractions", "samples", "curves", "classes", "trajectory"
    ] = Field(
        description="Kind of the figure: test accuracies as `dots` with intervals, their paired "
        "`differences` to the first row, test accuracy over the label `fractions`, validation "
        "accuracy over training as `curves`, or images: `samples` mixed, `classes` one by one, or "
        "their `trajectory` over training."
    )

    @model_validator(mode="after")
    def _something_to_show(self) -> "Figure":
        if self.kind == "differences" and len(self.rows) < 2:
            raise ValueError("differences are to the first row; name others after it")
        return self


class Claim(Columns):
    """A claim of the paper, or of ours: `row` compared with each of `than`, paired by seed."""

    text: str = Field(description="Statement of the claim, as a sentence.")
    place: str = Field(
        description="Place in the paper where the claim is made, or the table that shows it."
    )
    ours: bool = Field(False, description="Whether the claim is beyond the paper.")
    row: CellRow = Field(description="Row that the claim is about.", examples=["generative/mpssl"])
    than: list[CellRow] = Field(
        min_length=1,
        description="Rows with which it is compared: it must be better than each of them in each "
        "column.",
        examples=[["base/base"]],
    )
    measure: Literal[
        "test_accuracy", "feature_norm", "sample_distance", "sample_diversity", "seconds"
    ] = Field(
        "test_accuracy",
        description="Measure that is compared: test accuracy in percent, mean norm of the "
        "features, distance of the samples to real images or among each other (both as a "
        "multiple of the distance among real images), or seconds of training.",
    )
    direction: Literal["higher", "lower"] = Field(
        "higher", description="Direction that is better: the claim says that `row` is so."
    )
    margin: NonNegative = Field(
        0,
        description="Margin on the wrong side that still counts as holding, in units of the "
        "measure: 1 is one point of accuracy.",
    )


class Domain(Closed):
    """How far the generator's images may lie from the data before a warning (docs/your-data.md)."""

    images: Annotated[int, Field(ge=2)] = Field(
        500, description="Number of real images that are compared with as many generated ones."
    )
    far: Positive = Field(
        2.0,
        description="Ratio above which the generator is called far: distance to the nearest "
        "generated image over that to the nearest other real one.",
    )
    seed: int = Field(0, description="Seed of the choice of images and of the samples.")


class Answer(Columns):
    """The answer to `does synthetic data help here?`: the base model and `rows` compared."""

    rows: list[CellRow] = Field(
        min_length=1,
        description="Rows that are compared with each other and with the base model. Rows of the "
        "setting `control` see no new image: without them nothing tells what images give from what "
        "augmentation gives.",
        examples=[["control/strong", "control/scr", "generative/pssl", "generative/mpssl"]],
    )

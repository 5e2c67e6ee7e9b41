"""What an experiment reports: tables, figures, claims, the answer."""

from typing import Annotated, Literal

from pydantic import Field

from mpssl.config.fields import BASE_ROW, CellRow, Closed, Name, NonNegative, Percent, Positive


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

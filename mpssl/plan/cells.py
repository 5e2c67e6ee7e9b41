"""What identifies one entry of a table and one training run."""

import re
from dataclasses import dataclass

from mpssl.config.method import split_row

SELECTED = "selected"
_NAME = r"([a-z0-9_.-]+)"
RUN_ID = re.compile(
    rf"{_NAME}/(\d+)/{_NAME}/{_NAME}/{_NAME}/{_NAME}"
    rf"/lambda-({SELECTED}|\d+(?:\.\d+)?(?:e[+-]?\d+)?)/seed-(\d+)"
)


@dataclass(frozen=True, order=True)
class Cell:
    """One entry of a table. `fraction` is the labeled part of the pool in percent."""

    dataset: str
    fraction: int
    setting: str
    method: str
    variant: str
    architecture: str

    @property
    def id(self) -> str:
        """The cell's folder below `runs/`."""
        parts = (self.dataset, self.fraction, self.setting, self.method, self.variant)
        return "/".join(map(str, (*parts, self.architecture)))

    @property
    def row(self) -> str:
        """setting/method/variant, as `Config.method` takes it."""
        return f"{self.setting}/{self.method}/{self.variant}"


@dataclass(frozen=True, order=True)
class Run:
    """One training run. `weight` is lambda as text, or "selected" for the searched one."""

    cell: Cell
    weight: str
    seed: int

    @property
    def id(self) -> str:
        """The run's folder below `runs/`."""
        return f"{self.cell.id}/lambda-{self.weight}/seed-{self.seed}"

    @classmethod
    def parse(cls, text: str) -> "Run":
        """The run of an `id`.

        Raises:
            ValueError: `text` is not of the form of an id.
        """
        match = RUN_ID.fullmatch(text.strip("/"))
        if match is None:
            raise ValueError(
                f"'{text}' is not a run: expected DATASET/FRACTION/SETTING/METHOD/VARIANT/"
                "ARCHITECTURE/lambda-WEIGHT/seed-SEED"
            )
        dataset, fraction, setting, method, variant, architecture, weight, seed = match.groups()
        cell = Cell(dataset, int(fraction), setting, method, variant, architecture)
        return cls(cell, weight, int(seed))


@dataclass(frozen=True)
class Column:
    """One column of a table or figure."""

    dataset: str
    fraction: int
    architecture: str


def cell_of(row: str, column: Column) -> Cell:
    """The cell where a row and a column of a table meet."""
    setting, method, variant = split_row(row)
    return Cell(column.dataset, column.fraction, setting, method, variant, column.architecture)

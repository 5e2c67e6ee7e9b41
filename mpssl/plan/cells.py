"""What identifies one entry of a table and one training run."""

import re
from dataclasses import astuple, dataclass

from mpssl.config.method import split_row

SELECTED = "selected"
# The fields of a cell in the order of its folders, each with what its name may be.
CELL_PATTERNS = {
    "dataset": r"[a-z0-9_.-]+",
    "fraction": r"\d+",
    "setting": r"base|control|oracle|transfer|generative",
    "method": r"[a-z0-9_]+",
    "variant": r"[a-z0-9_.-]+",
    "architecture": r"[a-z0-9_.-]+",
}
RUN_PATTERNS = {"lambda_": rf"{SELECTED}|\d+(?:\.\d+)?(?:e[+-]?\d+)?", "seed": r"\d+"}
# The same with wildcards in braces, as Snakemake's rules name the folders of cells and runs.
ANY_CELL = "/".join(f"{{{field}}}" for field in CELL_PATTERNS)
ANY_RUN = f"{ANY_CELL}/lambda-{{lambda_}}/seed-{{seed}}"


def _compiled(wildcards: str) -> re.Pattern:
    groups = {name: f"({pattern})" for name, pattern in (CELL_PATTERNS | RUN_PATTERNS).items()}
    return re.compile(wildcards.format(**groups))


_CELL, _RUN = _compiled(ANY_CELL), _compiled(ANY_RUN)


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
        return "/".join(map(str, astuple(self)))

    @property
    def row(self) -> str:
        """setting/method/variant, as `Config.method` takes it."""
        return f"{self.setting}/{self.method}/{self.variant}"

    @classmethod
    def parse(cls, text: str) -> "Cell":
        """The cell of an `id`.

        Raises:
            ValueError: `text` is not of the form of an id.
        """
        match = _CELL.fullmatch(text.strip("/"))
        if match is None:
            raise ValueError(
                f"'{text}' is not a cell: expected DATASET/FRACTION/SETTING/METHOD/VARIANT/"
                "ARCHITECTURE"
            )
        dataset, fraction, *others = match.groups()
        return cls(dataset, int(fraction), *others)


@dataclass(frozen=True, order=True)
class Run:
    """One training run. `lambda_` is lambda as text, or "selected" for the searched one."""

    cell: Cell
    lambda_: str
    seed: int

    @property
    def id(self) -> str:
        """The run's folder below `runs/`."""
        return f"{self.cell.id}/lambda-{self.lambda_}/seed-{self.seed}"

    @classmethod
    def parse(cls, text: str) -> "Run":
        """The run of an `id`.

        Raises:
            ValueError: `text` is not of the form of an id.
        """
        match = _RUN.fullmatch(text.strip("/"))
        if match is None:
            raise ValueError(
                f"'{text}' is not a run: expected DATASET/FRACTION/SETTING/METHOD/VARIANT/"
                "ARCHITECTURE/lambda-LAMBDA/seed-SEED"
            )
        dataset, fraction, *others, lambda_, seed = match.groups()
        return cls(Cell(dataset, int(fraction), *others), lambda_, int(seed))


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

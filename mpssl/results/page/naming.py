"""What rows and columns are called where no table stands around them."""

from collections import Counter
from collections.abc import Iterable

from mpssl.config.experiment import Config
from mpssl.plan.cells import Cell, Column
from mpssl.results.tables import row_label


def row_of(cell: Cell) -> str:
    """The row of a cell as tables name it: without the variant `default`."""
    row = f"{cell.setting}/{cell.method}"
    return row if cell.variant == "default" else f"{row}/{cell.variant}"


def labels(config: Config, rows: Iterable[str]) -> dict[str, str]:
    """A label for each row: a variant names its method, and a label of two rows their setting."""
    found = {row: _label(config, row) for row in rows}
    often = Counter(found.values())
    return {
        row: label if often[label] == 1 else f"{label} ({row.partition('/')[0]})"
        for row, label in found.items()
    }


def _label(config: Config, row: str) -> str:
    label, (setting, method, *variant) = row_label(config, "", row), row.split("/")
    name = row_label(config, "", f"{setting}/{method}").split()[0]
    return f"{name}: {label}" if variant and name not in label else label


def column_names(config: Config, columns: list[Column]) -> list[str]:
    """The data set of each column, and its label fraction and architecture if they vary."""
    fractions = len({column.fraction for column in columns}) > 1
    architectures = len({column.architecture for column in columns}) > 1
    return [
        config.datasets[column.dataset].title
        + (f", {column.fraction} % labeled" if fractions else "")
        + (f", {column.architecture}" if architectures else "")
        for column in columns
    ]

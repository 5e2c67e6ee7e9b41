"""One cell of a table: its runs, and what the paper prints for it."""

import math
from dataclasses import dataclass
from statistics import mean, stdev

from mpssl.plan.cells import Cell
from mpssl.results.comparison import Difference
from mpssl.results.records import CellRecords


@dataclass(frozen=True)
class PaperValue:
    """What the paper prints for a cell; `note` marks a doubtful reading."""

    mean: float
    std: float
    note: str


@dataclass
class Entry:
    """One cell of a table."""

    cell: Cell
    label: str
    records: CellRecords
    impossible: str | None
    difference: Difference | None
    """To the table's reference row; None if there is none, or if runs are missing."""
    paper: PaperValue | None
    best: bool = False

    @property
    def complete(self) -> bool:
        """Whether every seed's run has finished."""
        return self.impossible is None and not self.records.missing

    @property
    def accuracies(self) -> list[float]:
        """Test accuracies in percent, one a seed."""
        return [record.test_accuracy for record in self.records.records]

    @property
    def mean(self) -> float:
        """Mean test accuracy; NaN where runs are missing."""
        return mean(self.accuracies) if self.complete else math.nan

    @property
    def std(self) -> float:
        """Sample standard deviation over the seeds (ddof 1); NaN where it does not exist."""
        return stdev(self.accuracies) if self.complete and len(self.accuracies) > 1 else math.nan

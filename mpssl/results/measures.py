"""What charts show of the runs of one cell: accuracies, and how they came about."""

import numpy as np
import pandas as pd
from scipy.stats import t as student

from mpssl.plan.cells import Cell
from mpssl.results.records import Records, verified_file


def accuracies_of(records: Records, cell: Cell) -> np.ndarray | None:
    """Test accuracy of each seed in percent, [seeds], or None if runs are missing."""
    if (found := records.of(cell)).missing:
        return None
    return np.array([record.test_accuracy for record in found.records])


def deviation(values: np.ndarray) -> float:
    """Sample standard deviation (ddof 1); 0 for one value."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided t interval of the mean; the value itself for fewer than two."""
    n, mean = len(values), float(values.mean())
    half = student.ppf((1 + confidence) / 2, n - 1) * deviation(values) / n**0.5 if n > 1 else 0.0
    return mean - half, mean + half


def validation_curves(records: Records, cell: Cell) -> np.ndarray | None:
    """Validation accuracy in percent, [seeds, epochs], or None if runs are missing."""
    if (found := records.of(cell)).missing:
        return None
    histories = []
    for record in found.records:
        files = records.experiment.paths.run(record.run)
        histories.append(pd.read_csv(verified_file(record, files, files.history)))
    return np.array([history["val_accuracy"] for history in histories])

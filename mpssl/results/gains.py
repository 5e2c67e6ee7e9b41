"""Methods side by side on one column, and what augmentation, consistency and images each give."""

import math
from dataclasses import dataclass
from statistics import mean, stdev

from mpssl.common.errors import UserError
from mpssl.config.fields import BASE_ROW
from mpssl.plan.cells import Cell, Column, cell_of
from mpssl.results.comparison import Difference, compare
from mpssl.results.records import Records
from mpssl.results.tables import row_label
from mpssl.runs.record import RunRecord

HELPS, HURTS, OPEN = "helps", "hurts", "not decided"
CONSISTENCY = ("scr", "freematch")  # controls with a consistency objective on D itself


@dataclass(frozen=True)
class Compared:
    """One method on one column. Accuracies are in percent."""

    cell: Cell
    label: str
    records: list[RunRecord]
    """The runs of all seeds."""
    runs: list[RunRecord]
    """The runs that may be compared: without that of a seed on which lambda was searched."""
    difference: Difference | None
    """Of test accuracy to the base model, points; None for the base model itself."""

    @property
    def validation(self) -> float:
        """Mean validation accuracy over the seeds."""
        return round(mean(run.val_accuracy for run in self.runs), 6)

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy of each seed that may be compared."""
        return [run.test_accuracy for run in self.runs]

    @property
    def test(self) -> float:
        """Mean test accuracy over all seeds."""
        return mean(record.test_accuracy for record in self.records)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the test accuracy over all seeds; None for one seed."""
        values = [record.test_accuracy for record in self.records]
        return stdev(values) if len(values) > 1 else None

    @property
    def images(self) -> float:
        """Mean number of images that pass the classifier in one run."""
        return mean(record.images for record in self.records)

    @property
    def seconds(self) -> float:
        """Mean seconds of training of one run."""
        return mean(record.seconds for record in self.records)

    @property
    def best(self) -> RunRecord:
        """The record of the seed with the best validation accuracy, the first of those that tie."""
        return max(self.runs, key=lambda run: run.val_accuracy)

    @property
    def setting(self) -> str:
        """Setting of the method: base, control, generative, ..."""
        return self.cell.setting


@dataclass(frozen=True)
class Gain:
    """What one method gains over another, and what of it that stands for."""

    words: str
    ours: Compared
    other: Compared
    difference: Difference


@dataclass(frozen=True)
class Outcome:
    """All methods on one column, the base model first, and what each step adds."""

    column: Column
    entries: list[Compared]
    control: Compared
    """The best by validation that sees no new image: the base model or a control."""
    gains: list[Gain]
    """What strong augmentation, consistency and generated images give, as far as they were run."""

    @property
    def verdict(self) -> Gain | None:
        """The best generative method by validation against the best control; None without one."""
        return next((gain for gain in self.gains if gain.ours.setting == "generative"), None)


def choose(entries: list[Compared], *settings: str) -> Compared | None:
    """The best mean validation accuracy, never the test's; the first of those that tie.

    Args:
        entries: among which to choose.
        settings: only methods of these; all if there are none.
    """
    found = [entry for entry in entries if not settings or entry.setting in settings]
    return max(found, key=lambda entry: entry.validation, default=None)


def compared(records: Records, cell: Cell, label: str, base: Cell | None) -> Compared:
    """A finished cell beside the base model's, which is None for the base model itself."""
    every = records.of(cell).records
    fair = [record for record in every if not records.won_search(record)] or every
    difference = difference_of(records, cell, base) if base else None
    return Compared(cell, label, every, fair, difference)


def outcome(records: Records, column: Column) -> Outcome:
    """The methods of the answer on one column, and the gains by which the answer is given.

    Raises:
        UserError: a run is missing.
    """
    config = records.experiment.config
    entries: list[Compared] = []
    for row in dict.fromkeys([BASE_ROW, *config.answer.rows]):
        cell = cell_of(row, column)
        if records.plan.impossible(cell):
            continue
        found = records.of(cell)
        if found.missing:
            raise UserError(f"the run {found.missing[0]} is missing; run snakemake to the end")
        base = entries[0].cell if entries else None
        entries.append(compared(records, cell, row_label(config, "", row), base))
    control = choose(entries, "base", "control")
    return Outcome(column, entries, control, _gains(records, entries, control))


def _gains(records: Records, entries: list[Compared], control: Compared) -> list[Gain]:
    """What each step adds; a step whose methods were not asked for is left out."""
    base = entries[0]
    controls = {entry.cell.method: entry for entry in entries if entry.setting == "control"}
    under_strong = records.experiment.config.augmentation.labeled_view == "strong"
    strong = controls.get("strong", base if under_strong else None)
    weak = controls.get("weak", None if under_strong else base)
    consistent = [controls[name] for name in CONSISTENCY if name in controls]
    steps = [
        ("Strong augmentation", weak and strong, weak),
        ("Consistency on your own images", choose(consistent), strong or base),
        ("Generated images on top", choose(entries, "generative"), control),
    ]
    return [
        Gain(words, ours, other, difference_of(records, ours.cell, other.cell))
        for words, ours, other in steps
        if ours is not None
    ]


def difference_of(records: Records, ours: Cell, other: Cell) -> Difference:
    """The difference of two cells in test accuracy."""
    return compare(records, records.of(ours).records, records.of(other).records)


def one_image(difference: Difference) -> float:
    """What one test image weighs in a difference of accuracies, points; 0 for other measures."""
    return 100 / difference.images if difference.images else 0.0


def bounds(difference: Difference) -> tuple[float, float]:
    """The ends of the 95 % interval by which a person decides; NaN if there is none.

    They are at least one test image's weight from the effect: if runs agree on all of a few test
    images, the spread is 0, but another test set would have another image. Claims are tested on the
    interval without it, whose ends agree with their p-values.
    """
    if not difference.known:
        return math.nan, math.nan
    weight = one_image(difference)
    low, high = difference.effect - weight, difference.effect + weight
    return min(difference.low, low), max(difference.high, high)


def verdict(difference: Difference) -> str:
    """Whether the interval of a difference excludes zero."""
    low, high = bounds(difference)
    # One image more or less is no verdict, whatever the last digit of its weight.
    return HELPS if round(low, 9) > 0 else HURTS if round(high, 9) < 0 else OPEN

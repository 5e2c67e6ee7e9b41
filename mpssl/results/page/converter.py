"""What LMO learned: the label converter's map, and the numbers that runs record of it."""

from dataclasses import dataclass
from statistics import mean

import numpy as np
from markupsafe import Markup

from mpssl.results.gains import Compared
from mpssl.results.page import pictures, svg
from mpssl.results.page.outcome import Outcome
from mpssl.results.records import Records, verified_file
from mpssl.results.samples_data import class_names, foundation_names
from mpssl.runs.record import RunRecord

HEIGHT = 18  # of a target class, pixels
SHOWN = 40  # target classes
NAMED = 3  # likeliest foundation classes of each
NAMES = {
    "z_hat_std": "Standard deviation of z_hat",
    "z_hat_std_within_class": "Standard deviation of z_hat within a class",
    "converter_entropy": "Entropy of the converter, nats",
    "converter_largest": "Largest probability of the converter",
    "converter_related": "Mass of the converter on the tenth of classes that is most related",
    "converter_related_uniform": "The same of a uniform choice",
    "validation_gradient_phi": "Norm of the validation loss's gradient at phi",
    "gap_gradient_phi": "Norm of the gap's gradient at phi",
    "validation_gradient_xi": "Norm of the validation loss's gradient at xi",
    "gap_gradient_xi": "Norm of the gap's gradient at xi",
}


@dataclass(frozen=True)
class Map:
    """Target class by foundation class of one run."""

    title: str
    seed: int
    lines: list[tuple[str, Markup, str]]
    """Target class, its strip, and its likeliest foundation classes."""
    left_out: int
    """Target classes that are not shown."""
    largest: float
    """The largest probability, the bright end of the colours; the dark end is 0."""
    uniform: float
    """The probability of each foundation class if all are equal."""

    @property
    def colours(self) -> str:
        """A picture of the colours from 0 to `largest`."""
        return pictures.of_values(np.linspace(0, 1, 64), 1)


def maps(records: Records, outcomes: list[Outcome]) -> list[Map]:
    """The map of each method that learned one, of its first finished seed."""
    found = []
    for outcome in outcomes:
        for entry in outcome.entries:
            record = entry.records[0]
            path = records.experiment.paths.run(record.run).converter
            if path.name in record.files:
                found.append(_map(records, outcome, entry, record))
    return found


def _map(records: Records, outcome: Outcome, entry: Compared, record: RunRecord) -> Map:
    experiment = records.experiment
    files = experiment.paths.run(record.run)
    with np.load(verified_file(record, files, files.converter), allow_pickle=False) as arrays:
        rows = arrays["rows"].astype(float)
    names = class_names(experiment, outcome.column)
    known = foundation_names(experiment, rows.shape[1])
    largest = float(rows.max())
    lines = [
        (names[i], _strip(row, largest), _likeliest(row, known))
        for i, row in enumerate(rows[:SHOWN])
    ]
    return Map(
        f"{entry.label}, {outcome.title}",
        record.run.seed,
        lines,
        max(0, len(rows) - SHOWN),
        largest,
        1 / rows.shape[1],
    )


def _strip(row: np.ndarray, largest: float) -> Markup:
    image = svg.tag(
        "image",
        href=pictures.of_values(row, largest),
        width="100%",
        height=HEIGHT,
        preserveAspectRatio="none",
        class_="pixels",
    )
    return svg.chart(image, height=HEIGHT)


def _likeliest(row: np.ndarray, names: list[str]) -> str:
    order = np.argsort(-row, kind="stable")[:NAMED]
    # The mark after a name keeps names written from right to left from turning the line around.
    return ", ".join(f"{names[i]}\u200e {row[i]:.1%}" for i in order)


def recorded(outcomes: list[Outcome]) -> list[tuple[str, dict[str, str]]]:
    """Of each method with LMO, what its runs record of it: mean over the seeds, and range.

    A gradient's norm is the mean over the epochs in which it was recorded.
    """
    found = []
    for outcome in outcomes:
        for entry in outcome.entries:
            values: dict[str, list[float]] = {}
            for record in entry.records:
                if record.settings.lmo is None:
                    continue
                norms = {k: mean(v) for k, v in record.gradient_norms.items() if v}
                for name, value in (record.source_statistics | norms).items():
                    values.setdefault(NAMES.get(name, name.replace("_", " ")), []).append(value)
            if values:
                said = {name: _range(v) for name, v in values.items()}
                found.append((f"{entry.label}, {outcome.title}", said))
    return found


def _range(values: list[float]) -> str:
    text = f"{mean(values):.3g}"
    return text if len(values) < 2 else f"{text} ({min(values):.3g} to {max(values):.3g})"

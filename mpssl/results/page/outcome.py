"""What the page says first: on each column, whether images help, and by how much."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mpssl.config.fields import BASE_ROW
from mpssl.config.tables import Columns
from mpssl.plan.cells import Column, cell_of
from mpssl.results.cautions import domain_of, doubt, far
from mpssl.results.comparison import Difference
from mpssl.results.gains import (
    HELPS,
    HURTS,
    OPEN,
    Compared,
    bounds,
    choose,
    compared,
    difference_of,
    verdict,
)
from mpssl.results.page.naming import column_names, labels
from mpssl.results.records import Records

SAID = {HELPS: "help", HURTS: "do not help"}
# The settings in the order of the chart, and what each adds to the labels.
GROUPS = {
    "control": "Controls: no new images",
    "transfer": "Real images of the foundation",
    "generative": "Synthetic images",
    "oracle": "Oracle: real unlabeled images",
}


@dataclass(frozen=True)
class Outcome:
    """The methods on one column, the base model first."""

    column: Column
    title: str
    entries: list[Compared]
    unfinished: list[str]
    """Labels of methods of which runs are missing."""
    synthetic: Difference | None
    """Test accuracy of the best generative method minus that of the best control."""
    real: Difference | None
    """The same of the best method with real unlabeled images."""
    far: tuple[str, str] | None
    """That the generator is far from the data, if it was measured and is."""

    def group(self, setting: str) -> list[Compared]:
        """The methods of one setting; the base model is in none of the groups."""
        return [entry for entry in self.entries if entry.cell.setting == setting]

    def best(self, *settings: str) -> Compared | None:
        """The best method of these settings by validation, never by test; the first of ties."""
        return choose(self.entries, *settings)

    @property
    def controlled(self) -> bool:
        """Whether a control was run."""
        return bool(self.group("control"))


def outcomes(records: Records) -> list[Outcome]:
    """The outcome of each column of the answer, or of the first wanted table.

    Its methods are those of that table, and what the other wanted tables run on the same column
    except for variants of generative methods. A column without a finished base model is left out.
    """
    plan, config = records.plan, records.experiment.config
    tables = [config.tables[name] for name in plan.wanted if name in config.tables]
    grid: Columns | None = config.answer or next(iter(tables), None)
    if grid is None:
        return []
    first, columns = set(grid.rows), plan.product(grid)
    rows = dict.fromkeys(row for table in (grid, *tables) for row in table.rows)
    shown = [BASE_ROW, *(row for row in rows if row in first or _default_or_real(row))]
    wanted = set(plan.wanted_cells())
    titles = column_names(config, columns)
    found = [
        _outcome(records, column, title, [row for row in shown if cell_of(row, column) in wanted])
        for column, title in zip(columns, titles, strict=True)
    ]
    return [outcome for outcome in found if outcome is not None]


def _default_or_real(row: str) -> bool:
    setting, _, *variant = row.split("/")
    return setting != "generative" or not variant


def _outcome(records: Records, column: Column, title: str, rows: list[str]) -> Outcome | None:
    entries, unfinished = [], []
    if BASE_ROW not in rows or records.of(base := cell_of(BASE_ROW, column)).missing:
        return None
    for row, label in labels(records.experiment.config, rows).items():
        cell = cell_of(row, column)
        if records.of(cell).missing:
            unfinished.append(label)
        else:
            against = None if row == BASE_ROW else base
            entries.append(compared(records, cell, label, against))
    control = choose(entries, "base", "control")
    synthetic, real = (
        best and difference_of(records, best.cell, control.cell)
        for best in (choose(entries, "generative"), choose(entries, "oracle"))
    )
    distance = far(domain_of(records.experiment, column))
    return Outcome(column, title, entries, unfinished, synthetic, real, distance)


def sentences(outcome: Outcome) -> list[tuple[str, str]]:
    """What was found on one column: each sentence's first words, which decide, and the rest."""
    control = outcome.best("base", "control")
    found = []
    for images, setting, difference in (
        ("synthetic images", "generative", outcome.synthetic),
        ("real unlabeled images", "oracle", outcome.real),
    ):
        best = outcome.best(setting)
        if best is None or not difference.seeds:
            continue
        chosen = len(outcome.group(setting)) > 1
        how = ", chosen by validation," if chosen else ""
        rival = "the base model" if control.cell.setting == "base" else control.label
        if outcome.controlled:
            rival += ", the best control by validation"
        rest = f"{best.label}{how} changes test accuracy by {points(difference)} against {rival}."
        if not difference.known:
            rest += " One seed gives no interval."
        if caution := doubt(best):
            rest += f" {caution}"
        found.append((_words(images, verdict(difference), outcome.controlled), rest))
    if found and not outcome.controlled:
        label, rest = found[0]
        found[0] = (label, f"{rest} No control was run: nothing tells images from augmentation.")
    if outcome.far and outcome.synthetic:
        found.insert(0, outcome.far)
    return found


def _words(images: str, found: str, controlled: bool) -> str:
    if found == OPEN:
        return f"Whether {images} help is not decided"
    if controlled:
        return f"{images.capitalize()} {SAID[found]}"
    better = "better" if found == HELPS else "worse"
    return f"Training with {images} is {better} than the labels alone"


def summary(found: Iterable[Outcome]) -> str | None:
    """How often synthetic images help, if there are several columns and all have a control."""
    found = [outcome for outcome in found if outcome.synthetic and outcome.synthetic.seeds]
    if len(found) < 2 or not all(outcome.controlled for outcome in found):
        return None
    counts = Counter(verdict(outcome.synthetic) for outcome in found)
    distant = sum(outcome.far is not None for outcome in found)
    return (
        f"Against the best control, synthetic images help in {counts[HELPS]} of {len(found)} "
        f"comparisons and do not help in {counts[HURTS]}; {counts[OPEN]} are not decided."
        + (f" The generator is far from the data of {distant} of them." if distant else "")
    )


def points(difference: Difference) -> str:
    """A difference with its interval: +0.8 points [-0.4, +2.0]."""
    return f"{signed(difference.effect)} points{interval(difference)}"


def interval(difference: Difference) -> str:
    """The 95 % interval with a space before it; empty if there is none."""
    if not difference.known:
        return ""
    low, high = bounds(difference)
    return f" [{signed(low)}, {signed(high)}]"


def signed(value: float) -> str:
    """A number of points with its sign, with the minus of typesetters; zero has none of a side."""
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", "\u2212")

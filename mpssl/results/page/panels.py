"""Small multiples: a panel a method, the base model in grey in each."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from mpssl.config.fields import BASE_ROW
from mpssl.plan.cells import Cell
from mpssl.results.measures import accuracies_of, mean_interval, validation_curves
from mpssl.results.page import svg
from mpssl.results.page.naming import labels, row_of
from mpssl.results.records import Records
from mpssl.results.style import colour_of

HEIGHT, TOP, BOTTOM = 132, 12, 110  # of a panel, and where its plot begins and ends, pixels


@dataclass(frozen=True)
class Kind:
    """What panels show over what."""

    measure: str
    over: str
    """How an x is written."""
    log: bool = False

    def at(self, x: float) -> str:
        """An x in words."""
        return self.over.format(x)


OVER_LABELS = Kind("test accuracy", "{:g} %", log=True)
OVER_TRAINING = Kind("validation accuracy", "{:g}")


@dataclass(frozen=True)
class Curve:
    """The mean of a row at each x, and its spread; accuracies in percent."""

    row: str
    x: list[float]
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Panels:
    """The panels of one data set and architecture."""

    title: str
    panels: list[tuple[str, Markup]]
    """Label of the method, and its chart."""


def over_labels(records: Records) -> list[Panels]:
    """Test accuracy over the label fraction, where several fractions were run."""
    found: dict[tuple, dict[str, list[Cell]]] = {}
    for cell in records.plan.wanted_cells():
        rows = found.setdefault((cell.dataset, cell.architecture), {})
        rows.setdefault(row_of(cell), []).append(cell)
    sets = []
    for key, rows in found.items():
        curves = [_over_labels(records, row, cells) for row, cells in rows.items()]
        curves = [curve for curve in curves if curve is not None and len(curve.x) > 1]
        if curves:
            sets.append(_panels(records, key, curves, OVER_LABELS))
    return sets


def _over_labels(records: Records, row: str, cells: list[Cell]) -> Curve | None:
    cells = sorted(cells, key=lambda cell: cell.fraction)
    values = [(cell.fraction, accuracies_of(records, cell)) for cell in cells]
    values = [(x, v) for x, v in values if v is not None]
    if not values:
        return None
    ends = np.array([mean_interval(v) for _, v in values])
    mean = np.array([v.mean() for _, v in values])
    return Curve(row, [x for x, _ in values], mean, ends[:, 0], ends[:, 1])


def over_training(records: Records, cells: list[Cell]) -> list[Panels]:
    """Validation accuracy over the epochs of the runs of these cells."""
    found: dict[tuple, list[Curve]] = {}
    for cell in cells:
        curves = validation_curves(records, cell)
        if curves is not None and curves.shape[1] > 1:
            ends = curves.mean(axis=0), curves.min(axis=0), curves.max(axis=0)
            key = (cell.dataset, cell.fraction, cell.architecture)
            curve = Curve(row_of(cell), list(range(1, curves.shape[1] + 1)), *ends)
            found.setdefault(key, []).append(curve)
    return [_panels(records, key, curves, OVER_TRAINING) for key, curves in found.items()]


def _panels(records: Records, key: tuple, curves: list[Curve], kind: Kind) -> Panels:
    dataset, *others = key
    config = records.experiment.config
    title = ", ".join([config.datasets[dataset].title, *(_part(o) for o in others)])
    base = next((curve for curve in curves if curve.row == BASE_ROW), None)
    x = sorted({value for curve in curves for value in curve.x})
    across = svg.Scale(x[0], x[-1], kind.log, left=20, right=3)
    low = min(float(curve.mean.min()) for curve in curves)
    high = max(float(curve.mean.max()) for curve in curves)
    room = max(0.08 * (high - low), 0.5)
    down = svg.Scale(low - room, high + room)
    grid = _grid(across, down, x if kind.log else _epoch_ticks(across), kind)
    named, panels = labels(config, [curve.row for curve in curves]), []
    for i, curve in enumerate(curves):
        reference = None if base is curve else base
        if base is curve and len(curves) > 1:
            continue
        colour, said = colour_of(curve.row, i), f"{kind.measure} from {_ends(curve, kind)}"
        said = f"{named[curve.row]}: {said}"
        said += f"; base model from {_ends(reference, kind)}" if reference else ""
        parts = [svg.tag("title", said), grid]
        parts += [_curve(across, down, reference, "#888", "reference")] if reference else []
        parts.append(_curve(across, down, curve, colour, "curve"))
        parts += _points(across, down, curve, colour, kind) if kind.log else []
        panels.append((named[curve.row], svg.chart(*parts, height=HEIGHT, label=said)))
    return Panels(title, panels)


def _part(value: int | str) -> str:
    return f"{value} % labeled" if isinstance(value, int) else value


def _epoch_ticks(scale: svg.Scale) -> list[float]:
    whole = (t for t in scale.ticks(4) if t % 1 == 0)
    return [scale.low, *(t for t in whole if t - scale.low > 0.2 * (scale.high - scale.low))]


def _ends(curve: Curve, kind: Kind) -> str:
    first, last = (f"{value:.1f} %" for value in (curve.mean[0], curve.mean[-1]))
    return f"{first} (at {kind.at(curve.x[0])}) to {last} (at {kind.at(curve.x[-1])})"


def _y(down: svg.Scale, value: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * down.part(value)


def _grid(across: svg.Scale, down: svg.Scale, ticks: list[float], kind: Kind) -> Markup:
    parts = []
    for value in down.ticks(4):
        y = _y(down, value)
        parts.append(svg.line(f"{across.left}%", y, "100%", y, "grid"))
        parts.append(svg.tag("text", f"{value:g} %", x=0, y=y + 4, class_="soft"))
    for tick in ticks:
        part = across.part(tick)
        anchor = "start" if part < 0.1 else "end" if part > 0.9 else "middle"
        text = svg.tag("text", kind.at(tick), x=across.percent(tick), y=126, text_anchor=anchor)
        parts.append(text)
    return svg.tag("g", *parts)


def _curve(across: svg.Scale, down: svg.Scale, curve: Curve, colour: str, class_: str) -> Markup:
    """A line, and the area between its low and high."""
    x = [across.part(value) for value in curve.x]
    low, high = ([down.part(v) for v in ends] for ends in (curve.low, curve.high))
    around = [*zip(x, high, strict=True), *reversed(list(zip(x, low, strict=True)))]
    line = list(zip(x, (down.part(v) for v in curve.mean), strict=True))
    parts = (
        [svg.stretched(around, "polygon", fill=colour, class_="spread")]
        if class_ == "curve"
        else []
    )
    parts.append(svg.stretched(line, "polyline", stroke=colour, class_=class_))
    return svg.tag(
        "svg",
        *parts,
        x=f"{across.left}%",
        y=TOP,
        width=f"{across.width}%",
        height=BOTTOM - TOP,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )


def _points(
    across: svg.Scale, down: svg.Scale, curve: Curve, colour: str, kind: Kind
) -> list[Markup]:
    ends = zip(curve.x, curve.mean, curve.low, curve.high, strict=True)
    return [
        svg.mark(
            "circle",
            across.percent(x),
            _y(down, mean),
            colour,
            f"{kind.at(x)}: {mean:.1f} % [{low:.1f}, {high:.1f}]",
        )
        for x, mean, low, high in ends
    ]

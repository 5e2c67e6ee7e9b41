"""The chart of differences to the base model: a line a method, in groups, with two bands."""

from dataclasses import dataclass

from markupsafe import Markup

from mpssl.results.comparison import Difference
from mpssl.results.gains import Compared, bounds
from mpssl.results.page import svg
from mpssl.results.page.naming import row_of
from mpssl.results.page.outcome import GROUPS, Outcome, interval, points, signed
from mpssl.results.style import colour_of

SHAPES = {"control": "square", "transfer": "triangle", "generative": "circle", "oracle": "diamond"}
STRIP, MIDDLE = 30, 15  # height of a method's strip and of its mark, pixels
BANDS = ("control", "oracle")


@dataclass(frozen=True)
class Line:
    """A method of the chart."""

    label: str
    strip: Markup
    """Its mark and interval."""
    effect: str
    interval: str
    best: bool
    """Whether it is the best of its group by validation."""


@dataclass(frozen=True)
class Differences:
    """The chart of one column; a strip is as wide as its place."""

    title: str
    groups: list[tuple[str, list[Line]]]
    axis: Markup
    bands: dict[str, str]
    """What the bands of the best control and the best oracle say, in words."""

    @property
    def known(self) -> bool:
        """Whether there are intervals."""
        return any(line.interval for _, lines in self.groups for line in lines)


def differences(outcome: Outcome) -> Differences | None:
    """The chart of one column, or None if nothing is compared with the base model."""
    shown = [e for e in outcome.entries if e.difference is not None and e.difference.seeds]
    if not shown:
        return None
    scale = _scale([entry.difference for entry in shown])
    bands = {s: best for s in BANDS if (best := outcome.best(s)) in shown}
    behind = [_band(scale, setting, entry.difference) for setting, entry in bands.items()]
    groups = []
    for setting, title in GROUPS.items():
        entries = [entry for entry in shown if entry.cell.setting == setting]
        best = outcome.best(setting)
        lines = [_line(scale, behind, shown.index(e), e, e is best) for e in entries]
        groups += [(title, lines)] if lines else []
    said = {s: f"{entry.label}, {points(entry.difference)}" for s, entry in bands.items()}
    return Differences(outcome.title, groups, _axis(scale), said)


def _scale(found: list[Difference]) -> svg.Scale:
    """From the lowest to the highest effect and zero, and beyond as far as the intervals go.

    It ends before a very wide interval does, which would press all others together.
    """
    effects = [0.0, *(d.effect for d in found)]
    low, high = min(effects), max(effects)
    room = max(high - low, 1.0)
    ends = [end for d in found if d.known for end in bounds(d)]
    low = min(low - 0.05 * room, max(min(ends, default=low), low - room))
    high = max(high + 0.05 * room, min(max(ends, default=high), high + room))
    return svg.Scale(low, high)


def _line(scale: svg.Scale, behind: list[Markup], place: int, entry: Compared, best: bool) -> Line:
    difference, setting = entry.difference, entry.cell.setting
    parts = [*behind, _zero(scale)]
    if difference.known:
        ends = bounds(difference)
        low, high = map(scale.percent, ends)
        parts.append(svg.line(low, MIDDLE, high, MIDDLE, "interval"))
        for end, x, right in zip(ends, (low, high), (False, True), strict=True):
            if scale.low <= end <= scale.high:
                parts.append(svg.line(x, MIDDLE - 4, x, MIDDLE + 4, "interval"))
            else:
                parts.append(svg.arrow(x, MIDDLE, right))
    tip = f"{entry.label}: {points(difference)}"
    x = scale.percent(difference.effect)
    parts.append(svg.mark(SHAPES[setting], x, MIDDLE, colour_of(row_of(entry.cell), place), tip))
    return Line(
        entry.label,
        svg.chart(*parts, height=STRIP),
        signed(difference.effect),
        interval(difference).strip(),
        best,
    )


def _zero(scale: svg.Scale) -> Markup:
    return svg.line(scale.percent(0), 0, scale.percent(0), STRIP, "zero")


def _band(scale: svg.Scale, setting: str, difference: Difference) -> Markup:
    """The interval of the best of a setting as an area, its effect as a line."""
    at = scale.percent(difference.effect)
    middle = svg.line(at, 0, at, STRIP, f"middle {setting}")
    if not difference.known:
        return middle
    ends = bounds(difference)
    low, high = map(scale.part, ends)
    width = f"{scale.width * (high - low):.2f}%"
    x = scale.percent(ends[0])
    area = svg.tag("rect", x=x, y=0, width=width, height=STRIP, class_=f"band {setting}")
    return area + middle


def _axis(scale: svg.Scale) -> Markup:
    parts = [svg.line(scale.percent(scale.low), 1, scale.percent(scale.high), 1, "grid")]
    for tick in scale.ticks():
        x = scale.percent(tick)
        text = f"{tick:+g}".replace("-", "\u2212") if tick else "0"
        parts.append(svg.line(x, 1, x, 5, "grid"))
        parts.append(svg.tag("text", text, x=x, y=18, text_anchor="middle"))
    return svg.chart(*parts, height=22)

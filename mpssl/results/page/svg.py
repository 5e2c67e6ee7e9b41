"""Charts as SVG text that follows the page's colours and its width.

Across, everything is in percent of the chart's width, so that texts and marks keep their size on a
narrow screen; down, everything is in pixels. Marks differ in shape as well as in colour.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

# Path of each mark around (0, 0), about ten pixels wide.
SHAPES = {
    "circle": "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z",
    "square": "M-4.5-4.5H4.5V4.5H-4.5Z",
    "triangle": "M0-5.5L5.5 4.5H-5.5Z",
    "diamond": "M0-6.3L6.3 0L0 6.3L-6.3 0Z",
}


def tag(name: str, *children: str, **attributes) -> Markup:
    """An element; `class_` is the attribute class, `text_anchor` is text-anchor."""
    written = [
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _text(value))
        for key, value in attributes.items()
        if value is not None
    ]
    inner = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), Markup("").join(written), inner)


def _text(value) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Scale:
    """Where values are across a chart, from `low` to `high`.

    At the left and the right the chart has free edges, in percent of its width.
    """

    low: float
    high: float
    log: bool = False
    left: float = 4
    right: float = 4

    @property
    def width(self) -> float:
        """Width between the edges in percent of the chart."""
        return 100 - self.left - self.right

    def part(self, value: float) -> float:
        """Where a value is between the ends, 0 to 1; what is beyond an end is at that end."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5

    def percent(self, value: float) -> str:
        """Where a value is across the chart, as SVG writes it."""
        return f"{self.left + self.width * self.part(value):.2f}%"

    def ticks(self, count: int = 7) -> list[float]:
        """At most about `count` round values between the ends."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        power = 10.0 ** math.floor(math.log10(span / count))
        step = next(s * power for s in (1, 2, 5, 10) if span / (s * power) <= count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(i * step, 10) for i in range(first, last + 1)]


def mark(shape: str, x: str, y: float, colour: str, title: str) -> Markup:
    """A mark at `x` percent and `y` pixels; a pointer on it shows the title."""
    path = tag("path", d=SHAPES[shape], fill=colour, class_="mark")
    return tag("svg", tag("title", title), path, x=x, y=y, overflow="visible", class_="at")


def arrow(x: str, y: float, right: bool) -> Markup:
    """The head of an interval that goes on beyond the chart."""
    d = "M-5-4L0 0L-5 4" if right else "M5-4L0 0L5 4"
    return tag("svg", tag("path", d=d, class_="interval"), x=x, y=y, overflow="visible")


def line(x1: str, y1: float, x2: str, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def stretched(points: Iterable[tuple[float, float]], name: str, **attributes) -> Markup:
    """A polyline or polygon of points in [0, 1] x [0, 1], y upwards.

    It goes into an element svg with the view box "0 0 100 100" that is stretched.
    """
    text = " ".join(f"{100 * x:.2f},{100 - 100 * y:.2f}" for x, y in points)
    return tag(name, points=text, vector_effect="non-scaling-stroke", **attributes)


def chart(*children: str, height: float, label: str | None = None) -> Markup:
    """A chart as wide as its place; without a label it is hidden from screen readers."""
    seen = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return tag("svg", *children, class_="chart", width="100%", height=height, **seen)

"""What the chosen model gets wrong, for one's own images."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from scipy.stats import binomtest

from mpssl.data import store
from mpssl.results.by_class import Confusion, absent, classes_of, confusion_of
from mpssl.results.page import pictures, svg
from mpssl.results.page.outcome import Outcome
from mpssl.results.predictions import predictions
from mpssl.results.records import Records

MATRIX = 20  # classes up to which the confusion matrix is shown whole
PAIRS = 20  # most frequent confusions, shown beyond that
CLASSES = 30  # classes of lowest accuracy
PICTURES = 12  # wrong images
STRIP, MIDDLE = 26, 13  # height of a class's strip and of its mark, pixels
PERCENT = svg.Scale(0, 100)
SETTINGS = ("base", "control", "transfer", "generative", "oracle")


@dataclass(frozen=True)
class Wrong:
    """A test image that the model takes for another class."""

    picture: str
    true: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Mistakes:
    """What one model gets wrong on one column."""

    title: str
    model: str
    """Its method and seed."""
    balanced: float
    """Mean of the accuracies of the classes, percent."""
    classes: list[str]
    matrix: np.ndarray | None
    """Test images [true class, predicted class]; None if there are too many classes."""
    pairs: list[tuple[str, str, int]]
    """True class, predicted class and number of the most frequent confusions."""
    by_class: list[tuple[str, Markup, str]]
    """Class, strip and accuracy in words, the lowest accuracy first."""
    axis: Markup
    left_out: int
    """Classes with test images that `by_class` does not show."""
    absent: list[str]
    """Sentences on classes without labeled or without test images."""
    wrong: list[Wrong]
    """The wrong images with the highest probability first."""


def mistakes(records: Records, outcomes: list[Outcome]) -> list[Mistakes]:
    """For an answer, what the best model by validation gets wrong on each column."""
    if records.experiment.config.answer is None:
        return []
    return [_of(records, outcome) for outcome in outcomes]


def _of(records: Records, outcome: Outcome) -> Mistakes:
    experiment, best = records.experiment, outcome.best(*SETTINGS)
    record = best.best
    found = predictions(experiment, record)
    true, predicted = found["label"].astype(int), found["predicted"].astype(int)
    packed = store.load(experiment.paths.packed(outcome.column.dataset))
    names, count = packed.classes, len(packed.classes)
    confusion = confusion_of(experiment, record, count)
    order = np.argsort(-np.where(true != predicted, found["probability"], -1), kind="stable")
    order = order[: min(PICTURES, int((true != predicted).sum()))]
    shown = np.argsort(confusion.accuracy, kind="stable")  # without test images they come last
    tested = [c for c in shown if confusion.tested[c]]
    return Mistakes(
        outcome.title,
        f"{best.label}, seed {record.run.seed}",
        confusion.balanced,
        names,
        confusion.matrix if count <= MATRIX else None,
        _pairs(confusion.matrix, names),
        [_class(names[c], confusion, c) for c in tested[:CLASSES]],
        _axis(),
        max(0, len(tested) - CLASSES),
        absent(classes_of(experiment, record)),
        [
            Wrong(
                pictures.of_pixels(np.asarray(packed.images[packed.test[i]])),
                names[true[i]],
                names[predicted[i]],
                float(found["probability"][i]),
            )
            for i in order
        ],
    )


def _pairs(matrix: np.ndarray, names: list[str]) -> list[tuple[str, str, int]]:
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    places = (divmod(int(i), len(names)) for i in order)
    return [(names[a], names[b], int(wrong[a, b])) for a, b in places if wrong[a, b]]


def _class(name: str, confusion: Confusion, place: int) -> tuple[str, Markup, str]:
    """The accuracy of a class with Wilson's 95 % interval."""
    right, tested = confusion.right[place], confusion.tested[place]
    ends = binomtest(int(right), int(tested)).proportion_ci(method="wilson")
    said = f"{100 * right / tested:.0f} % ({right} of {tested})"
    low, high = PERCENT.percent(100 * ends.low), PERCENT.percent(100 * ends.high)
    at = PERCENT.percent(100 * right / tested)
    parts = [
        svg.line("4%", MIDDLE, "96%", MIDDLE, "grid"),
        svg.line(low, MIDDLE, high, MIDDLE, "interval"),
        svg.mark("circle", at, MIDDLE, "#0072B2", f"{name}: {said}"),
    ]
    return name, svg.chart(*parts, height=STRIP), said


def _axis() -> Markup:
    ticks = [
        svg.tag("text", f"{t} %", x=PERCENT.percent(t), y=14, text_anchor="middle")
        for t in (0, 25, 50, 75, 100)
    ]
    return svg.chart(*ticks, height=18)

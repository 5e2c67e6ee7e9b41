"""How often models are right about each class, from the stored predictions of runs."""

from dataclasses import dataclass

import numpy as np

from mpssl.data import store
from mpssl.data.split import read_split
from mpssl.plan.experiment import Experiment
from mpssl.results.gains import Compared
from mpssl.results.predictions import predictions
from mpssl.runs.record import RunRecord

SHOWN = 20  # classes of a table, and classes named in a sentence
NAMED = 5


@dataclass(frozen=True)
class Confusion:
    """What one model says of the test images of each class."""

    matrix: np.ndarray
    """Number of test images by [true class, predicted class]."""

    @property
    def tested(self) -> np.ndarray:
        """Number of test images of each class, int [K]."""
        return self.matrix.sum(axis=1)

    @property
    def right(self) -> np.ndarray:
        """Number of them that the model classifies correctly, int [K]."""
        return self.matrix.diagonal()

    @property
    def accuracy(self) -> np.ndarray:
        """Accuracy on each class (its recall), percent, [K]; NaN without test images."""
        with np.errstate(invalid="ignore"):
            return 100 * self.right / self.tested

    @property
    def balanced(self) -> float:
        """Mean of the accuracies of the classes that have test images, percent."""
        return float(np.nanmean(self.accuracy))

    @property
    def missed(self) -> list[int]:
        """Classes that have test images, none of which the model recognizes."""
        return np.flatnonzero((self.right == 0) & (self.tested > 0)).tolist()


def confusion_of(experiment: Experiment, record: RunRecord, classes: int) -> Confusion:
    """The confusions of a run's model.

    Raises:
        UserError: its predictions are missing or damaged.
    """
    found = predictions(experiment, record)
    places = found["label"].astype(int) * classes + found["predicted"]
    return Confusion(np.bincount(places, minlength=classes**2).reshape(classes, classes))


@dataclass(frozen=True)
class Classes:
    """The classes of a data set, and how many images there are of each."""

    names: list[str]
    learned: np.ndarray
    """Labeled images that a run is trained on (D), int [K]."""
    tested: np.ndarray
    """Test images, int [K]."""

    def without(self, counts: np.ndarray) -> list[str]:
        """The names of the classes of which there is no image."""
        return [name for name, count in zip(self.names, counts, strict=True) if not count]


def classes_of(experiment: Experiment, record: RunRecord) -> Classes:
    """The classes of a run's data set.

    Raises:
        UserError: the packed data set or the split is missing or damaged.
    """
    packed = store.load(experiment.paths.packed(record.run.cell.dataset))
    labeled = read_split(experiment.paths.split_of(record.run), packed)["labeled"]
    learned, tested = (
        np.bincount(packed.labels[rows], minlength=len(packed.classes))
        for rows in (labeled, packed.test)
    )
    return Classes(packed.classes, learned, tested)


@dataclass(frozen=True)
class ByClass:
    """Accuracies of one method on each class, percent, as means over the seeds compared."""

    accuracy: np.ndarray
    """[K]; NaN for a class without test images."""
    balanced: float
    """Their mean over the classes that have test images."""


def by_class(experiment: Experiment, entry: Compared, classes: int) -> ByClass:
    """The accuracies of a method on each class.

    Raises:
        UserError: predictions are missing or damaged.
    """
    found = [confusion_of(experiment, record, classes) for record in entry.runs]
    accuracy = np.mean([confusion.accuracy for confusion in found], axis=0)
    return ByClass(accuracy, float(np.mean([confusion.balanced for confusion in found])))


def table(classes: Classes, methods: list[tuple[str, ByClass]]) -> list[str]:
    """The lines of a table of accuracies by class; of many classes the worst of the last method.

    Args:
        classes: the classes.
        methods: label and accuracies of each method.
    """
    last = methods[-1][1].accuracy
    rows = range(len(classes.names))
    if len(classes.names) > SHOWN:
        rows = sorted(np.argsort(last, kind="stable")[:SHOWN].tolist())
    lines = [
        f"| class | labeled | test images | {' | '.join(label for label, _ in methods)} |",
        f"|---|---|---|{'---|' * len(methods)}",
    ]
    for k in rows:
        cells = [_percent(found.accuracy[k]) for _, found in methods]
        name = classes.names[k].replace("|", "\\|")
        counts = f"{classes.learned[k]} | {classes.tested[k]}"
        lines.append(f"| {name} | {counts} | {' | '.join(cells)} |")
    left_out = len(classes.names) - len(rows)
    if left_out:
        lines += ["", f"Not shown: {left_out} with a higher accuracy; answer.csv has them."]
    return lines


def _percent(accuracy: float) -> str:
    return "no test image" if np.isnan(accuracy) else f"{accuracy:.1f}"


def absent(classes: Classes) -> list[str]:
    """Sentences on classes that no labeled or no test image has; the table shows them as such."""
    found = []
    if names := classes.without(classes.learned):
        found.append(f"Without labeled images, so that no model knows them: {listed(names)}.")
    if names := classes.without(classes.tested):
        found.append(f"Without test images, so that nothing is known of them: {listed(names)}.")
    return found


def warnings(classes: Classes, confusion: Confusion, what: str) -> list[str]:
    """A sentence for each class of whose test images a model recognizes none.

    Args:
        classes: the classes.
        confusion: what the model says of the test images.
        what: the model in words.
    """
    found = []
    for k in confusion.missed[:NAMED]:
        row, tested = confusion.matrix[k], confusion.tested[k]
        most = int(row.argmax())
        images = "the only test image" if tested == 1 else f"any of the {tested} test images"
        called = "it" if tested == 1 else f"{row[most]} of them"
        found.append(
            f"**{what} does not recognize {images} of {classes.names[k]}**: it calls {called} "
            f"{classes.names[most]}."
        )
    rest = [classes.names[k] for k in confusion.missed[NAMED:]]
    if rest:
        found.append(f"**Nor does it recognize** {listed(rest)}.")
    return found


def listed(names: list[str]) -> str:
    """Names in a sentence: the first of them, and how many more."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")

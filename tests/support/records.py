"""Records of runs that never happened, with accuracies to reckon with by hand."""

import numpy as np

from mpssl.common.files import file_digest, write_made
from mpssl.data import store
from mpssl.data.split import read_split, write_split
from mpssl.plan.cells import SELECTED, Column, Run, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.records import read_record
from mpssl.runs.record import RunRecord

# test accuracy of each seed, by row and data set
ACCURACIES = {
    "base/base": {"mnist": [60, 62, 64], "digits": [50, 50, 50]},
    "oracle/fixmatch": {"mnist": [70, 70, 73], "digits": [55, 55, 55]},
    "oracle/freematch": {"mnist": [80, 81, 82], "digits": [54, 54, 54]},
    "generative/pssl": {"mnist": [61, 62, 66], "digits": [49, 52, 52]},
    "generative/mpssl": {"mnist": [66, 66, 66], "digits": [52, 51, 50]},
}
IMAGES = 200  # of a test set
DIGESTS = {"code": "c0de", "configuration": "f", "data": "d", "split": "s"}


def record_of(
    experiment: Experiment, run: Run, test: float = 0, val: float = 0, lambda_: float = 0.5, **more
) -> RunRecord:
    """The record of a run with these accuracies, in percent; `more` replaces other fields."""
    fields = {
        "experiment": experiment.config.experiment,
        "run": run,
        "lambda_": lambda_ if run.lambda_ == SELECTED else float(run.lambda_),
        "best_epoch": 2,
        "val_accuracy": val,
        "test_accuracy": test,
        "images": 4000,
        "seconds": 1.5,
        "wall_seconds": 2,
        "device": "cpu",
        "device_type": "cpu",
        "commit": "abc",
        "source_statistics": {},
        "sample_statistics": {},
        "feature_norm": 1,
        "gradient_norms": {},
        "labeled": 9,
        "validation": 1,
        "versions": {"torch": "9.9"},
        "settings": experiment.plan.settings(run.cell),
        "digests": DIGESTS,
        "files": {},
    }
    return RunRecord(**fields | more)


def write_record(experiment: Experiment, record: RunRecord) -> None:
    """Write a record as its run does."""
    path = experiment.paths.run(record.run).record
    write_made(path, record.model_dump(mode="json", by_alias=True))


def pack(experiment: Experiment, dataset: str, pool, test, classes=("ant", "bee")) -> dict:
    """Pack black images of these classes and split them; returns the digests of their runs.

    Args:
        experiment: whose data it is.
        dataset: name of the data set.
        pool: classes of the training pool.
        test: classes of the test images.
        classes: names of the classes.
    """
    labels = np.concatenate([pool, test]).astype(np.int64)
    images = np.zeros((len(labels), 8, 8, 3), np.uint8)
    folder = experiment.paths.packed(dataset)
    store.save(folder, store.Reading(images, labels, list(classes), len(pool)), 8)
    packed, digests = store.load(folder), dict(DIGESTS)
    for fraction in {c.fraction for c in experiment.plan.wanted_cells() if c.dataset == dataset}:
        path = experiment.paths.split(dataset, fraction, experiment.config.seeds[0])
        write_split(path, packed, fraction, experiment.config.split)
        digests |= {"data": packed.digest, "split": read_split(path, packed)["digest"]}
    return digests


def write_run(
    experiment: Experiment, run: Run, test: float, right=None, label=None, **more
) -> None:
    """Write the record and the predictions of a finished run; `more` is of `record_of`.

    Args:
        experiment: whose run it is.
        run: the run.
        test: its test accuracy, percent.
        right: whether the model is right about each test image; if not given, it is about the
            first `test` percent of IMAGES.
        label: class of each test image, 0 or 1; if not given, 0.
    """
    right = np.arange(IMAGES) < test * IMAGES / 100 if right is None else np.asarray(right, bool)
    label = np.zeros(len(right), np.uint16) if label is None else np.asarray(label, np.uint16)
    files = experiment.paths.run(run)
    files.folder.mkdir(parents=True, exist_ok=True)
    predicted = np.where(right, label, 1 - label).astype(np.uint16)
    probability = np.full(len(right), 0.75, np.float16)
    np.savez(files.predictions, label=label, predicted=predicted, probability=probability)
    digests = {files.predictions.name: file_digest(files.predictions)}
    more["files"] = more.get("files", {}) | digests
    write_record(experiment, record_of(experiment, run, test, **more))


def write_predicted(experiment: Experiment, run: Run, right: np.ndarray, **more) -> None:
    """Write a finished run whose model is right about the test images where `right` is true."""
    write_run(experiment, run, float(100 * np.mean(right)), right, **more)


def write_all(experiment: Experiment, skip=()) -> None:
    """Records of all runs of table1, with ACCURACIES; `skip` has (row, data set, seed)."""
    plan = experiment.plan
    for row, by_dataset in ACCURACIES.items():
        for column in plan.columns("table1"):
            runs = plan.fixed_runs(cell_of(row, column))
            for run, accuracy in zip(runs, by_dataset[column.dataset], strict=True):
                if (row, column.dataset, run.seed) not in skip:
                    write_run(experiment, run, accuracy)


def write_accuracies(
    experiment: Experiment, row: str, column: Column, test: list[float], val: float = 0
) -> None:
    """Finished runs of a cell, a test accuracy a seed, right about the first of 200 images.

    Validation accuracy is lower by ten points after the first of two epochs.
    """
    for run, accuracy in zip(experiment.plan.fixed_runs(cell_of(row, column)), test, strict=True):
        write_predicted(experiment, run, np.arange(200) < 2 * accuracy, val=val)
        write_history(experiment, run, [val - 10, val])


def write_history(experiment: Experiment, run: Run, accuracies: list[float]) -> None:
    """Add the validation accuracies of its epochs to a finished run."""
    files, record = experiment.paths.run(run), read_record(experiment, run)
    files.history.write_text("\n".join(map(str, ["val_accuracy", *accuracies])) + "\n")
    digests = record.files | {files.history.name: file_digest(files.history)}
    write_record(experiment, record.model_copy(update={"files": digests}))

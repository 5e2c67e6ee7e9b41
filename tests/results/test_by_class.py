"""Accuracies by class in the answer: balanced, by class, and what a model never recognizes."""

import math

import numpy as np
import pandas as pd
import pytest

from mpssl.common.files import file_digest
from mpssl.config.reading import resolve
from mpssl.plan.cells import cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results import by_class
from mpssl.results.answer import make_answer
from mpssl.results.by_class import ByClass, Classes, Confusion
from tests.support.records import pack, write_run

NAMES = ["ant", "bee", "cat"]
CLASSES = Classes(NAMES, np.array([9, 2, 4]), np.array([40, 5, 1]))


@pytest.mark.parametrize(
    ("matrix", "accuracy", "balanced", "missed"),
    [
        ([[8, 2], [1, 4]], [80, 80], 80, []),
        ([[20, 0], [5, 0]], [100, 0], 50, [1]),  # accuracy 80 %, as above
        ([[3, 1], [0, 0]], [75, math.nan], 75, []),
        ([[0, 4], [4, 0]], [0, 0], 0, [0, 1]),
    ],
)
def test_accuracies_of_a_confusion(matrix, accuracy, balanced, missed):
    found = Confusion(np.array(matrix))
    assert found.accuracy == pytest.approx(accuracy, nan_ok=True)
    assert (found.balanced, found.missed) == (balanced, missed)


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        ([[40, 0, 0], [1, 4, 0], [0, 0, 1]], []),
        (
            [[40, 0, 0], [5, 0, 0], [0, 0, 1]],
            ["**It does not recognize any of the 5 test images of bee**: it calls 5 of them ant."],
        ),
        (
            [[40, 0, 0], [2, 0, 3], [0, 1, 0]],
            [
                "**It does not recognize any of the 5 test images of bee**: "
                "it calls 3 of them cat.",
                "**It does not recognize the only test image of cat**: it calls it bee.",
            ],
        ),
    ],
)
def test_what_a_model_never_recognizes_is_said(matrix, said):
    assert by_class.warnings(CLASSES, Confusion(np.array(matrix)), "It") == said


def test_of_many_missed_classes_some_are_said_alone():
    count = 12
    names = [f"c{k}" for k in range(count)]
    matrix = np.zeros((count, count), int)
    matrix[:, 0] = 3
    classes = Classes(names, matrix.sum(axis=1), matrix.sum(axis=1))
    lines = by_class.warnings(classes, Confusion(matrix), "It")
    assert len(lines) == by_class.NAMED + 1
    assert lines[-1] == "**Nor does it recognize** c6, c7, c8, c9, c10 and 1 more."


@pytest.mark.parametrize(
    ("learned", "tested", "said"),
    [
        ([1, 1], [1, 1], []),
        ([1, 1], [1, 0], ["Without test images, so that nothing is known of them: bee."]),
        ([0, 1], [1, 1], ["Without labeled images, so that no model knows them: ant."]),
        (
            [0, 0],
            [0, 1],
            [
                "Without labeled images, so that no model knows them: ant, bee.",
                "Without test images, so that nothing is known of them: ant.",
            ],
        ),
    ],
)
def test_classes_without_images_are_named(learned, tested, said):
    assert by_class.absent(Classes(NAMES[:2], np.array(learned), np.array(tested))) == said


def test_the_table_shows_every_class_of_a_few():
    classes = Classes(["a|b", "bee"], np.array([3, 4]), np.array([5, 0]))
    methods = [(name, ByClass(np.array([a, math.nan]), a)) for name, a in (("x", 20), ("y", 60.04))]
    assert by_class.table(classes, methods) == [
        "| class | labeled | test images | x | y |",
        "|---|---|---|---|---|",
        "| a\\|b | 3 | 5 | 20.0 | 60.0 |",
        "| bee | 4 | 0 | no test image | no test image |",
    ]


def test_of_many_classes_the_worst_are_shown():
    names, counts = [f"c{k}" for k in range(30)], np.ones(30, int)
    lines = by_class.table(
        Classes(names, counts, counts), [("x", ByClass(np.arange(30.0)[::-1], 0))]
    )
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| c10", "| c11"]
    assert len(lines) == 2 + by_class.SHOWN + 2
    assert lines[-1] == "Not shown: 10 with a higher accuracy; answer.csv has them."


@pytest.fixture
def answered(content, own_results):
    """A function: the answer on 20 ants and 5 bees, from which of them each row's models know.

    These are classes for the models of all three seeds, or a list of them for each seed.
    """
    test = np.array([0] * 20 + [1] * 5)

    def make(rows, classes=("ant", "bee"), **changes):
        content["answer"] = {"rows": [row for row in rows if row != "base/base"]}
        whole = content | {"unlabeled_weight": 0.5, "tables": {}} | changes
        experiment = Experiment(resolve(whole))
        made_from = pack(experiment, "mnist", [0] * 18 + [1] * 2, test, classes)
        column = experiment.plan.product(experiment.config.answer)[0]
        for row, (validation, known) in rows.items():
            known = known if isinstance(known[0], list) else [known] * 3
            runs = experiment.plan.fixed_runs(cell_of(row, column))
            for run, classes_known in zip(runs, known, strict=True):
                files = experiment.paths.run(run)
                files.folder.mkdir(parents=True)
                files.model.write_text(run.id)
                right = np.isin(test, classes_known)
                more = {"files": {files.model.name: file_digest(files.model)}}
                more |= {"val": validation, "digests": made_from}
                write_run(experiment, run, 100 * right.mean(), right, test, **more)
        make_answer(experiment)
        frame = pd.read_csv(experiment.paths.answer("csv")).set_index("method")
        return experiment.paths.answer("md").read_text(), frame

    return make


def test_accuracies_by_class_are_means_over_the_seeds(answered):
    text, frame = answered({"base/base": (60, [0, 1]), "generative/pssl": (70, [[0, 1], [0], [0]])})
    assert "| bee | 1 | 5 | 100.0 | 33.3 |" in text
    assert frame.balanced_mean["pssl"] == pytest.approx(200 / 3)


def test_a_model_that_calls_the_small_class_the_big_one_is_not_taken_without_a_word(answered):
    text, frame = answered({"base/base": (60, [0, 1]), "generative/pssl": (70, [0])})
    assert "| Base | 60.0 | 100.0 ± 0.0 | 100.0 |" in text
    assert "| P-SSL | 70.0 | 80.0 ± 0.0 | 50.0 |" in text
    assert "| class | labeled | test images | Base | P-SSL |" in text
    assert "| bee | 1 | 5 | 100.0 | 0.0 |" in text
    chosen = text.partition("## Which model to take")[2]
    assert "test accuracy 80.0 %, balanced 50.0 %" in chosen
    assert (
        "**This model does not recognize any of the 5 test images of bee**: it calls 5 of them ant."
        in chosen
    )
    assert frame.balanced_mean.to_dict() == {"base": 100, "pssl": 50}
    assert frame["accuracy of bee"].to_dict() == {"base": 100, "pssl": 0}


def test_models_that_agree_on_all_of_a_few_images_are_one_image_apart_or_not(answered):
    text, frame = answered({"base/base": (60, [0]), "generative/pssl": (70, [0])})
    assert "**Not decided**: P-SSL changes test accuracy by +0.0 points [-4.0, +4.0]" in text
    assert "With 25 test images one image is 4.0 points; no end of an interval is nearer" in text
    assert frame.loc["pssl", ["low_base", "high_base"]].tolist() == [-4, 4]


def test_a_model_that_knows_every_class_is_taken_without_a_warning(answered):
    text, _ = answered({"base/base": (60, [0]), "generative/pssl": (70, [0, 1])})
    assert "| bee | 1 | 5 | 0.0 | 100.0 |" in text and "does not recognize" not in text


def test_a_class_without_any_image_is_said_and_no_nan(answered):
    text, frame = answered({"base/base": (60, [0]), "generative/pssl": (50, [0])}, NAMES)
    assert "| cat | 0 | 0 | no test image |" in text  # the base model is taken, alone in the table
    assert "so that no model knows them: cat." in text
    assert "so that nothing is known of them: cat." in text
    assert "nan" not in text
    assert frame["accuracy of cat"].isna().all()

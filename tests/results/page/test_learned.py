"""What the page says of LMO, of the chosen model's mistakes and of the claims."""

import json
import re

import numpy as np
import pytest

from mpssl.common.files import file_digest
from mpssl.config.reading import resolve
from mpssl.data import store
from mpssl.plan.cells import cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.page import mistakes as module
from mpssl.results.page.claimed import claims
from mpssl.results.page.converter import maps, recorded
from mpssl.results.page.mistakes import mistakes
from mpssl.results.page.outcome import outcomes
from mpssl.results.records import Records, read_record
from mpssl.results.report import make_report
from mpssl.results.tables import make_table
from tests.support import records as records_
from tests.support.records import write_record

RUNS = {
    "base/base": (60, [60, 61, 62]),
    "generative/pssl": (70, [80, 81, 81]),
    "generative/mpssl": (65, [60, 61, 62]),
}


def change(experiment, run, **fields):
    write_record(experiment, read_record(experiment, run).model_copy(update=fields))


def add_file(experiment, run, path, **arrays):
    np.savez(path, **arrays)
    files = read_record(experiment, run).files | {path.name: file_digest(path)}
    change(experiment, run, files=files)


def again(records):
    return Records(records.experiment, records.plan.wanted_cells())


@pytest.fixture
def pack():
    """A function: packs the data of finished runs, 20 training and 200 test images."""

    def packed(records):
        experiment, test = records.experiment, [0] * 180 + [1] * 20
        found = records_.pack(experiment, "mnist", [0, 1, 2, 0] * 5, test, ("ant", "bee", "<cat>"))
        for run in records.plan.runs(records.plan.wanted_cells()):
            digests = read_record(experiment, run).digests.model_copy(update=found)
            change(experiment, run, digests=digests)
        return store.load(experiment.paths.packed("mnist"))

    return packed


def test_a_map_shows_the_rows_of_the_first_seed(made, column, pack):
    records = made(RUNS)
    experiment = records.experiment
    rows = np.full((3, 4), 0.1, np.float16)
    rows[[0, 1, 2], [3, 0, 2]] = 0.7
    for run in experiment.plan.fixed_runs(cell_of("generative/mpssl", column)):
        add_file(experiment, run, experiment.paths.run(run).converter, rows=rows)
    pack(records)
    (found,) = maps(again(records), outcomes(again(records)))
    assert (found.title, found.seed, found.uniform) == ("MP-SSL, MNIST", 3, 0.25)
    assert found.largest == pytest.approx(0.7, abs=1e-3)
    assert [name for name, _, _ in found.lines] == ["ant", "bee", "<cat>"]
    assert [said.split(",")[0] for _, _, said in found.lines] == [
        "3\u200e 70.0%",
        "0\u200e 70.0%",
        "2\u200e 70.0%",
    ]


def test_what_lmo_recorded_is_a_mean_with_its_range(made, column):
    records = made(RUNS)
    experiment = records.experiment
    runs = experiment.plan.fixed_runs(cell_of("generative/mpssl", column))
    for run, value in zip(runs, (1.0, 2.0, 6.0), strict=True):
        norms = {"gap_gradient_xi": [value, value + 2]}
        change(experiment, run, source_statistics={"z_hat_std": value}, gradient_norms=norms)
    ((title, values),) = recorded(outcomes(again(records)))
    assert title == "MP-SSL, MNIST"
    assert values == {
        "Standard deviation of z_hat": "3 (1 to 6)",
        "Norm of the gap's gradient at xi": "4 (2 to 7)",
    }


@pytest.fixture
def answered(made, column, pack):
    """P-SSL is the best by validation, its seed 4 the best of its seeds."""
    records = made(RUNS, answer={"rows": ["generative/pssl", "generative/mpssl"]})
    experiment, packed = records.experiment, pack(records)
    run = experiment.plan.fixed_runs(cell_of("generative/pssl", column))[1]
    label = packed.labels[packed.test].astype(np.uint16)
    predicted, probability = label.copy(), np.full(200, 0.9, np.float16)
    predicted[:6], predicted[[190, 191]] = 2, 0
    probability[[3, 190]] = 0.99, 0.95
    path = experiment.paths.run(run).predictions
    add_file(experiment, run, path, label=label, predicted=predicted, probability=probability)
    change(experiment, run, val_accuracy=71)
    return again(records)


def test_mistakes_are_those_of_the_best_seed_of_the_best_method(answered):
    (found,) = mistakes(answered, outcomes(answered))
    assert found.model == "P-SSL, seed 4"
    assert found.balanced == pytest.approx((100 * 174 / 180 + 90) / 2)
    assert found.absent == ["Without test images, so that nothing is known of them: <cat>."]
    assert found.matrix.tolist() == [[174, 0, 6], [2, 18, 0], [0, 0, 0]]
    assert found.pairs == [("ant", "<cat>", 6), ("bee", "ant", 2)]
    assert [(name, said) for name, _, said in found.by_class] == [
        ("bee", "90 % (18 of 20)"),
        ("ant", "97 % (174 of 180)"),
    ]


def test_the_page_names_classes_without_images_and_no_number_is_missing(answered):
    experiment = answered.experiment
    for name in answered.plan.wanted:
        make_table(experiment, name)
    make_report(experiment)
    text = experiment.paths.report.read_text()
    assert "Test accuracy as a mean over the classes: 93.3 %." in text
    assert "Without test images, so that nothing is known of them: &lt;cat&gt;." in text
    assert not re.search(r"\bnan\b", text.partition('id="mistakes"')[2].partition("</section>")[0])


def test_the_most_surely_wrong_come_first(answered):
    (found,) = mistakes(answered, outcomes(answered))
    assert len(found.wrong) == 8
    assert [(w.true, w.predicted) for w in found.wrong[:2]] == [("ant", "<cat>"), ("bee", "ant")]
    assert found.wrong[0].probability == pytest.approx(0.99, abs=1e-3)
    assert all(w.picture.startswith("data:image/png;base64,") for w in found.wrong)


def test_many_classes_have_no_matrix(answered, monkeypatch):
    monkeypatch.setattr(module, "MATRIX", 2)
    monkeypatch.setattr(module, "CLASSES", 1)
    (found,) = mistakes(answered, outcomes(answered))
    assert found.matrix is None and found.left_out == 1


def test_without_an_answer_nothing_is_said_of_mistakes(made):
    records = made(RUNS)
    assert mistakes(records, outcomes(records)) == []


def test_claims_are_grouped_and_those_not_run_are_one_list(made, content):
    made(RUNS)
    claim = {"place": "here", "row": "generative/pssl"}
    content["claims"] = {
        "a": claim | {"text": "held", "than": ["base/base"]},
        "b": claim | {"text": "failed", "than": ["base/base"], "direction": "lower"},
        "c": claim | {"text": "open", "row": "generative/mpssl", "than": ["base/base"]},
        "d": claim | {"text": "not run", "than": ["oracle/fixmatch"]},
    }
    experiment = Experiment(resolve(json.loads(json.dumps(content)) | {"unlabeled_weight": 0.5}))
    found = claims(Records(experiment, experiment.plan.wanted_cells()))
    groups = {title: [c.text for c in group] for title, group in found.groups.items()}
    assert groups == {"Held": ["held"], "Did not hold": ["failed"], "Undecided": ["open"]}
    assert found.not_tested == ["not run"]
    assert found.groups["Held"][0].parts[0].startswith("MNIST: +19.67 [")

"""The answer: verdicts against the best control, and choices that never see the test."""

import numpy as np
import pandas as pd
import pytest

from mpssl.common.errors import UserError
from mpssl.common.files import file_digest, write_made
from mpssl.config.reading import resolve
from mpssl.plan.cells import Run, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.answer import make_answer
from mpssl.results.comparison import two_way
from mpssl.results.gains import choose, outcome
from mpssl.results.records import Records, read_record
from tests.support.records import pack, write_run

CONTROLS = {
    "strong": {"label": "Strong", "source": "none", "objective": "none", "labeled_view": "strong"},
    "weak": {"label": "Weak", "source": "none", "objective": "none", "labeled_view": "weak"},
    "scr": {"label": "SCR on D", "source": "labeled", "objective": "scr"},
    "freematch": {"label": "FreeMatch on D", "source": "labeled", "objective": "freematch"},
}
IMAGES = 200


@pytest.fixture
def answered(content, own_results):
    """A function: the experiment whose methods have some accuracies, and its answer's text.

    Of each row it takes validation and test accuracy in percent; each seed's model is right about
    other images. The test images are of the class ant.
    """

    def answered(accuracies, **changes):
        answer = {"rows": [row for row in accuracies if row != "base/base"]}
        content["methods"]["control"] = CONTROLS
        whole = content | {"answer": answer, "unlabeled_weight": 0.5, "tables": {}} | changes
        experiment = Experiment(resolve(whole))
        column, rng = experiment.plan.product(experiment.config.answer)[0], np.random.default_rng(0)
        difficulty = rng.random(IMAGES)
        made_from = pack(experiment, column.dataset, [0, 1] * 10, [0] * IMAGES)
        for row, (validation, test) in accuracies.items():
            for run in experiment.plan.fixed_runs(cell_of(row, column)):
                right = difficulty + rng.normal(0, 0.05, IMAGES) < test / 100
                files = experiment.paths.run(run)
                files.folder.mkdir(parents=True)
                files.model.write_text(run.id)
                digests = {files.model.name: file_digest(files.model)}
                val = validation + run.seed / 10
                more = {"val": val, "files": digests, "digests": made_from}
                write_run(experiment, run, 100 * right.mean(), right, **more)
        return experiment, column

    return answered


def text_of(experiment) -> str:
    make_answer(experiment)
    return experiment.paths.answer("md").read_text()


BASE = {"base/base": (60, 60)}
STRONG_WINS = BASE | {
    "control/strong": (80, 80), "control/scr": (75, 76), "control/freematch": (70, 90),
    "generative/pssl": (66, 65), "generative/mpssl": (65, 85),
}  # fmt: skip


def test_a_strong_control_wins(answered):
    experiment, column = answered(STRONG_WINS)
    text = text_of(experiment)
    # P-SSL by validation, though MP-SSL is better on the test; so with FreeMatch on D
    assert "**No, it hurts**: P-SSL, of the generative methods the best on validation," in text
    assert "against Strong, the best on validation of base model and controls (3 seeds" in text
    assert "- Strong augmentation: +" in text and "(Strong, against Base)." in text
    assert "(SCR on D, against Strong)." in text
    assert "- Generated images on top: -" in text and "(P-SSL, against Strong)." in text
    assert "No control was asked for" not in text and "far from your data" not in text
    chosen = experiment.paths.chosen_model.read_text()
    assert chosen == Run(cell_of("control/strong", column), "0", 5).id  # seed 5: best validation
    assert "Strong, the best mean validation accuracy (80.4 %)" in text


def test_images_win(answered):
    experiment, column = answered(STRONG_WINS | {"generative/mpssl": (85, 95)})
    text = text_of(experiment)
    assert "**Yes**: MP-SSL, of the generative methods the best on validation," in text
    assert text.count("The validation images also train what MP-SSL asks of the generator") == 2
    chosen = experiment.paths.chosen_model.read_text()
    assert chosen == Run(cell_of("generative/mpssl", column), "0.5", 5).id


def test_undecided_and_the_numbers_are_those_of_the_comparison(answered):
    experiment, column = answered(STRONG_WINS | {"generative/pssl": (81, 80.5)})
    assert "**Not decided**: P-SSL" in text_of(experiment)
    records = Records(experiment, [])
    gains = outcome(records, column).gains
    assert [g.words.split()[0] for g in gains] == ["Strong", "Consistency", "Generated"]
    assert [(g.ours.label, g.other.label) for g in gains] == [
        ("Strong", "Base"), ("SCR on D", "Strong"), ("P-SSL", "Strong"),
    ]  # fmt: skip
    right = {}
    for row in ("generative/pssl", "control/strong", "base/base"):
        runs = experiment.plan.fixed_runs(cell_of(row, column))
        files = [np.load(experiment.paths.run(run).predictions) for run in runs]
        right[row] = 100.0 * np.array([f["predicted"] == f["label"] for f in files])
    expected = two_way(right["generative/pssl"] - right["control/strong"])
    assert gains[2].difference == expected
    line = pd.read_csv(experiment.paths.answer("csv")).set_index("method").loc["pssl"]
    assert (line.effect_control, line.low_control) == pytest.approx((expected.effect, expected.low))
    to_base = two_way(right["generative/pssl"] - right["base/base"])
    assert (line.effect_base, line.high_base) == pytest.approx((to_base.effect, to_base.high))
    assert line.verdict == "not decided"


def test_without_controls_the_answer_says_what_is_missing(answered):
    experiment, _ = answered(BASE | {"generative/pssl": (70, 85)})
    text = text_of(experiment)
    assert "**Yes**: P-SSL changes test accuracy by +" in text
    assert "against Base (3 seeds, 200 test images). No control was asked for" in text
    assert "Strong augmentation" not in text and "Consistency" not in text
    assert "- Generated images on top: +" in text


def test_the_base_model_is_a_control_too(answered):
    rows = {"base/base": (80, 60), "control/scr": (70, 75), "generative/pssl": (66, 85)}
    experiment, column = answered(rows)
    assert "against Base, the best on validation of base model and controls" in text_of(experiment)
    assert outcome(Records(experiment, []), column).control.label == "Base"


def test_steps_that_were_not_asked_for_are_left_out(answered):
    experiment, column = answered(BASE | {"control/scr": (70, 70), "oracle/fixmatch": (90, 90)})
    text = text_of(experiment)
    assert "No generative method was asked for." in text
    assert "(SCR on D, against Base)" in text and "Generated images on top" not in text
    # the oracle is in the table and may be taken, but is no control
    assert outcome(Records(experiment, []), column).control.label == "SCR on D"
    assert "FixMatch, the best mean validation accuracy" in text


def test_the_base_model_may_be_under_the_strong_view_itself(answered):
    rows = BASE | {"control/weak": (50, 50), "control/scr": (70, 70), "generative/pssl": (80, 80)}
    experiment, _ = answered(rows, augmentation={"labeled_view": "strong"})
    text = text_of(experiment)
    assert "- Strong augmentation: +" in text and "(Base, against Weak)." in text
    assert "(SCR on D, against Base)." in text and "(P-SSL, against SCR on D)." in text


def test_a_far_generator_is_said_first(answered):
    experiment, column = answered(STRONG_WINS, domain={"images": 10})
    path = experiment.paths.domain(column.dataset, column.architecture)
    found = {"far": True, "distance": 2.57, "threshold": 2.0, "coverage": 0, "verdict": "near"}
    write_made(path, found)
    text = text_of(experiment)
    first = text.splitlines()[2]
    assert first.startswith("**The generator is far from your data**: its nearest image is 2.57")
    assert first.index("far from your data") < first.index("**No, it hurts**")
    write_made(path, found | {"far": False})
    text = text_of(experiment)
    assert "far from your data" not in text and "\nNear.\n" in text


def test_the_base_model_wins_ties_and_one_seed_has_no_interval(answered):
    experiment, column = answered(BASE | {"generative/pssl": (60, 90)}, seeds=[3])
    text = text_of(experiment)
    assert "**Not decided**: P-SSL" in text and "One seed gives no interval." in text
    entries = outcome(Records(experiment, []), column).entries
    assert choose(entries).label == "Base"


def test_the_seed_of_the_searchs_winner_takes_no_part(content, answered):
    experiment, column = answered(BASE | {"generative/pssl": (70, 85)})
    search = {"unlabeled_weight": "search", "search_seed": "first", "tables": {}}
    searched = Experiment(resolve(content | search | {"answer": {"rows": ["generative/pssl"]}}))
    cell = cell_of("generative/pssl", column)
    made_from = read_record(experiment, experiment.plan.fixed_runs(cell)[0]).digests
    for run in searched.plan.search_runs(cell):
        val = 99 if run.lambda_ == "1" else 50
        write_run(searched, run, 99, val=val, digests=made_from)
    for run in searched.plan.fixed_runs(cell):
        write_run(searched, run, 85, val=70, lambda_=1.0, digests=made_from)
    accuracies = {"0.25": 50, "1": 99}
    write_made(searched.paths.selected(cell), {"lambda": "1", "val_accuracy": accuracies})
    found = outcome(Records(searched, []), column)
    assert [run.run.seed for run in found.entries[1].runs] == [4, 5]
    assert found.entries[1].validation == 70
    assert found.gains[0].difference.seeds == 2


def test_a_missing_run_is_named(answered):
    experiment, column = answered(BASE | {"generative/pssl": (70, 85)})
    run = experiment.plan.fixed_runs(cell_of("generative/pssl", column))[1]
    experiment.paths.run(run).record.unlink()
    with pytest.raises(UserError, match=r"pssl.*seed-4 is missing; run snakemake to the end"):
        make_answer(experiment)

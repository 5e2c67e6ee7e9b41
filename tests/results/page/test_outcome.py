"""The verdict in words, on runs whose accuracies are worked out by hand."""

import math

import pytest

from mpssl.common.files import write_made
from mpssl.config.reading import resolve
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.comparison import compare
from mpssl.results.page.outcome import outcomes, sentences, signed, summary
from mpssl.results.records import Records

COLUMN = Column("mnist", 50, "resnet8")
BASE = {"base/base": (60, [60, 61, 62])}
CONTROLS = {"control/strong": (65, [70, 71, 70]), "control/scr": (64, [80, 80, 80])}


def said(records):
    (outcome,) = outcomes(records)
    return sentences(outcome)


def test_images_win(made):
    records = made(BASE | CONTROLS | {"generative/pssl": (70, [80, 81, 81])})
    ((words, rest),) = said(records)
    assert words == "Synthetic images help"
    # against control/strong, the best control by validation and not by test: 10, 10 and 11 points
    assert rest.startswith("P-SSL changes test accuracy by +10.3 points [+")
    assert rest.endswith("] against Strong view, the best control by validation.")


def test_a_strong_control_wins_though_the_base_model_loses(made):
    records = made(BASE | CONTROLS | {"generative/pssl": (70, [64, 64, 64])})
    ((words, rest),) = said(records)
    assert words == "Synthetic images do not help"
    assert "by \u22126.3 points" in rest
    assert outcomes(records)[0].entries[-1].difference.effect == pytest.approx(3)  # to the base


def test_the_base_model_is_a_control_too(made):
    rows = {"base/base": (80, [60, 61, 62])} | CONTROLS | {"generative/pssl": (70, [64, 65, 66])}
    ((_, rest),) = said(made(rows))
    assert "by +4.0 points" in rest
    assert rest.endswith("against the base model, the best control by validation.")


def test_undecided(made):
    records = made(BASE | CONTROLS | {"generative/pssl": (70, [70, 72, 70])})
    ((words, rest),) = said(records)
    assert words == "Whether synthetic images help is not decided"
    assert "+0.3 points [\u2212" in rest


def test_no_control_says_that_nothing_tells_images_from_augmentation(made):
    records = made(BASE | {"generative/pssl": (70, [80, 81, 81])})
    ((words, rest),) = said(records)
    assert words == "Training with synthetic images is better than the labels alone"
    assert "against the base model. No control was run: nothing tells images from" in rest
    worse = made(BASE | {"generative/pssl": (70, [50, 51, 51])})
    assert said(worse)[0][0].endswith("is worse than the labels alone")


def test_the_best_is_chosen_by_validation_and_real_images_come_second(made):
    records = made(
        BASE
        | CONTROLS
        | {"generative/pssl": (70, [90, 91, 91]), "generative/mpssl": (71, [71, 70, 71])}
        | {"oracle/freematch": (50, [90, 90, 90])}
    )
    synthetic, real = said(records)
    assert synthetic[1].startswith("MP-SSL, chosen by validation, changes")
    assert real[0] == "Real unlabeled images help"
    assert real[1].startswith("FreeMatch changes test accuracy by +19.7 points")


def test_one_seed_decides_nothing(made):
    records = made({"base/base": (60, [60])} | {"generative/pssl": (70, [80])}, seeds=[3])
    ((words, rest),) = said(records)
    assert words == "Whether synthetic images help is not decided"
    assert "+20.0 points against the base model. One seed gives no interval." in rest


def test_without_a_finished_base_model_there_is_no_outcome(made):
    records = made(BASE | {"generative/pssl": (70, [80, 81, 81])})
    run = records.plan.fixed_runs(cell_of("base/base", COLUMN))[1]
    records.experiment.paths.run(run).record.unlink()
    assert outcomes(Records(records.experiment, records.plan.wanted_cells())) == []


def test_an_unfinished_method_is_named(made):
    records = made(BASE | {"generative/pssl": (70, [80, 81, 81])})
    run = records.plan.fixed_runs(cell_of("generative/pssl", COLUMN))[1]
    records.experiment.paths.run(run).record.unlink()
    (outcome,) = outcomes(Records(records.experiment, records.plan.wanted_cells()))
    assert outcome.unfinished == ["P-SSL"] and sentences(outcome) == []


def test_controls_of_another_table_count_and_its_variants_do_not(made, content):
    rows = BASE | CONTROLS | {"generative/pssl": (70, [80, 81, 81])}
    variant = {"generative/mpssl/no_lmo": (99, [99, 99, 99])}
    made(rows | variant)
    other = {"title": "Other", "rows": [*CONTROLS, *variant]}
    content["tables"]["t"]["rows"] = ["base/base", "generative/pssl"]
    content["tables"]["other"] = other
    experiment = Experiment(resolve(content | {"unlabeled_weight": 0.5}))
    (outcome,) = outcomes(Records(experiment, experiment.plan.wanted_cells()))
    assert [e.label for e in outcome.entries] == ["Base", "P-SSL", "Strong view", "SCR on D"]
    assert outcome.controlled


def test_numbers_are_those_of_the_comparison(made):
    records = made(BASE | CONTROLS | {"generative/pssl": (70, [80, 81, 81])})
    (outcome,) = outcomes(records)
    base = records.of(cell_of("base/base", COLUMN)).records
    for entry in outcome.entries[1:]:
        assert entry.difference == compare(records, records.of(entry.cell).records, base)


def test_a_summary_needs_several_columns_with_controls(made):
    (outcome,) = outcomes(made(BASE | CONTROLS | {"generative/pssl": (70, [80, 81, 81])}))
    assert summary([outcome]) is None
    assert summary([outcome, outcome]) == (
        "Against the best control, synthetic images help in 2 of 2 comparisons and do not help in "
        "0; 0 are not decided."
    )
    (without,) = outcomes(made(BASE | {"generative/pssl": (70, [80, 81, 81])}))
    assert summary([outcome, without]) is None


def test_a_far_generator_is_said_first(made):
    records = made(BASE | CONTROLS | {"generative/pssl": (70, [80, 81, 81])}, domain={"far": 2.0})
    path = records.experiment.paths.domain(COLUMN.dataset, COLUMN.architecture)
    assert [words for words, _ in said(records)] == ["Synthetic images help"]  # not measured
    found = {"far": True, "distance": 2.57, "threshold": 2.0}
    write_made(path, found)
    (words, rest), (second, _) = said(records)
    assert words == "The generator is far from your data" and second == "Synthetic images help"
    assert rest.startswith("its nearest image is 2.57 times as far") and "(above 2 is far)" in rest
    (outcome,) = outcomes(records)
    assert summary([outcome, outcome]).endswith("The generator is far from the data of 2 of them.")
    write_made(path, found | {"far": False})
    assert [words for words, _ in said(records)] == ["Synthetic images help"]


def test_a_far_generator_is_not_said_where_no_synthetic_images_are_compared(made):
    records = made(BASE | {"oracle/freematch": (50, [90, 90, 90])}, domain={})
    path = records.experiment.paths.domain(COLUMN.dataset, COLUMN.architecture)
    write_made(path, {"far": True, "distance": 2.57, "threshold": 2.0})
    assert [words for words, _ in said(records)] == [
        "Training with real unlabeled images is better than the labels alone"
    ]


def test_validation_images_that_train_phi_and_xi_too_are_a_caution(made):
    rows = BASE | CONTROLS | {"generative/mpssl": (70, [80, 81, 81])}
    caution = "The validation images also train what MP-SSL asks of the generator"
    assert caution in said(made(rows))[0][1]
    assert caution not in said(made(rows, lmo={"validation_part": 0.5}))[0][1]


def test_signs():
    assert [signed(v) for v in (0.04, -0.04, -1.25, 3)] == ["+0.0", "+0.0", "\u22121.2", "+3.0"]
    assert math.isnan(float(signed(math.nan).replace("+", "")))

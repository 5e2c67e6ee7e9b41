"""Claims: interval and verdict by hand, and what a missing run does."""

import math

import pandas as pd
import pytest

from mpssl.config.reading import resolve
from mpssl.config.tables import Claim
from mpssl.plan.cells import cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.claims import make_claims, overall, paired_interval, verdict
from tests.support.records import write_run


def claim(**settings) -> Claim:
    defaults = {"text": "t", "place": "p", "row": "generative/mpssl", "than": ["base/base"]}
    return Claim(**defaults | settings)


def test_paired_interval_by_hand():
    # mean 2, sample std 1, standard error 1 / sqrt(3) = 0.57735; t(0.975, 2 df) = 4.302653
    low, high = paired_interval([1.0, 2.0, 3.0])
    assert low == pytest.approx(2 - 4.302653 * 0.577350, abs=1e-5)
    assert high == pytest.approx(2 + 4.302653 * 0.577350, abs=1e-5)
    assert all(math.isnan(x) for x in paired_interval([1.0]))


@pytest.mark.parametrize(
    ("settings", "interval", "expected"),
    [
        ({}, (0.1, 3), "holds"),
        ({}, (-0.1, 3), "not decided"),
        ({}, (-3, -0.1), "does not hold"),
        ({"margin": 1}, (-0.9, 3), "holds"),
        ({"margin": 1}, (-1.1, 3), "not decided"),
        ({"margin": 1}, (-3, -0.5), "not decided"),
        ({"margin": 1}, (-3, -1.1), "does not hold"),
        ({"direction": "lower"}, (-3, -0.1), "holds"),
        ({"direction": "lower"}, (0.1, 3), "does not hold"),
        ({}, (math.nan, math.nan), "not decided"),
    ],
)
def test_verdict(settings, interval, expected):
    assert verdict(claim(**settings), *interval) == expected


def test_a_claim_must_hold_in_every_column():
    assert overall(["holds", "holds"]) == "holds"
    assert overall(["holds", "not decided"]) == "not decided"
    assert overall(["holds", "does not hold", "not run"]) == "does not hold"
    assert overall(["holds", "not run"]) == "not run"


def test_claims_of_runs(content, own_results):
    content["unlabeled_weight"] = 0.5
    content["claims"] = {
        "wins": {
            "text": "MP-SSL wins",
            "place": "Table 1",
            "row": "generative/mpssl",
            "than": ["base/base", "generative/pssl"],
            "datasets": "main",
        },
        "diverse": {
            "text": "MP-SSL is more diverse",
            "place": "Figure 4",
            "row": "generative/mpssl",
            "than": ["generative/pssl"],
            "measure": "sample_diversity",
        },
    }
    experiment = Experiment(resolve(content))
    plan = experiment.plan
    accuracies = {  # MNIST only: the second data set has not run
        "base/base": [60, 61, 62],
        "generative/pssl": [64, 66, 65],
        "generative/mpssl": [66, 69, 67],
    }
    column = plan.product(experiment.config.claims["wins"])[0]
    for row, values in accuracies.items():
        for run, value in zip(plan.fixed_runs(cell_of(row, column)), values, strict=True):
            write_run(experiment, run, value)
    make_claims(experiment)
    table = pd.read_csv(own_results / "claims.csv")
    wins = table[(table.name == "wins") & (table.column == "MNIST")].iloc[0]
    # the strongest rival by its mean is P-SSL; differences 2, 3, 2: mean 7/3, std 1/sqrt(3)
    assert wins.rival == "P-SSL"
    assert wins.effect == pytest.approx(7 / 3)
    assert wins.high - wins.effect == pytest.approx(4.302653 / 3, abs=1e-5)
    assert wins.verdict == "holds"
    assert set(table[table.column == "UCI"].verdict) == {"not run"}
    assert table[table.name == "diverse"].iloc[0].verdict == "not run"  # no such measure recorded
    text = (own_results / "claims.md").read_text()
    assert (
        "| MP-SSL wins | Table 1 | **not run** | MNIST: +2.33 [+0.90, +3.77] against P-SSL" in text
    )

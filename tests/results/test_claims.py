"""Claims: verdicts by hand, how often they are wrong, and what a missing run does."""

import math

import numpy as np
import pandas as pd
import pytest

from mpssl.config.reading import resolve
from mpssl.config.tables import Claim
from mpssl.plan.cells import cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.claims import ClaimTest, Pair, holm, make_claims
from mpssl.results.comparison import Difference, over_seeds, two_way
from tests.support.records import write_run

NAN = math.nan


def claim(**settings) -> Claim:
    defaults = {"text": "t", "place": "p", "row": "generative/mpssl", "than": ["base/base"]}
    return Claim(**defaults | settings)


def difference(low: float, high: float) -> Difference:
    """A difference with this interval, from very many seeds."""
    return Difference((low + high) / 2, (high - low) / 2 / 1.959964, 0, 10**9, 0)


def with_intervals(*intervals, **settings) -> ClaimTest:
    """A claim with these intervals of differences to its rivals, or None, in one column."""
    found = [interval and difference(*interval) for interval in intervals]
    return ClaimTest(claim(**settings), [Pair("c", str(i), d) for i, d in enumerate(found)])


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
        ({"direction": "lower", "margin": 1}, (-3, 0.9), "holds"),
        ({"direction": "lower", "margin": 1}, (0.5, 3), "not decided"),
        ({"direction": "lower", "margin": 1}, (1.1, 3), "does not hold"),
        ({}, (NAN, NAN), "not decided"),
    ],
)
def test_verdict_of_one_comparison(settings, interval, expected):
    found = with_intervals(interval, **settings)
    assert found.verdict == expected
    assert found.pair_verdict(found.pairs[0]) == expected


def test_every_rival_must_be_beaten_and_the_one_that_decides_is_shown():
    assert with_intervals((1, 3), (0.1, 9)).verdict == "holds"
    found = with_intervals((1, 3), (-0.1, 9))
    assert found.verdict == "not decided"
    assert found.deciding("c").rival == "1"  # the lowest bound, not the strongest by its mean
    assert with_intervals((-3, -1), (-9, 0.1), direction="lower").deciding("c").rival == "1"
    assert with_intervals((NAN, NAN)).deciding("c").rival == "0"


def test_among_several_comparisons_one_must_fail_more_surely():
    just = (-3, -0.1)  # p = 0.0186 on one side
    assert with_intervals(just).verdict == "does not hold"
    assert with_intervals(just, (1, 2)).verdict == "not decided"  # 0.0186 > 0.025 / 2
    assert with_intervals((-3, -1), (1, 2)).verdict == "does not hold"


def test_a_claim_whose_runs_are_missing_is_not_run_unless_it_fails_already():
    assert with_intervals((1, 2), None).verdict == "not run"
    assert with_intervals((-3, -1), None).verdict == "does not hold"
    assert with_intervals((-3, -1), None).deciding("c").rival == "0"


def test_holms_verdicts_by_hand():
    # two-sided p of an interval of mean e and half h: 2 (1 - Phi(1.96 e / h))
    found = {
        "sure": with_intervals((1, 3)),  # 1.96 * 2 = 3.92: 0.0001
        "half": with_intervals((0.2, 3)),  # 1.96 * 1.6 / 1.4 = 2.24: 0.025
        "just": with_intervals((0.05, 3)),  # 1.96 * 1.525 / 1.475 = 2.026: 0.043
        "against": with_intervals((-3, -1)),  # 0.0001
        "never": with_intervals(None),
    }
    # of four 0.0001 <= 0.05 / 4, then 0.0001 <= 0.05 / 3, then 0.025 <= 0.05 / 2 not quite
    assert found["half"].p_value == pytest.approx(0.0251, abs=1e-4)
    expected = {
        "sure": "holds",
        "half": "not decided",
        "just": "not decided",
        "against": "does not hold",
        "never": "not run",
    }
    assert holm(found) == expected
    alone = {name: found[name] for name in ("half", "never")}
    assert holm(alone) == {"half": "holds", "never": "not run"}


SEEDS, TEST_IMAGES = 5, 40


def simulated(rng, effects: list[float], columns: int) -> ClaimTest:
    """A claim in which each rival is below the row by one of `effects`, in standard errors.

    Rows differ by seed and by image; the row is the same one in all of a column's comparisons.
    """
    pairs = []
    error = math.sqrt(2 * (1 / SEEDS + 1 / TEST_IMAGES + 1 / (SEEDS * TEST_IMAGES)))

    def measured():
        seed, image = rng.standard_normal((SEEDS, 1)), rng.standard_normal((1, TEST_IMAGES))
        return seed + image + rng.standard_normal((SEEDS, TEST_IMAGES))

    for column in range(columns):
        row = measured()
        for i, effect in enumerate(effects):
            d = two_way(row - measured() + effect * error)
            pairs.append(Pair(str(column), str(i), d))
    return ClaimTest(claim(), pairs)


def rates(effects: list[float], columns: int, repeats: int = 600) -> dict[str, float]:
    rng = np.random.default_rng(3)
    verdicts = [simulated(rng, effects, columns).verdict for _ in range(repeats)]
    return {v: verdicts.count(v) / repeats for v in ("holds", "does not hold", "not decided")}


def test_verdicts_are_seldom_wrong():
    equal = rates([0], columns=1)
    assert equal["holds"] <= 0.04 and equal["does not hold"] <= 0.04  # 0.025 each
    assert rates([10, 0], columns=1)["holds"] <= 0.03
    assert rates([0, 0], columns=6, repeats=300)["does not hold"] <= 0.03


def test_a_clear_effect_is_mostly_found():
    assert rates([4], columns=1)["holds"] > 0.7
    assert rates([6, 6], columns=2)["holds"] > 0.8
    assert rates([-6, 2], columns=1)["does not hold"] > 0.8


def settings(**more) -> dict:
    return {"text": "t", "place": "p", "row": "generative/mpssl", "datasets": "main"} | more


def test_claims_of_runs(content, own_results):
    content["unlabeled_weight"] = 0.5
    rivals = ["base/base", "generative/pssl"]
    content["claims"] = {
        "wins": settings(text="MP-SSL wins", than=rivals, datasets="ablation"),
        "faster": settings(text="MP-SSL is faster", than=rivals, measure="seconds", ours=True,
                           datasets="ablation", direction="lower"),
        "everywhere": settings(text="MP-SSL wins everywhere", than=rivals),
        "diverse": settings(text="MP-SSL is more diverse", than=rivals, measure="sample_diversity"),
    }  # fmt: skip
    experiment = Experiment(resolve(content))
    plan = experiment.plan
    rng = np.random.default_rng(0)
    rates = {"base/base": 0.3, "generative/pssl": 0.35, "generative/mpssl": 0.8}
    right = {row: rng.random((3, 200)) < rate for row, rate in rates.items()}
    column = plan.product(experiment.config.claims["wins"])[0]  # MNIST only
    for row, images in right.items():
        seconds = {"generative/mpssl": 4}.get(row, 1)
        for i, run in enumerate(plan.fixed_runs(cell_of(row, column))):
            write_run(experiment, run, 100 * images[i].mean(), images[i], seconds=seconds + i / 9)
    make_claims(experiment)
    table = pd.read_csv(own_results / "claims.csv")
    assert len(table) == 2 + 2 + 4 + 4  # rivals times columns
    wins = table[table.name == "wins"]
    assert wins.rival.tolist() == ["Base", "P-SSL"]
    for rival, line in zip(rivals, wins.itertuples(), strict=True):
        d = two_way(100.0 * right["generative/mpssl"] - 100.0 * right[rival])
        found = (line.effect, line.low, line.high, line.seeds_low, line.seeds_high)
        expected = (d.effect, d.low, d.high, d.seeds_low, d.seeds_high)
        assert found == pytest.approx(expected)
        assert (line.seeds, line.images, line.verdict) == (3, 200, "holds")
    assert set(wins.claim) == set(wins.claim_after_holm) == {"holds"}
    slower = table[table.name == "faster"].iloc[0]
    d = over_seeds([3, 3, 3])
    assert (slower.effect, slower.images, slower.verdict) == (d.effect, 0, "does not hold")
    missing = table[table.name == "everywhere"]
    assert missing.verdict.tolist() == ["holds", "holds", "not run", "not run"]
    assert set(missing.claim) == {"not run"}
    assert set(table[table.name == "diverse"].verdict) == {"not run"}  # no such measure recorded
    text = (own_results / "claims.md").read_text()
    assert text.index("2 of 4 claims were tested") < text.index("| MP-SSL wins | p | **holds** |")
    worst = wins.loc[wins.low.idxmin()]
    interval = f"{worst.effect:+.2f} [{worst.low:+.2f}, {worst.high:+.2f}]"
    assert f"MNIST: {interval} against {worst.rival}" in text
    ours = "## Beyond the paper"
    assert text.index("| MP-SSL wins |") < text.index(ours) < text.index("| MP-SSL is faster |")
    assert "do not run them: MP-SSL wins everywhere; MP-SSL is more diverse." in text
    assert "not run" not in text.replace("do not run them", "")

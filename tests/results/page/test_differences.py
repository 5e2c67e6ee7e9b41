"""The chart of differences shows what the comparison says."""

import xml.etree.ElementTree as ET

import pytest

from mpssl.results.page import svg
from mpssl.results.page.differences import _scale, differences
from mpssl.results.page.outcome import outcomes, points

RUNS = {
    "base/base": (60, [60, 61, 62]),
    "control/strong": (65, [70, 71, 70]),
    "control/scr": (64, [72, 70, 73]),
    "transfer/scr": (60, [66, 67, 66]),
    "oracle/freematch": (80, [80, 84, 83]),
    "generative/pssl": (66, [60, 65, 64]),
    "generative/mpssl": (65, [70, 66, 67]),
}


@pytest.fixture
def outcome(made):
    (outcome,) = outcomes(made(RUNS))
    return outcome


def strips(chart):
    return [ET.fromstring(line.strip) for _, lines in chart.groups for line in lines]


def test_rows_are_grouped_and_the_best_of_each_group_is_that_of_validation(outcome):
    chart = differences(outcome)
    assert [(title, [line.label for line in lines]) for title, lines in chart.groups] == [
        ("Controls: no new images", ["Strong view", "SCR on D"]),
        ("Real images of the foundation", ["SCR"]),
        ("Synthetic images", ["P-SSL", "MP-SSL"]),
        ("Oracle: real unlabeled images", ["FreeMatch"]),
    ]
    best = [line.label for _, lines in chart.groups for line in lines if line.best]
    assert best == ["Strong view", "SCR", "P-SSL", "FreeMatch"]


def test_marks_intervals_and_texts_are_those_of_the_comparison(outcome):
    chart, compared = differences(outcome), outcome.entries[1:]
    scale = _scale([entry.difference for entry in compared])
    by_label = {(e.cell.setting, e.label): e.difference for e in compared}
    order = [by_label["control", "Strong view"], by_label["control", "SCR on D"]]
    order += [by_label["transfer", "SCR"], by_label["generative", "P-SSL"]]
    order += [by_label["generative", "MP-SSL"], by_label["oracle", "FreeMatch"]]
    for strip, difference in zip(strips(chart), order, strict=True):
        (mark,) = (part for part in strip.iter("svg") if part.get("class") == "at")
        assert mark.get("x") == scale.percent(difference.effect)
        assert mark.find("title").text.endswith(points(difference))
        interval = next(part for part in strip.iter("line") if part.get("class") == "interval")
        ends = [scale.percent(difference.low), scale.percent(difference.high)]
        assert [interval.get("x1"), interval.get("x2")] == ends
    lines = [line for _, group in chart.groups for line in group]
    texts = [f"{line.effect} points {line.interval}" for line in lines]
    assert texts == [points(difference) for difference in order]


def test_settings_differ_in_shape(outcome):
    paths = [
        strip.find(".//path[@class='mark']").get("d") for strip in strips(differences(outcome))
    ]
    assert [paths.index(path) for path in paths] == [0, 0, 2, 3, 3, 5]


def test_bands_are_the_best_control_and_the_best_oracle(outcome):
    chart = differences(outcome)
    strong, oracle = (outcome.best(s).difference for s in ("control", "oracle"))
    assert chart.bands == {
        "control": f"Strong view, {points(strong)}",
        "oracle": f"FreeMatch, {points(oracle)}",
    }
    for strip in strips(chart):
        areas = [r.get("class") for r in strip.iter("rect")]
        assert areas == ["band control", "band oracle"]


def test_one_seed_has_marks_without_intervals(made):
    one = {row: (validation, test[:1]) for row, (validation, test) in RUNS.items()}
    (outcome,) = outcomes(made(one, seeds=[3]))
    chart = differences(outcome)
    for strip in strips(chart):
        assert not list(strip.iter("rect"))
        assert "interval" not in {line.get("class") for line in strip.iter("line")}
    assert {line.interval for _, lines in chart.groups for line in lines} == {""}


def test_a_very_wide_interval_ends_in_an_arrow(made):
    (outcome,) = outcomes(made(RUNS | {"generative/mpssl": (65, [20, 66, 100])}))
    chart = differences(outcome)
    scale = _scale([entry.difference for entry in outcome.entries[1:]])
    assert scale.high < outcome.entries[-1].difference.high
    arrows = [len(strip.findall(".//path[@class='interval']")) for strip in strips(chart)]
    assert arrows == [0, 0, 0, 0, 2, 0]
    assert isinstance(scale, svg.Scale)


def test_a_base_model_alone_has_no_chart(made):
    (outcome,) = outcomes(made({"base/base": (60, [60, 61, 62])}))
    assert differences(outcome) is None

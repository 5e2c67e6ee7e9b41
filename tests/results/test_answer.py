"""The answer: verdicts from paired intervals, and a choice that never sees the test."""

from mpssl.plan.cells import Cell, Column
from mpssl.results import answer


def entry(method, validation, effect, low, high, setting="generative"):
    cell = Cell("d", 100, setting, method, "default", "resnet8")
    test = [50.0 + effect] * 3
    column = Column("d", 100, "resnet8")
    return answer.Compared(column, cell, method, validation, test, effect, low, high, None)


BASE = entry("base", [60.0, 60.0, 60.0], 0, 0, 0, "base")


def test_verdicts():
    assert entry("a", [1.0], 2, 0.5, 3).verdict == "helps"
    assert entry("a", [1.0], -2, -3, -0.5).verdict == "hurts"
    assert entry("a", [1.0], 2, -1, 5).verdict == "not decided"
    assert entry("a", [1.0], 2, float("nan"), float("nan")).verdict == "not decided"
    assert BASE.verdict == ""


def test_the_choice_is_by_validation_and_base_wins_ties():
    good_on_test = entry("a", [50.0, 50.0, 50.0], 30, 20, 40)
    good_on_validation = entry("b", [61.0, 62.0, 63.0], -5, -9, -1)
    assert answer.choose([BASE, good_on_test, good_on_validation]) is good_on_validation
    assert answer.choose([BASE, entry("c", [60.0, 60.0, 60.0], 9, 8, 10)]) is BASE


def test_the_sentence_speaks_of_the_generative_method_chosen_by_validation():
    entries = [BASE, entry("a", [50.0], 30, 20, 40), entry("b", [61.0], -5, -9, -1)]
    assert answer._sentence(entries, 40).startswith("**No, it hurts**: b,")
    assert "-5.0 points [-9.0, -1.0]" in answer._sentence(entries, 40)

"""Columns are aligned as a terminal shows them."""

from mpssl.common.columns import aligned


def test_wide_letters_take_two_places_and_marks_none():
    rows = [("file", "label", "%"), ("a", "七", "100.0"), ("Ä.png", "A\u0308b", "9.5")]
    assert aligned(rows, left=2).split("\n") == [
        "file   label      %",
        "a      七     100.0",
        "Ä.png  A\u0308b       9.5",
    ]


def test_numbers_are_right_and_lines_have_no_space_at_their_end():
    assert aligned([("a", "10", ""), ("bcd", "7", "")]) == "a    10\nbcd   7"

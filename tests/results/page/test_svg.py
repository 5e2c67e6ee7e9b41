"""Parts of charts."""

import xml.etree.ElementTree as ET

import pytest

from mpssl.results.page import svg


def test_texts_are_escaped():
    made = svg.mark("circle", "5%", 2.0, "#000", 'a < "b" & c')
    element = ET.fromstring(made)
    assert element.find("title").text == 'a < "b" & c'
    assert element.get("overflow") == "visible" and element.get("y") == "2"


def test_a_scale_keeps_its_ends_inside():
    scale = svg.Scale(-2, 6)
    assert [scale.percent(v) for v in (-2, 2, 6, 99)] == ["4.00%", "50.00%", "96.00%", "96.00%"]
    assert svg.Scale(10, 1000, log=True).part(100) == pytest.approx(0.5)
    assert svg.Scale(3, 3).part(3) == 0.5


@pytest.mark.parametrize(
    "low, high, ticks",
    [(-2.3, 4.1, [-2, -1, 0, 1, 2, 3, 4]), (0.1, 0.9, [0.2, 0.4, 0.6, 0.8]), (5, 5, [5])],
)
def test_ticks_are_round_and_inside(low, high, ticks):
    assert svg.Scale(low, high).ticks() == pytest.approx(ticks)


def test_marks_differ_in_shape():
    assert len(set(svg.SHAPES.values())) == 4

"""A short form of `python -m tests.long.fuzz`: the same inputs each time."""

import pytest
from hypothesis import strategies as st

from mpssl.common.errors import UserError
from tests.long import fuzz

# About 15 seconds together on one core.
EXAMPLES = {
    "configurations": 350,
    "configuration files": 150,
    "images": 800,
    "image lists": 200,
    "model files": 150,
}


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_no_crash_and_no_silent_acceptance(name):
    tally = fuzz.tallies(EXAMPLES[name], 0, [name])[name]
    assert tally.crashes + tally.silent == []
    assert tally.accepted > 0
    assert tally.refused > EXAMPLES[name] // 4


def test_what_counts_as_what():
    def check(case):
        if case == "two lines":
            raise UserError("a\nb")
        if case == "crash":
            raise KeyError(case)
        if case == "refused":
            raise UserError("no")
        return {"silent": "out of range"}.get(case)

    tally = fuzz.Tally()
    for case in ("fine", "silent", "crash", "two lines", "refused"):
        tally.judge(check, case)
    assert (tally.accepted, tally.refused, tally.inputs) == (1, 1, 5)
    assert len(tally.crashes) == 2
    assert len(tally.silent) == 1


def test_a_number_gives_the_same_inputs():
    def seen(number):
        cases = []
        fuzz.run(st.integers(), cases.append, 20, number)
        return cases

    assert seen(3) == seen(3) != seen(4)

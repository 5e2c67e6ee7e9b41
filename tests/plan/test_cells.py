"""Names of cells and runs, which are parts of paths."""

from dataclasses import astuple

import pytest

from mpssl.plan.cells import (
    ANY_CELL,
    ANY_RUN,
    CELL_PATTERNS,
    SELECTED,
    Cell,
    Column,
    Run,
    cell_of,
)

BASE = Cell("mnist", 50, "base", "base", "default", "resnet8")
MPSSL = Cell("mnist", 50, "generative", "mpssl", "default", "resnet8")
NO_LMO = Cell("mnist", 50, "generative", "mpssl", "no_lmo", "resnet8")


def test_ids():
    assert NO_LMO.id == "mnist/50/generative/mpssl/no_lmo/resnet8"
    assert NO_LMO.row == "generative/mpssl/no_lmo"
    run = Run(NO_LMO, "0.25", 3)
    assert run.id == "mnist/50/generative/mpssl/no_lmo/resnet8/lambda-0.25/seed-3"


@pytest.mark.parametrize("lambda_", ["0", "0.1", "1", "1e-05", SELECTED])
def test_parse_is_the_inverse_of_id(lambda_):
    run = Run(NO_LMO, lambda_, 12)
    assert Cell.parse(NO_LMO.id) == NO_LMO
    assert Run.parse(run.id) == run
    assert Run.parse(run.id + "/") == run


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mnist",
        "mnist/50/base/base/default/resnet8/lambda-0",
        "mnist/50/base/base/default/resnet8/lambda-0/seed-0/more",
        "mnist/half/base/base/default/resnet8/lambda-0/seed-0",
        "mnist/50/base/base/default/resnet8/lambda-0/seed-x",
        "mnist/50/base/base/default/resnet8/seed-0/lambda-0",
    ],
)
def test_parse_refuses_other_text(text):
    with pytest.raises(ValueError, match=f"'{text}' is not a run: expected DATASET/FRACTION"):
        Run.parse(text)


@pytest.mark.parametrize("end", ["0/0", "lambda-0/0", "lambda-x/seed-0"])
def test_parse_wants_lambda_and_seed(end):
    with pytest.raises(ValueError, match="is not a run"):
        Run.parse(f"mnist/50/base/base/default/resnet8/{end}")


@pytest.mark.parametrize("text", ["mnist", "mnist/half/base/base/default/resnet8", BASE.id + "/x"])
def test_parse_refuses_what_is_no_cell(text):
    with pytest.raises(ValueError, match=f"'{text}' is not a cell: expected DATASET/FRACTION"):
        Cell.parse(text)


def test_wildcards_have_the_form_of_ids():
    fields = dict(zip(CELL_PATTERNS, astuple(NO_LMO), strict=True))
    assert ANY_CELL.format(**fields) == NO_LMO.id
    assert ANY_RUN.format(**fields, lambda_="0.5", seed=3) == Run(NO_LMO, "0.5", 3).id


def test_cell_of_a_row_and_a_column():
    column = Column("mnist", 50, "resnet8")
    assert cell_of("generative/mpssl", column) == MPSSL
    assert cell_of("generative/mpssl/no_lmo", column) == NO_LMO

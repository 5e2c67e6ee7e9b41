"""Names of rows and columns."""

from mpssl.config.reading import resolve
from mpssl.plan.cells import Column, cell_of
from mpssl.results.page.naming import column_names, labels, row_of


def test_a_variant_names_its_method_and_twins_their_setting(content):
    content["methods"]["oracle"]["scr"] = {"label": "SCR", "source": "real", "objective": "scr"}
    rows = ["oracle/scr", "transfer/scr", "generative/mpssl", "generative/mpssl/tau"]
    found = labels(resolve(content), rows)
    assert list(found.values()) == ["SCR (oracle)", "SCR (transfer)", "MP-SSL", "MP-SSL: tau"]


def test_a_column_names_what_varies(content):
    config, one = resolve(content), Column("mnist", 50, "resnet8")
    assert column_names(config, [one, Column("digits", 50, "resnet8")]) == ["MNIST", "UCI"]
    two = column_names(config, [one, Column("mnist", 100, "resnet14")])
    assert two == ["MNIST, 50 % labeled, resnet8", "MNIST, 100 % labeled, resnet14"]


def test_the_row_of_a_cell_is_the_one_of_tables():
    for row in ("base/base", "generative/mpssl/tau"):
        assert row_of(cell_of(row, Column("mnist", 50, "resnet8"))) == row

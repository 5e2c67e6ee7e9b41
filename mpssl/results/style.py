"""How all figures look, and how their numbers are written."""

from mpssl.plan.cells import Column

# Okabe and Ito's palette, which colour-blind readers can tell apart; one colour a method. The
# controls and the methods on other images have the colour of their objective.
COLOURS = {
    "base/base": "#999999",
    "control/weak": "#999999",
    "control/strong": "#0072B2",
    "control/longer": "#56B4E9",
    "control/supervised": "#CC79A7",
    "control/scr": "#D55E00",
    "control/freematch": "#009E73",
    "transfer/scr": "#D55E00",
    "transfer/freematch": "#009E73",
    "oracle/uda": "#56B4E9",
    "oracle/fixmatch": "#0072B2",
    "oracle/freematch": "#009E73",
    "oracle/scr": "#D55E00",
    "generative/naive_gssl": "#CC79A7",
    "generative/pssl": "#E69F00",
    "generative/mpssl": "#D55E00",
}
OTHERS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
OF_SETTING = {
    "base": "#999999",
    "control": "#777777",
    "transfer": "#009E73",
    "oracle": "#0072B2",
    "generative": "#D55E00",
}
MARKERS = "osD^vP*X"  # of rows that share a panel, so that print without colours tells them apart
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "savefig.dpi": 160,
    "savefig.bbox": "tight",
}


def colour_of(row: str, index: int) -> str:
    """The colour of a row; of one without its own, the one of its place."""
    return COLOURS.get(row, OTHERS[index % len(OTHERS)])


def number(row: str, column: Column, **values) -> dict:
    """A line of a figure's csv."""
    return {"row": row, **vars(column), **values}

"""Tables as the paper prints them: mean and standard deviation over seeds, in percent."""

import math
from dataclasses import dataclass
from statistics import mean, stdev

import pandas as pd

from mpssl.config import Config
from mpssl.files import atomic, write_text
from mpssl.paths import Paths
from mpssl.plan import Cell, Column, Plan, cell_of
from mpssl.results.records import CellRecords, read_cell

SETTING_TITLES = {
    "base": "",
    "oracle": "Oracle SSL (D + D_u)",
    "transfer": "Transfer SSL (D + real foundation images)",
    "generative": "Generative SSL (D + G_F)",
}
BASE_ROW = "base/base"


@dataclass
class Entry:
    """One cell of a table."""

    cell: Cell
    label: str
    records: CellRecords
    impossible: str | None
    base: CellRecords | None
    best: bool = False

    @property
    def complete(self) -> bool:
        """Whether every seed's run has finished."""
        return self.impossible is None and not self.records.missing

    @property
    def accuracies(self) -> list[float]:
        """Test accuracies in percent, one a seed."""
        return [record["test_accuracy"] for record in self.records.records]

    @property
    def mean(self) -> float:
        """Mean test accuracy; NaN where runs are missing."""
        return mean(self.accuracies) if self.complete else math.nan

    @property
    def std(self) -> float:
        """Sample standard deviation over the seeds (ddof 1); NaN where it does not exist."""
        return stdev(self.accuracies) if self.complete and len(self.accuracies) > 1 else math.nan

    @property
    def difference(self) -> tuple[float, float] | None:
        """Mean paired difference to the base model and its standard error over the seeds."""
        if self.base is None or self.base.missing or not self.complete:
            return None
        pairs = zip(self.accuracies, self.base.records, strict=True)
        differences = [accuracy - record["test_accuracy"] for accuracy, record in pairs]
        if len(differences) < 2:
            return mean(differences), math.nan
        return mean(differences), stdev(differences) / math.sqrt(len(differences))


def make_table(config: Config, name: str) -> None:
    """Write table `name` as csv (tidy), md and tex (as printed).

    Cells whose runs are missing stay empty and are named; no value is invented.
    """
    paths, plan = Paths(config), Plan(config)
    columns = plan.columns(name)
    rows = [
        [_entry(config, plan, name, row, column) for column in columns]
        for row in config.tables[name].rows
    ]
    _mark_best(rows)
    titles = column_titles(config, columns)
    with atomic(paths.table(name, "csv")) as path:
        pd.DataFrame([_tidy(name, e) for row in rows for e in row]).to_csv(path, index=False)
    write_text(paths.table(name, "md"), _markdown(config, name, titles, rows))
    write_text(paths.table(name, "tex"), _latex(config, name, titles, rows))


def column_titles(config: Config, columns: list[Column]) -> list[str]:
    """Of each column, what tells it from the others; the data set where nothing does."""
    parts = {
        "dataset": [config.datasets[c.dataset].title for c in columns],
        "fraction": [f"{c.fraction} %" for c in columns],
        "architecture": [c.architecture for c in columns],
    }
    used = [key for key, values in parts.items() if len(set(values)) > 1] or ["dataset"]
    return [", ".join(parts[key][i] for key in used) for i in range(len(columns))]


def row_label(config: Config, name: str, row: str) -> str:
    """The label of a row: the table's own, the variant's, or the method's."""
    grid = {**config.tables, **config.figures}[name]
    if row in grid.labels:
        return grid.labels[row]
    setting, method, *variant = row.split("/")
    entry = config.methods[setting][method]
    return entry.variants[variant[0]].label if variant else entry.label


def _entry(config: Config, plan: Plan, name: str, row: str, column: Column) -> Entry:
    cell, base = cell_of(row, column), cell_of(BASE_ROW, column)
    impossible = plan.impossible(cell)
    records = CellRecords([], []) if impossible else read_cell(config, cell)
    has_base = BASE_ROW in config.tables[name].rows and cell != base
    return Entry(
        cell,
        row_label(config, name, row),
        records,
        impossible,
        read_cell(config, base) if has_base else None,
    )


def _mark_best(rows: list[list[Entry]]) -> None:
    """Mark the best oracle and the best generative entry of each column, ties included."""
    for column in zip(*rows, strict=True):
        for setting in ("oracle", "generative"):
            group = [e for e in column if e.cell.setting == setting and e.complete]
            best = max((round(e.mean, 2) for e in group), default=None)
            for entry in group:
                entry.best = round(entry.mean, 2) == best


def _tidy(name: str, entry: Entry) -> dict:
    cell, difference = entry.cell, entry.difference
    return {
        "table": name,
        "dataset": cell.dataset,
        "fraction": cell.fraction,
        "setting": cell.setting,
        "method": cell.method,
        "variant": cell.variant,
        "architecture": cell.architecture,
        "label": entry.label,
        "seeds": len(entry.records.records),
        "mean": entry.mean,
        "std": entry.std,
        "best": entry.best,
        "lambda": entry.records.records[-1]["lambda"] if entry.records.records else math.nan,
        "difference_to_base": difference[0] if difference else math.nan,
        "difference_standard_error": difference[1] if difference else math.nan,
        "note": entry.impossible or ", ".join(f"missing {m}" for m in entry.records.missing),
    }


def _markdown(config: Config, name: str, titles: list[str], rows: list[list[Entry]]) -> str:
    grid = config.tables[name]
    lines = [f"# {_number(name)}. {grid.title}", "", f"{_context(config, rows)}", ""]
    header = ["| Method | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    lines += header
    setting = ""
    for row in rows:
        if row[0].cell.setting != setting:
            setting = row[0].cell.setting
            if SETTING_TITLES[setting]:
                lines.append(f"| *{SETTING_TITLES[setting]}* |" + " |" * len(titles))
        lines.append(f"| {row[0].label} | " + " | ".join(_markdown_cell(e) for e in row) + " |")
    compared = [row for row in rows if any(e.difference for e in row)]
    if compared:
        lines += ["", "Difference to the base model, paired by seed: mean ± standard error.", ""]
        lines += header
        for row in compared:
            cells = (_pm(*e.difference, sign="+") if e.difference else "–" for e in row)
            lines.append(f"| {row[0].label} | " + " | ".join(cells) + " |")
    if grid.note:
        lines += ["", grid.note.strip()]
    missing = [m for row in rows for e in row for m in e.records.missing]
    if missing:
        lines += ["", f"Incomplete: {len(missing)} runs are missing:", ""]
        lines += [f"- `{run}`" for run in missing]
    return "\n".join(lines) + "\n"


def _context(config: Config, rows: list[list[Entry]]) -> str:
    """What the reader must know of the numbers: mean, seeds, and what all columns share."""
    cells = [entry.cell for row in rows for entry in row]
    shared = []
    if len({c.dataset for c in cells}) == 1:
        shared.append(config.datasets[cells[0].dataset].title)
    if len({c.fraction for c in cells}) == 1:
        shared.append(f"{cells[0].fraction} % of the pool labeled")
    if len({c.architecture for c in cells}) == 1:
        shared.append(cells[0].architecture)
    return (
        f"{', '.join(shared)}. Mean ± standard deviation over {len(config.seeds)} seeds. "
        "Underlined: best oracle method; bold: best generative method."
    )


def _number(name: str) -> str:
    return f"Table {name.removeprefix('table')}"


def _pm(value: float, spread: float, sign: str = "") -> str:
    return f"{value:{sign}.2f}" + ("" if math.isnan(spread) else f" ± {spread:.2f}")


def _markdown_cell(entry: Entry) -> str:
    if entry.impossible:
        return "n/a"
    if not entry.complete:
        return "missing"
    text = _pm(entry.mean, entry.std)
    if not entry.best:
        return text
    return f"<u>{text}</u>" if entry.cell.setting == "oracle" else f"**{text}**"


def _latex(config: Config, name: str, titles: list[str], rows: list[list[Entry]]) -> str:
    lines = [
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{l{'c' * len(titles)}}}",
        "\\toprule",
        "Method & " + " & ".join(map(_escape, titles)) + " \\\\",
        "\\midrule",
    ]
    setting = rows[0][0].cell.setting
    for row in rows:
        if row[0].cell.setting != setting:
            setting = row[0].cell.setting
            title = _escape(SETTING_TITLES[setting])
            lines += [
                "\\midrule",
                f"\\multicolumn{{{len(titles) + 1}}}{{l}}{{\\textit{{{title}}}}} \\\\",
            ]
        cells = " & ".join(_latex_cell(entry) for entry in row)
        lines.append(f"{_escape(row[0].label)} & {cells} \\\\")
    lines += ["\\bottomrule", "\\end{tabular}"]
    return "\n".join(lines) + "\n"


def _latex_cell(entry: Entry) -> str:
    if entry.impossible:
        return "n/a"
    if not entry.complete:
        return "missing"
    spread = "" if math.isnan(entry.std) else f"^{{\\pm {entry.std:.2f}}}"
    text = f"${entry.mean:.2f}{spread}$"
    if not entry.best:
        return text
    if entry.cell.setting == "oracle":
        return f"\\underline{{{text}}}"
    return f"$\\mathbf{{{entry.mean:.2f}}}{spread}$"


def _escape(text: str) -> str:
    for character in "\\&%$#_{}":
        text = text.replace(
            character, "\\textbackslash{}" if character == "\\" else f"\\{character}"
        )
    return text

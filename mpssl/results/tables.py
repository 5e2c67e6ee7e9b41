"""Tables as the paper prints them: mean and standard deviation over seeds, in percent."""

import math
from dataclasses import asdict
from statistics import mean

import pandas as pd

from mpssl.common.errors import UserError, one_line
from mpssl.common.files import write_text
from mpssl.config.experiment import Config
from mpssl.plan.cells import CELL_PATTERNS, Cell, Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results import render
from mpssl.results.comparison import Difference, compare
from mpssl.results.entries import Entry, PaperValue
from mpssl.results.records import CellRecords, Records
from mpssl.shipped import PAPER_RESULTS


def paper_values(config: Config) -> dict[Cell, PaperValue]:
    """The results that a paper prints by cell, those that are legible.

    Raises:
        UserError: the file of `paper_results` cannot be read, or a column is missing.
    """
    path, identity = config.paper_results or PAPER_RESULTS, list(CELL_PATTERNS)
    try:
        printed = pd.read_csv(path, dtype={"note": str, "variant": str})
    except (OSError, ValueError) as error:
        raise UserError(one_line(f"paper_results: cannot read {path}: {error}")) from None
    absent = [name for name in (*identity, "mean", "std", "note") if name not in printed]
    if absent:
        raise UserError(f"paper_results: {path} has no column {', '.join(absent)}")
    return {
        Cell(*row[identity]): PaperValue(row["mean"], row["std"], row["note"])
        for _, row in printed.dropna(subset=["mean"]).fillna({"note": ""}).iterrows()
    }


def make_table(experiment: Experiment, name: str) -> None:
    """Write table `name` as csv (tidy), md and tex (as printed).

    Cells whose runs are missing stay empty and are named; no value is invented.

    Raises:
        UserError: a run of the table is damaged, or does not belong to the others.
    """
    for suffix, text in texts(experiment, name).items():
        write_text(experiment.paths.table(name, suffix), text)


def texts(experiment: Experiment, name: str) -> dict[str, str]:
    """Table `name` by the suffix of its file."""
    config, plan, paper = experiment.config, experiment.plan, paper_values(experiment.config)
    records, columns = Records(experiment, plan.cells(name)), plan.columns(name)
    rows = [
        [_entry(records, name, row, column, paper) for column in columns]
        for row in config.tables[name].rows
    ]
    _mark_best(rows)
    titles = column_titles(config, columns)
    tidy = pd.DataFrame([_tidy(name, entry) for row in rows for entry in row])
    if config.tables[name].ours:  # a time differs from run to run, the other numbers repeat
        tidy["seconds"] = [_seconds(entry) for row in rows for entry in row]
    return {
        "csv": tidy.to_csv(index=False),
        "md": render.markdown(config, name, titles, rows),
        "tex": render.latex(titles, rows),
    }


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
    """The label of a row: that of the table or figure `name`, the variant's, or the method's."""
    grid = {**config.tables, **config.figures}.get(name)
    if grid is not None and row in grid.labels:
        return grid.labels[row]
    setting, method, *variant = row.split("/")
    entry = config.methods[setting][method]
    return entry.variants[variant[0]].label if variant else entry.label


def _entry(
    records: Records, name: str, row: str, column: Column, paper: dict[Cell, PaperValue]
) -> Entry:
    config, cell = records.experiment.config, cell_of(row, column)
    impossible, table = records.plan.impossible(cell), config.tables[name]
    found = CellRecords([], []) if impossible else records.of(cell)
    compared = table.reference in table.rows and row != table.reference and not impossible
    return Entry(
        cell,
        row_label(config, name, row),
        found,
        impossible,
        _difference(records, found, cell_of(table.reference, column)) if compared else None,
        paper.get(cell),
    )


def _difference(records: Records, found: CellRecords, reference: Cell) -> Difference | None:
    others = records.of(reference)
    if found.missing or others.missing:
        return None
    difference = compare(records, found.records, others.records)
    return difference if difference.seeds else None


def _mark_best(rows: list[list[Entry]]) -> None:
    """Mark the best oracle and the best generative entry of each column, ties included."""
    for column in zip(*rows, strict=True):
        for setting in ("oracle", "generative"):
            group = [e for e in column if e.cell.setting == setting and e.complete]
            best = max((round(e.mean, 2) for e in group), default=None)
            for entry in group:
                entry.best = round(entry.mean, 2) == best


def _seconds(entry: Entry) -> float:
    records = entry.records.records
    return mean(record.seconds for record in records) if records else math.nan


def _tidy(name: str, entry: Entry) -> dict:
    cell, difference = entry.cell, entry.difference
    return {
        "table": name,
        **asdict(cell),
        "label": entry.label,
        "seeds": len(entry.records.records),
        "mean": entry.mean,
        "std": entry.std,
        "best": entry.best,
        "lambda": entry.records.records[-1].lambda_ if entry.records.records else math.nan,
        "difference": difference.effect if difference else math.nan,
        "difference_low": difference.low if difference else math.nan,
        "difference_high": difference.high if difference else math.nan,
        "difference_standard_error": difference.seeds_error if difference else math.nan,
        "images": entry.records.records[0].images if entry.records.records else math.nan,
        "paper_mean": entry.paper.mean if entry.paper else math.nan,
        "paper_std": entry.paper.std if entry.paper else math.nan,
        "paper_note": entry.paper.note if entry.paper else "",
        "note": entry.impossible or ", ".join(f"missing {m}" for m in entry.records.missing),
    }

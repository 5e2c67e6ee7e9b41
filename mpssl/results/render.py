"""Tables as text: Markdown for readers, LaTeX for papers."""

import math
from collections.abc import Callable, Iterator
from statistics import mean

from mpssl.config.experiment import Config
from mpssl.results.entries import Entry

SETTING_TITLES = {
    "base": "",
    "control": "Controls (D alone)",
    "oracle": "Oracle SSL (D + D_u)",
    "transfer": "Transfer SSL (D + real foundation images)",
    "generative": "Generative SSL (D + G_F)",
}


def markdown(config: Config, name: str, titles: list[str], rows: list[list[Entry]]) -> str:
    """A table as printed, its paired differences, the paper's values, and what is missing."""
    grid = config.tables[name]
    lines = [f"# {_heading(name, grid.title)}", "", f"{_context(config, rows)}", ""]
    lines += _grid(titles, rows, _markdown_cell)
    compared = [row for row in rows if any(e.difference for e in row)]
    if compared:
        reference = rows[grid.rows.index(grid.reference)][0]
        paired = (
            f"Difference to {reference.label}, paired by seed, with its 95 % interval over seeds "
            "and test images."
        )
        lines += ["", paired, "", *_grid(titles, compared, _difference_cell)]
    printed = [row for row in rows if any(e.paper for e in row)]
    if printed:
        lines += ["", "Beside the paper: the mean it prints, and in brackets ours minus it.", ""]
        lines += _grid(titles, printed, _paper_cell)
        notes = {
            f"{e.label}, {e.cell.dataset}: {e.paper.note}"
            for e in sum(printed, [])
            if e.paper and e.paper.note
        }
        lines += ["", *(f"- {note}" for note in sorted(notes))] if notes else []
    if grid.ours:
        lines += ["", "What a run takes: images that pass the classifier, and seconds.", ""]
        lines += _grid(titles, rows, _cost_cell)
    if grid.note:
        lines += ["", grid.note.strip()]
    ours = [f"{other}.md" for other, table in config.tables.items() if table.ours]
    if ours and not grid.ours:
        lines += ["", f"What is gained without new images: {', '.join(ours)}."]
    missing = [m for row in rows for e in row for m in e.records.missing]
    if missing:
        lines += ["", f"Incomplete: {len(missing)} runs are missing:", ""]
        lines += [f"- `{run}`" for run in missing]
    return "\n".join(lines) + "\n"


def _grid(
    titles: list[str], rows: list[list[Entry]], cell: Callable[[Entry], str]
) -> Iterator[str]:
    """A Markdown table with a line above the rows of each setting."""
    yield "| Method | " + " | ".join(titles) + " |"
    yield "|---" * (len(titles) + 1) + "|"
    setting = ""
    for row in rows:
        if row[0].cell.setting != setting:
            setting = row[0].cell.setting
            if SETTING_TITLES[setting]:
                yield f"| *{SETTING_TITLES[setting]}* |" + " |" * len(titles)
        yield f"| {row[0].label} | " + " | ".join(map(cell, row)) + " |"


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


def _heading(name: str, title: str) -> str:
    number = name.removeprefix("table")
    return f"Table {number}. {title}" if number.isdigit() else title


def _pm(value: float, spread: float) -> str:
    return f"{value:.2f}" + ("" if math.isnan(spread) else f" ± {spread:.2f}")


def _difference_cell(entry: Entry) -> str:
    d = entry.difference
    if d is None:
        return "–"
    return f"{d.effect:+.2f}" + (f" [{d.low:+.2f}, {d.high:+.2f}]" if d.known else "")


def _cost_cell(entry: Entry) -> str:
    if entry.impossible or not entry.complete:
        return "–"
    runs = entry.records.records
    return f"{runs[0].images:,}; {mean(run.seconds for run in runs):.1f} s"


def _paper_cell(entry: Entry) -> str:
    if entry.paper is None:
        return "–"
    doubt = "?" if entry.paper.note else ""
    ours = f" ({entry.mean - entry.paper.mean:+.2f})" if entry.complete else ""
    return f"{entry.paper.mean:.2f}{doubt}{ours}"


def _markdown_cell(entry: Entry) -> str:
    if entry.impossible:
        return "n/a"
    if not entry.complete:
        return "missing"
    text = _pm(entry.mean, entry.std)
    if not entry.best:
        return text
    return f"<u>{text}</u>" if entry.cell.setting == "oracle" else f"**{text}**"


def latex(titles: list[str], rows: list[list[Entry]]) -> str:
    """A table as a booktabs tabular."""
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


ESCAPES = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
)


def _escape(text: str) -> str:
    return text.translate(ESCAPES)

"""The paper's claims as tests on the runs: effect, paired interval, verdict."""

import math
from dataclasses import dataclass
from statistics import mean, stdev

import pandas as pd
from scipy.stats import t as student

from mpssl.common.files import atomic, write_text
from mpssl.config.experiment import Config
from mpssl.config.tables import Claim
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.records import Records
from mpssl.results.tables import column_titles, row_label

CONFIDENCE = 0.95
HOLDS, FAILS, OPEN, NOT_RUN = "holds", "does not hold", "not decided", "not run"


@dataclass(frozen=True)
class Comparison:
    """A claim in one column: `effect` is the row's measure minus its strongest rival's."""

    name: str
    column: str
    rival: str
    effect: float
    low: float
    high: float
    seeds: int
    verdict: str


def make_claims(experiment: Experiment) -> None:
    """Write claims.csv, one line a claim and column, and claims.md, one line a claim."""
    config, paths = experiment.config, experiment.paths
    records = Records(experiment, experiment.plan.wanted_cells())
    compared = {name: compare(records, name) for name in config.claims}
    rows = [vars(c) for comparisons in compared.values() for c in comparisons]
    with atomic(paths.claims("csv")) as path:
        pd.DataFrame(rows).to_csv(path, index=False)
    write_text(paths.claims("md"), _markdown(config, compared))


def compare(records: Records, name: str) -> list[Comparison]:
    """Compare a claim's row with the strongest of its rivals in each column."""
    config = records.experiment.config
    columns = records.plan.product(config.claims[name])
    titles = column_titles(config, columns)
    return [
        _compare_column(records, name, column, title)
        for column, title in zip(columns, titles, strict=True)
    ]


def _compare_column(records: Records, name: str, column: Column, title: str) -> Comparison:
    config = records.experiment.config
    claim = config.claims[name]
    mine = _measures(records, claim, claim.row, column)
    rivals = {row: _measures(records, claim, row, column) for row in claim.than}
    if mine is None or any(values is None for values in rivals.values()):
        return Comparison(name, title, "", math.nan, math.nan, math.nan, 0, NOT_RUN)
    strongest = max if claim.direction == "higher" else min
    rival = strongest(rivals, key=lambda row: mean(rivals[row]))
    differences = [a - b for a, b in zip(mine, rivals[rival], strict=True)]
    low, high = paired_interval(differences)
    return Comparison(
        name,
        title,
        row_label(config, "", rival),
        mean(differences),
        low,
        high,
        len(differences),
        verdict(claim, low, high),
    )


def paired_interval(differences: list[float]) -> tuple[float, float]:
    """The two-sided 95 % t interval of the mean of paired differences; NaN for fewer than two."""
    n = len(differences)
    if n < 2:
        return math.nan, math.nan
    half = student.ppf((1 + CONFIDENCE) / 2, n - 1) * stdev(differences) / math.sqrt(n)
    return mean(differences) - half, mean(differences) + half


def verdict(claim: Claim, low: float, high: float) -> str:
    """Whether the interval of the difference supports the claim, contradicts it, or neither."""
    if claim.direction == "lower":
        low, high = -high, -low
    if low > -claim.margin:
        return HOLDS
    return FAILS if high < -claim.margin else OPEN


def overall(verdicts: list[str]) -> str:
    """A claim holds if it holds in every column, and fails if it fails in any."""
    if FAILS in verdicts:
        return FAILS
    if NOT_RUN in verdicts:
        return NOT_RUN
    return HOLDS if set(verdicts) == {HOLDS} else OPEN


def _measures(records: Records, claim: Claim, row: str, column: Column) -> list[float] | None:
    """The claim's measure of each seed, or None where runs are missing."""
    cell = cell_of(row, column)
    if records.plan.impossible(cell):
        return None
    found = records.of(cell)
    if found.missing:
        return None
    values = [record.measure(claim.measure) for record in found.records]
    return None if None in values else values


def _markdown(config: Config, compared: dict[str, list[Comparison]]) -> str:
    lines = [
        "# The paper's claims",
        "",
        f"Differences paired by seed, with {CONFIDENCE:.0%} t intervals; accuracies in points. "
        "A claim must hold in every column.",
        "",
        "| claim | where | verdict | difference [interval] |",
        "|---|---|---|---|",
    ]
    for name, comparisons in compared.items():
        claim = config.claims[name]
        verdicts = [c.verdict for c in comparisons]
        parts = "<br>".join(_part(c) for c in comparisons)
        lines.append(f"| {claim.text} | {claim.place} | **{overall(verdicts)}** | {parts} |")
    return "\n".join(lines) + "\n"


def _part(c: Comparison) -> str:
    if c.verdict == NOT_RUN:
        return f"{c.column}: not run"
    interval = "" if math.isnan(c.low) else f" [{c.low:+.2f}, {c.high:+.2f}]"
    return f"{c.column}: {c.effect:+.2f}{interval} against {c.rival}; {c.verdict}"

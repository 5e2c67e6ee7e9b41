"""The paper's claims, and ours, as tests on the runs: differences, intervals, verdicts."""

import math
from dataclasses import dataclass

import pandas as pd

from mpssl.common.files import atomic, write_text
from mpssl.config.tables import Claim
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.comparison import CONFIDENCE, LEVEL, Difference, compare
from mpssl.results.records import Records
from mpssl.results.tables import column_titles, row_label

HOLDS, FAILS, OPEN, NOT_RUN = "holds", "does not hold", "not decided", "not run"


@dataclass(frozen=True)
class Pair:
    """A claim's row minus one of its rivals in one column; None if runs are missing."""

    column: str
    rival: str
    difference: Difference | None


@dataclass(frozen=True)
class ClaimTest:
    """A claim and its comparisons with every rival in every column.

    It holds if its row is better than each rival in each column: all of these must be sure, so each
    is tested at the whole level, 0.025 (an intersection-union test). It does not hold if the row is
    worse than any rival in any column: among m comparisons one of them is so by chance, and each is
    tested at 0.025 / m (Bonferroni).
    """

    claim: Claim
    pairs: list[Pair]

    @property
    def ran(self) -> bool:
        """Whether every comparison could be made."""
        return all(pair.difference is not None for pair in self.pairs)

    @property
    def p_holds(self) -> float:
        """The one-sided p-value for the claim; 1 if a comparison could not be made."""
        return max((self._p(pair, 1) for pair in self.pairs), default=1.0)

    @property
    def p_fails(self) -> float:
        """The one-sided p-value against the claim, for any number of comparisons."""
        return min(1.0, len(self.pairs) * min((self._p(p, -1) for p in self.pairs), default=1.0))

    @property
    def p_value(self) -> float:
        """The two-sided p-value: at most 0.05 if the claim is decided."""
        return min(1.0, 2 * self.p_holds, 2 * self.p_fails)

    @property
    def verdict(self) -> str:
        """What the claim's own comparisons say, whatever other claims are tested."""
        return self.verdict_at(2 * LEVEL)

    def verdict_at(self, level: float) -> str:
        """The verdict if the two-sided p-value must be at most `level`."""
        if 2 * self.p_fails <= level:
            return FAILS
        if not self.ran:
            return NOT_RUN
        return HOLDS if 2 * self.p_holds <= level else OPEN

    def pair_verdict(self, pair: Pair) -> str:
        """What one comparison says of the claim."""
        if pair.difference is None:
            return NOT_RUN
        if len(self.pairs) * self._p(pair, -1) <= LEVEL:
            return FAILS
        return HOLDS if self._p(pair, 1) <= LEVEL else OPEN

    def deciding(self, column: str) -> Pair:
        """The comparison of a column whose interval reaches furthest to the claim's wrong side."""

        def worst(pair: Pair) -> float:
            d, higher = pair.difference, self.claim.direction == "higher"
            if not d.known:
                return d.effect if higher else -d.effect
            return d.low if higher else -d.high

        ran = (pair for pair in self.pairs if pair.column == column and pair.difference)
        return min(ran, key=worst)

    def _p(self, pair: Pair, side: int) -> float:
        """The p-value for (1) or against (-1) the claim in one comparison; 1 without one."""
        d, claim = pair.difference, self.claim
        if d is None:
            return 1.0
        higher = claim.direction == "higher"
        margin = -claim.margin if higher else claim.margin
        p = d.p_above(margin) if higher == (side > 0) else d.p_below(margin)
        return 1.0 if math.isnan(p) else p


def make_claims(experiment: Experiment) -> None:
    """Write claims.csv, a line for each claim, column and rival, and claims.md, one a claim.

    Raises:
        UserError: a run is damaged, or does not belong to the others.
    """
    paths, names = experiment.paths, experiment.config.claims
    records = Records(experiment, experiment.plan.wanted_cells())
    tested = {name: tested_claim(records, name) for name in names}
    together = holm(tested)
    rows = [row for name, t in tested.items() for row in _tidy(name, t, together[name])]
    with atomic(paths.claims("csv")) as path:
        pd.DataFrame(rows).to_csv(path, index=False)
    write_text(paths.claims("md"), _markdown(tested, together))


def tested_claim(records: Records, name: str) -> ClaimTest:
    """Compare a claim's row with each of its rivals in each column."""
    config = records.experiment.config
    claim = config.claims[name]
    columns = records.plan.product(claim)
    pairs = [
        Pair(title, row_label(config, "", rival), _difference(records, claim, rival, column))
        for column, title in zip(columns, column_titles(config, columns), strict=True)
        for rival in claim.than
    ]
    return ClaimTest(claim, pairs)


def holm(tested: dict[str, ClaimTest]) -> dict[str, str]:
    """The verdicts if all claims that were run are tested together, by Holm's procedure.

    Any of these verdicts is wrong with chance 0.05 at most, however many claims there are.
    """
    verdicts = {name: NOT_RUN for name in tested}
    ran = [name for name, t in tested.items() if t.verdict != NOT_RUN]
    ran.sort(key=lambda name: tested[name].p_value)
    still = True
    for i, name in enumerate(ran):
        level = 2 * LEVEL / (len(ran) - i)
        still = still and tested[name].p_value <= level
        verdicts[name] = tested[name].verdict_at(level) if still else OPEN
    return verdicts


def _difference(records: Records, claim: Claim, rival: str, column: Column) -> Difference | None:
    """The difference in the claim's measure, or None if runs or their measures are missing."""
    cells = [cell_of(row, column) for row in (claim.row, rival)]
    if any(records.plan.impossible(cell) for cell in cells):
        return None
    ours, others = (records.of(cell) for cell in cells)
    if ours.missing or others.missing:
        return None
    runs = [*ours.records, *others.records]
    if any(record.measure(claim.measure) is None for record in runs):
        return None
    return compare(records, ours.records, others.records, claim.measure)


def _tidy(name: str, tested: ClaimTest, together: str) -> list[dict]:
    nothing = dict.fromkeys(("effect", "low", "high", "seeds_low", "seeds_high"), math.nan)
    of_claim = {"claim": tested.verdict, "claim_after_holm": together, "p_value": tested.p_value}
    lines = []
    for pair in tested.pairs:
        d = pair.difference
        numbers = {key: getattr(d, key) for key in nothing} if d else nothing
        counts = {"seeds": d.seeds if d else 0, "images": d.images if d else 0}
        verdict = {"verdict": tested.pair_verdict(pair)} | of_claim
        lines.append(
            {"name": name, "column": pair.column, "rival": pair.rival} | numbers | counts | verdict
        )
    return lines


def _markdown(tested: dict[str, ClaimTest], together: dict[str, str]) -> str:
    ran = {name: t for name, t in tested.items() if t.verdict != NOT_RUN}
    lines = [
        "# The paper's claims",
        "",
        f"{len(ran)} of {len(tested)} claims were tested. Differences are paired by seed, "
        f"accuracies are in points, and intervals are Student's t at {CONFIDENCE:.0%}; those of "
        "test accuracy cover another training and other test images. A claim holds if its row is "
        "better than every rival in every column; for each column the rival is shown whose "
        "interval reaches furthest to the wrong side. A claim does not hold if its row is worse "
        "than one of them, at a level divided by the number of comparisons. After Holm's "
        "correction all verdicts together are as sure as each is before it.",
    ]
    for ours, title in ((False, ""), (True, "## Beyond the paper")):
        of_part = [name for name, t in ran.items() if t.claim.ours == ours]
        if of_part:
            lines += ["", *([title, ""] if title else [])]
            lines += [
                "| claim | where | verdict | after Holm | difference [interval] |",
                "|---|---|---|---|---|",
            ]
            lines += [_line(tested[name], together[name]) for name in of_part]
    others = [t.claim.text for name, t in tested.items() if name not in ran]
    if others:
        lines += ["", f"Not tested, as the tables do not run them: {'; '.join(others)}."]
    return "\n".join(lines) + "\n"


def _line(tested: ClaimTest, together: str) -> str:
    claim = tested.claim
    columns = dict.fromkeys(pair.column for pair in tested.pairs if pair.difference)
    parts = "<br>".join(part(tested.deciding(column)) for column in columns)
    return f"| {claim.text} | {claim.place} | **{tested.verdict}** | {together} | {parts} |"


def part(pair: Pair) -> str:
    """One comparison in words: column, effect with interval, rival."""
    d = pair.difference
    if d.seeds == 0:
        return f"{pair.column}: no seed but the search's"
    interval = f" [{d.low:+.2f}, {d.high:+.2f}]" if d.known else ""
    return f"{pair.column}: {d.effect:+.2f}{interval} against {pair.rival}"

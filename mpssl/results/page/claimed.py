"""The claims by what was found of them."""

from dataclasses import dataclass

from mpssl.results.claims import FAILS, HOLDS, NOT_RUN, OPEN, holm, part, tested_claim
from mpssl.results.records import Records

TITLES = {HOLDS: "Held", FAILS: "Did not hold", OPEN: "Undecided"}


@dataclass(frozen=True)
class Claimed:
    """A claim that was tested."""

    text: str
    place: str
    together: str
    """The verdict after Holm's correction for all claims that were tested."""
    parts: list[str]
    """Of each column, the comparison that decides."""


@dataclass(frozen=True)
class Claims:
    """All claims of an experiment."""

    groups: dict[str, list[Claimed]]
    """By title of what was found; a group without claims is left out."""
    not_tested: list[str]


def claims(records: Records) -> Claims | None:
    """The claims by what the runs say of them, or None if the configuration has none."""
    tested = {name: tested_claim(records, name) for name in records.experiment.config.claims}
    if not tested:
        return None
    together, groups = holm(tested), {}
    for found, title in TITLES.items():
        for name, test in tested.items():
            if test.verdict == found:
                columns = dict.fromkeys(pair.column for pair in test.pairs if pair.difference)
                parts = [part(test.deciding(column)) for column in columns]
                claimed = Claimed(test.claim.text, test.claim.place, together[name], parts)
                groups.setdefault(title, []).append(claimed)
    return Claims(groups, [t.claim.text for t in tested.values() if t.verdict == NOT_RUN])

"""Hostile input, made by hypothesis: `python -m tests.long.fuzz --examples 2000 --seed 0`.

Of each target it says how many inputs were accepted and refused, how many crashed (anything but a
result or a UserError of one line, or more than 20 seconds) and how many were accepted silently
although they were damaged or out of range. Exit code 1 if there is a crash or a silent acceptance.
"""

import argparse
import logging
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from mpssl.common.errors import UserError
from tests.support import hostile_config, hostile_files

TARGETS = {
    "configurations": hostile_config.configurations,
    "configuration files": hostile_config.configuration_files,
    "images": hostile_files.image_files,
    "image lists": hostile_files.image_lists,
    "model files": hostile_files.model_files,
}
TIMEOUT_S = 20
SHOWN = 5


@dataclass
class Tally:
    """What became of the inputs of one target."""

    accepted: int = 0
    refused: int = 0
    crashes: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        return self.accepted + self.refused + len(self.crashes) + len(self.silent)

    def judge(self, check: Callable[[object], str | None], case: object) -> None:
        """Count one input; `check` returns what is wrong with an accepted one, if anything."""
        signal.alarm(TIMEOUT_S)
        try:
            wrong = check(case)
        except UserError as error:
            self.refused += 1
            if len(str(error).splitlines()) != 1 or len(str(error)) > 2000:
                self.refused -= 1
                self.crashes.append(f"not one short line: {str(error)[:300]!r}; {case!r:.300}")
        except Exception as error:
            self.crashes.append(f"{type(error).__name__}: {error!s:.300}; {case!r:.300}")
        else:
            self.accepted += wrong is None
            self.silent += [] if wrong is None else [f"{wrong!s:.300}; {case!r:.300}"]
        finally:
            signal.alarm(0)


def run(
    cases: SearchStrategy, check: Callable[[object], str | None], examples: int, number: int
) -> Tally:
    """Check so many inputs, the same ones for the same number."""
    tally = Tally()

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def each(case: object) -> None:
        tally.judge(check, case)

    each()
    return tally


def tallies(examples: int, number: int, names: list[str]) -> dict[str, Tally]:
    """The tally of each target named."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {TIMEOUT_S} seconds")

    before = signal.signal(signal.SIGALRM, late)
    found = {}
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata
            logging.disable()
            for name in names:
                cases, check = TARGETS[name](Path(folder))
                found[name] = run(cases, check, examples, number)
    finally:
        signal.signal(signal.SIGALRM, before)
        logging.disable(logging.NOTSET)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=1000, help="inputs of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("targets", nargs="*", help=", ".join(TARGETS))
    options = parser.parse_args()
    bad = 0
    print(f"{'target':<20}{'inputs':>8}{'accepted':>10}{'refused':>9}{'crashes':>9}{'silent':>8}")
    for name in options.targets or TARGETS:
        start = time.monotonic()
        tally = tallies(options.examples, options.seed, [name])[name]
        print(
            f"{name:<20}{tally.inputs:>8}{tally.accepted:>10}{tally.refused:>9}"
            f"{len(tally.crashes):>9}{len(tally.silent):>8}   {time.monotonic() - start:.0f} s",
            flush=True,
        )
        for line in [*tally.crashes[:SHOWN], *tally.silent[:SHOWN]]:
            print(f"    {line}")
        bad += len(tally.crashes) + len(tally.silent)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())

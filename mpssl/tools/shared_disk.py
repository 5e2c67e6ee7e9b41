"""Whether compute nodes see what jobs need: a small job of each partition looks, and says so."""

import shlex
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mpssl.tools import slurm

PATIENCE_S = 120  # for a job to start and end
LOOK_S = 1  # between two looks at it
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL")
LIMITS = ("--ntasks=1", "--time=5", "--mem=500", "--chdir=/", "--output=/dev/null")
# Network disks may show a new file late: five looks, two seconds apart.
SEES = """\
sees() {
  for look in 1 2 3 4 5; do
    [ -e "$1" ] && return 0
    ls -a "$(dirname "$1")" > /dev/null 2>&1; sleep 2
  done
  return 1
}
"""


def one_a_disk(paths: Iterable[Path], known: Iterable[Path] = ()) -> list[Path]:
    """What is there of `paths`, or of the folders above those that are not: one on each disk.

    Args:
        paths: files and folders, which may be there or not.
        known: files and folders whose disks need no other.
    """

    @cache
    def there(path: Path) -> Path:
        return path.resolve() if path.exists() else there(path.parent)

    disks = {path.stat().st_dev: None for path in known}
    for path in dict.fromkeys(map(there, paths)):
        disks.setdefault(path.stat().st_dev, path)
    return [path for path in disks.values() if path]


@dataclass(frozen=True)
class Look:
    """What a job saw of the disk."""

    line: str
    well: bool = False
    """Whether it saw all."""


def look(where: Sequence[str], folders: Sequence[Path], files: Sequence[Path]) -> Look:
    """Let a short job look whether it sees folders, files and this environment.

    Args:
        where: options of sbatch that say where the job is to run, such as its partition.
        folders: in which jobs write; a marker is put in each, as a node may have its own folder
            of that name.
        files: what jobs read.

    Raises:
        UserError: SLURM's commands are not here, or it does not answer.
    """
    with _markers(folders) as markers:
        places = [*(marker.parent for marker in markers), *files]
        script = SEES
        for number, path in enumerate([*markers, *files], start=1):
            script += f"sees {shlex.quote(str(path))} || exit {number}\n"
        script += f"{shlex.quote(sys.executable)} -c 'import mpssl' || exit {len(places) + 1}\n"
        code, text = slurm.ask("sbatch", "--parsable", *where, *LIMITS, f"--wrap={script}")
        if code:
            return Look(f"no job could look at the disk: {slurm.message(text)}")
        facts = _ended(slurm.job_number(text))
        return _seen(facts, list(map(str, places)))


def _ended(job: str) -> dict[str, str]:
    """What SLURM says of a job when it has ended, or when patience has."""
    deadline = time.monotonic() + PATIENCE_S
    try:
        while True:
            facts = slurm.facts("job", job)
            if facts.get("JobState") in ENDED or time.monotonic() > deadline:
                return facts
            time.sleep(LOOK_S)
    finally:
        slurm.ask("scancel", job)


def _seen(facts: dict[str, str], places: Sequence[str]) -> Look:
    """What the exit code of a job says: 0, or the number of the place that it does not see."""
    place = f"{facts.get('BatchHost', 'a node')} of partition {facts.get('Partition', '')}"
    state, code = facts.get("JobState", ""), int(facts.get("ExitCode", "0").split(":")[0])
    if state == "COMPLETED":
        return Look(f"{place} sees {', '.join(places)} and the environment", well=True)
    shared = "put it on a disk that all nodes share"
    if state == "FAILED" and 0 < code <= len(places):
        return Look(f"{place} does not see {places[code - 1]}; {shared}")
    if state == "FAILED" and code == len(places) + 1:
        return Look(f"{place} cannot import mpssl with {sys.executable}; {shared}")
    reason = facts.get("Reason", "SLURM does not know it")
    return Look(f"not known whether nodes see the disk: a job that looks is {state} ({reason})")


@contextmanager
def _markers(folders: Sequence[Path]) -> Iterator[list[Path]]:
    """A new file in each folder that is there, each folder once; they are removed at the end."""
    name = f".preflight-{uuid.uuid4().hex}"
    markers = [path / name for path in dict.fromkeys(f.resolve() for f in folders if f.is_dir())]
    try:
        for marker in markers:
            marker.touch()
        yield markers
    finally:
        for marker in markers:
            with suppress(OSError):
                marker.unlink()

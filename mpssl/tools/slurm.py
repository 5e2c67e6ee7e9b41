"""What SLURM says of its partitions and nodes, by its own commands."""

import re
import subprocess
from collections import Counter
from dataclasses import dataclass

from mpssl.common.errors import UserError

TIMEOUT_S = 60  # of one question
UNLIMITED = ("UNLIMITED", "INFINITE", "NONE", "")
GONE = ("down", "drain", "drng", "fail", "maint", "boot", "unk", "inval")  # begin such states
NOT_NOW = ("*", "$")  # end the state of a node that does not answer, or is under maintenance


def ask(*command: str) -> tuple[int, str]:
    """The exit code of a command, and what it printed.

    Raises:
        UserError: there is no such command here, or it did not answer.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
        )
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not here; run it on a login node of SLURM") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"SLURM did not answer in {TIMEOUT_S} s: {command[0]}") from None
    return done.returncode, done.stdout.strip()


def message(text: str) -> str:
    """SLURM's own words in one line, without the command's name."""
    lines = (re.sub(r"^(sbatch: )?(error: )?", "", line).strip() for line in text.splitlines())
    return "; ".join(line for line in lines if line) or "(no reason given)"


def job_number(text: str) -> str:
    """The number of a job in what `sbatch --parsable` prints: its last line, without a cluster."""
    return text.splitlines()[-1].split(";")[0]


@dataclass(frozen=True)
class Node:
    """One node of a partition."""

    name: str
    state: str
    memory_mb: int
    cpus: int
    gres: str
    reason: str
    """Why it is not to be used, by whoever took it away."""

    @property
    def gone(self) -> bool:
        """Whether nothing starts there now."""
        return self.state.startswith(GONE) or self.state.endswith(NOT_NOW)


def nodes(partition: str) -> list[Node]:
    """The nodes of a partition; none if it does not exist."""
    form = "%N|%t|%m|%c|%G|%E"
    code, text = ask("sinfo", "--noheader", "--Node", f"--partition={partition}", f"-o{form}")
    found = []
    for line in text.splitlines() if code == 0 else []:
        if len(parts := line.split("|", 5)) == 6:
            name, state, memory, cpus, gres, reason = parts
            found.append(Node(name, state, _number(memory), _number(cpus), gres, reason))
    return found


def _number(text: str) -> int:
    """A number of sinfo, which adds a plus where nodes differ."""
    return int(re.match(r"\d*", text)[0] or 0)


def partitions() -> list[str]:
    """All partitions that the user may see."""
    code, text = ask("sinfo", "--noheader", "--format=%R")
    return sorted(set(text.split())) if code == 0 else []


def facts(kind: str, name: str) -> dict[str, str]:
    """What `scontrol show` says of a partition or job, by its names; nothing if there is none."""
    code, text = ask("scontrol", "--oneliner", "show", kind, name)
    return {} if code else dict(part.partition("=")[::2] for part in text.split() if "=" in part)


def gres_counts(text: str) -> Counter[tuple[str, str]]:
    """How many of each name and type a gres text has, such as `gpu:a100:4(S:0-1),gpu:2`."""
    counts: Counter[tuple[str, str]] = Counter()
    for item in re.sub(r"\([^)]*\)", "", text).split(","):
        name, *rest = item.split(":")
        number = int(rest.pop()) if rest and rest[-1].isdigit() else 1
        if name:
            counts[name, rest[0] if rest else ""] += number
    return counts


def has_gres(node: Node, wanted: str) -> bool:
    """Whether a node has what a gres text asks for; without a type any will do."""
    there = gres_counts(node.gres)
    return all(
        sum(there[key] for key in there if key[0] == name and kind in ("", key[1])) >= number
        for (name, kind), number in gres_counts(wanted).items()
    )


def minutes(text: str) -> float | None:
    """A time of SLURM in minutes: `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S`; None: no limit.

    Raises:
        ValueError: it is no such time.
    """
    if text.upper() in UNLIMITED:
        return None
    days, dash, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, mins, seconds = (parts + [0, 0])[:3]
        return int(days) * 1440 + hours * 60 + mins + seconds / 60
    if len(parts) == 3:
        return parts[0] * 60 + parts[1] + parts[2] / 60
    return parts[0] + (parts[1] / 60 if len(parts) == 2 else 0)

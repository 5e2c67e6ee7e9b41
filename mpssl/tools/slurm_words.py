"""SLURM's words for what is wrong with a job, and the key of the profile that each is about."""

import getpass
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from mpssl.common.errors import UserError, one_line
from mpssl.tools import slurm

# Options of sbatch, and the key of the profile that sets each.
KEYS = {
    "-p": "slurm_partition",
    "-A": "slurm_account",
    "-t": "runtime",
    "-C": "constraint",
    "--qos": "qos",
    "--mem": "mem_mb",
    "--mem-per-cpu": "mem_mb_per_cpu",
    "--gpus": "gpu",
    "--gres": "gres",
    "--cpus-per-task": "threads",
    "--cpus-per-gpu": "cpus_per_gpu",
    "--ntasks": "tasks",
    "--nodes": "nodes",
    "--clusters": "slurm_cluster",
    "--reservation": "slurm-reservation",
}
WHERE = ("-p", "-A", "--qos", "--clusters", "--reservation")
# What SLURM or its executor calls them; the first that is in a message counts.
WORDS = {
    "wallduration": "runtime or qos",
    "time limit": "runtime",
    "timelimit": "runtime",
    "account not permitted": "slurm_account",
    "partitionconfig": "slurm_partition",
    "partition specified": "slurm_partition",
    "partition name": "slurm_partition",
    "use this partition": "slurm_partition",
    "partition configuration": "slurm_partition",
    "policy": "qos or slurm_account",
    "account": "slurm_account",
    "qos": "qos",
    "feature": "constraint",
    "reservation": "slurm-reservation",
    "gres": "gpu, gpu_model or gres",
    "cluster": "slurm_cluster",
    "unrecognized option": "slurm_extra",
    "slurm_extra": "slurm_extra",
    "memory": "mem_mb",
    "maxmem": "mem_mb",
    "processors": "threads",
    "cpu count": "threads",
    "node count": "nodes",
}
# What SLURM says if a later try may go well.
PASSING = ("policy", "contact slurm controller", "timed out", "temporarily", "zero bytes")


@dataclass(frozen=True)
class Asked:
    """What one kind of job asks for, as `sbatch` reads it."""

    command: tuple[str, ...]

    @cached_property
    def options(self) -> dict[str, str]:
        """Values by the profile's keys."""
        found, words = {}, iter(self.command)
        for word in words:
            name, equals, value = word.partition("=")
            if name in KEYS:
                found[KEYS[name]] = value if equals else next(words, "")
        return found

    def number(self, key: str) -> int:
        """A value as a number; 0 if it is none."""
        value = self.options.get(key, "")
        return int(value) if value.isdigit() else 0

    @property
    def where(self) -> tuple[str, ...]:
        """The options that say in which part of the cluster, and for whom, it runs."""
        flags = {KEYS[flag]: flag for flag in WHERE}
        return tuple(
            f"{flag}{self.options[key]}" if len(flag) == 2 else f"{flag}={self.options[key]}"
            for key, flag in flags.items()
            if key in self.options
        )

    @property
    def gres(self) -> str:
        """The GPUs and other gres of a node, as a text of gres."""
        gpus = self.options.get("gpu")
        return ",".join(filter(None, [gpus and f"gpu:{gpus}", self.options.get("gres")]))

    def lacks(self, node: slurm.Node) -> list[str]:
        """The keys by which a node has too little."""
        lacking = []
        if self.number("mem_mb") > node.memory_mb:
            lacking.append("mem_mb")
        if self.number("threads") > node.cpus:
            lacking.append("threads")
        if not slurm.has_gres(node, self.gres):
            model = ":" in self.options.get("gpu", "")
            lacking.append("gpu_model" if model else "gpu" if "gpu" in self.options else "gres")
        return lacking


def remedy(reason: str, asked: Asked | None = None) -> str:
    """The key to change for a reason in SLURM's words."""
    key = next((key for words, key in WORDS.items() if words in reason.lower()), None)
    if key is None:
        given = asked.options.items() if asked else ()
        return f"It asks for {', '.join(map(' '.join, given))}." if given else ""
    change = f"Change {key} in the profile"
    if key == "slurm_partition":
        return f"{change}; `sinfo` has {', '.join(slurm.partitions()) or 'none'}."
    if key == "slurm_account":
        user = getpass.getuser()
        return f"{change}; `sacctmgr show associations user={user}` lists yours."
    return f"{change}."


def passes(reason: str) -> bool:
    """Whether a later try may go well without a change."""
    return any(words in reason.lower() for words in PASSING)


class Reasons:
    """Why SLURM did not run jobs: each reason is told when it is met first, and at the end."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], str] = {}
        self._lock = Lock()  # the executor submits in threads

    def tell(self, job: str, reason: str, log: str) -> None:
        """Print why the executor gave a job up, if that is new."""
        words = own_words(reason)
        with self._lock:
            if (job, words) not in self.lines:
                line = one_line(f"mpssl: error: {job}: {words}. {_remedy_now(words)}")
                self.lines[job, words] = f"{line} (log: {log})" if log else line
                print(self.lines[job, words], file=sys.stderr, flush=True)

    def tell_all(self) -> None:
        """Print all reasons again."""
        for line in self.lines.values():
            print(line, file=sys.stderr, flush=True)


def _remedy_now(words: str) -> str:
    try:
        return remedy(words)
    except UserError:  # SLURM does not answer
        return ""


def own_words(reason: str) -> str:
    """SLURM's words in what its executor says of a job; they are the same for many jobs."""
    quoted = re.search(r"error message was '(.*?)'\.\n", reason, re.DOTALL)
    words = slurm.message(quoted[1]) if quoted else reason.split("\n    sbatch call:")[0]
    return re.sub(r"^SLURM-job '\S+' failed, ", "", words).rstrip(".")

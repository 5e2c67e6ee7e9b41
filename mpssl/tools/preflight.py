"""Which kinds of jobs SLURM would not start, why, and the key to change: asked before they wait."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpssl.common.errors import UserError, one_line
from mpssl.compat.slurm import Submission
from mpssl.tools import shared_disk, slurm
from mpssl.tools.slurm_words import Asked, passes, remedy

SWITCH = "MPSSL_PREFLIGHT"  # a variable: `off` asks nothing, `only` ends after the report
TARGET = "preflight"  # a rule of this workflow alone
# Begin the reasons to wait that say nothing against a job.
PATIENT = ("BeginTime", "Priority", "Resources", "None", "(", "Nodes required", "ReqNodeNotAvail")


@dataclass(frozen=True)
class Finding:
    """Why SLURM would not start a job."""

    reason: str
    """SLURM's own words."""
    remedy: str
    """What to change, as a sentence; may be empty."""
    lasting: bool = True
    """Whether only a change helps, and not time."""


def check(submissions: Iterable[Submission], queue: bool = False) -> dict[Finding, list[str]]:
    """The kinds of jobs that would not start, by the reason why not; empty if all would.

    Args:
        submissions: the kinds of jobs.
        queue: whether to put one job of each kind into the queue as well, for a moment, to read
            why it waits there: limits of accounts and of a QOS are seen in no other way.

    Raises:
        UserError: SLURM's commands are not here, or it does not answer.
    """
    found = defaultdict(list)
    for submission in submissions:
        finding = _check(submission) or (_queue_says(submission.command) if queue else None)
        if finding and submission.jobs not in found[finding]:
            found[finding].append(submission.jobs)
    return dict(found)


def _check(submission: Submission) -> Finding | None:
    if submission.refused:
        return Finding(slurm.message(submission.refused), remedy(submission.refused))
    code, text = slurm.ask(*submission.command, "--test-only", "--wrap=true")
    asked = Asked(submission.command)
    if code == 0:
        return _waits_for_ever(asked)
    reason = slurm.message(text)
    return _no_node(asked, reason) or Finding(reason, remedy(reason, asked), not passes(reason))


def _no_node(asked: Asked, reason: str) -> Finding | None:
    """What the nodes of the partition are too small for, or that those that fit are away."""
    partition = asked.options.get("slurm_partition", "")
    if "node configuration" not in reason.lower() or not partition:
        return None
    nodes = slurm.nodes(partition)
    lacking = [asked.lacks(node) for node in nodes]
    away = [node for node, lacks in zip(nodes, lacking, strict=True) if node.gone and not lacks]
    if away:
        states = ", ".join(f"{node.name} {node.state} ({node.reason})" for node in away[:3])
        return Finding(reason, f"Nodes that fit are not to be had now: {states}.", lasting=False)
    keys = [key for key in dict.fromkeys(sum(lacking, [])) if all(key in each for each in lacking)]
    if not keys:
        return None
    has = {
        "mem_mb": f"{max(node.memory_mb for node in nodes)}",
        "threads": f"{max(node.cpus for node in nodes)}",
    }
    gres = ", ".join(sorted({node.gres for node in nodes})).replace("(null)", "none")
    wants = asked.options | {"gpu_model": asked.options.get("gpu", "")}
    changes = [
        f"{key} in the profile: {wants[key]} wanted, nodes of {partition} have {has.get(key, gres)}"
        for key in keys
    ]
    return Finding(reason, f"Change {'; '.join(changes)}.")


def _waits_for_ever(asked: Asked) -> Finding | None:
    """What `sbatch --test-only` lets pass, and the queue does not."""
    found = [
        _partition_waits(asked, name)
        for name in filter(None, asked.options.get("slurm_partition", "").split(","))
    ]
    return found[0] if found and all(found) else None  # one partition of several is enough


def _partition_waits(asked: Asked, name: str) -> Finding | None:
    facts = slurm.facts("partition", name)
    try:
        limit = slurm.minutes(facts.get("MaxTime", ""))
        runtime = slurm.minutes(asked.options.get("runtime", ""))
    except ValueError:  # a time that SLURM understands and we do not
        limit = runtime = None
    if limit is not None and runtime is not None and runtime > limit:
        # A QOS may allow more than the partition does.
        return Finding(
            "it would wait for ever (PartitionTimeLimit)",
            f"Change runtime in the profile: {runtime:g} minutes wanted, {name} allows {limit:g}.",
            lasting="qos" not in asked.options,
        )
    memory = facts.get("MaxMemPerNode", "")
    if memory.isdigit() and asked.number("mem_mb") > int(memory):
        return Finding(
            "it would wait for ever (MaxMemPerLimit)",
            f"Change mem_mb in the profile: {asked.options['mem_mb']} wanted,"
            f" {name} allows {memory}.",
        )
    state = facts.get("State", "UP")
    if state != "UP":
        return Finding(f"partition {name} is {state}", "It starts when that ends.", lasting=False)
    return None


def _queue_says(command: tuple[str, ...]) -> Finding | None:
    """Why a job that may not start for an hour waits, as SLURM says when it takes the job.

    SLURM soon says of each such job that its time has not come: then nothing is known.
    """
    code, text = slurm.ask(*command, "--begin=now+1hour", "--wrap=true")
    if code:
        return Finding(slurm.message(text), remedy(text), not passes(text))
    job = slurm.job_number(text)
    try:
        code, reason = slurm.ask("squeue", "--noheader", f"--jobs={job}", "--format=%r")
    finally:
        slurm.ask("scancel", job)
    if code or reason.startswith(PATIENT):
        return None
    return Finding(f"it would wait ({reason})", remedy(reason), lasting=False)


def lines(found: dict[Finding, list[str]]) -> list[str]:
    """Each finding as one line."""
    return [
        one_line(f"{', '.join(jobs)} would not start: {finding.reason}. {finding.remedy}")
        for finding, jobs in found.items()
    ]


def check_start(submissions: list[Submission]) -> None:
    """Say which jobs of a start would not run, and stop it if time alone does not mend that.

    Raises:
        UserError: jobs would never start.
    """
    found = check(submissions)
    for line in lines(found):
        print(f"mpssl: preflight: {line}", file=sys.stderr, flush=True)
    if any(finding.lasting for finding in found):
        raise UserError(
            "SLURM would not start these jobs, so nothing was submitted;"
            f" {SWITCH}=off submits them all the same"
        )


def report(
    submissions: list[Submission], written: Iterable[Path], read: Iterable[Path]
) -> tuple[list[str], bool]:
    """Lines of what would not start and what nodes do not see, and whether all is well.

    Args:
        submissions: the kinds of jobs.
        written: files that jobs write.
        read: files and folders that jobs read.

    Raises:
        UserError: SLURM's commands are not here, or it does not answer.
    """
    found = check(submissions, queue=True)
    kinds = {submission.jobs for submission in submissions}
    good = len(kinds - {job for jobs in found.values() for job in jobs})
    said = [*lines(found), f"{good} of {len(kinds)} kinds of jobs would start"]
    folders = shared_disk.one_a_disk([Path(), *written])
    files = shared_disk.one_a_disk(read, known=folders)
    places = dict.fromkeys(Asked(each.command).where for each in submissions if each.command)
    looks = [shared_disk.look(where, folders, files) for where in places]
    return said + [look.line for look in looks], not found and all(look.well for look in looks)


def start_snakemake(profile: Path, arguments: Sequence[str]) -> int:
    """Let Snakemake plan the jobs of `profile` and end with `report`; returns the exit code."""
    command = [sys.executable, "-m", "snakemake", TARGET, "--workflow-profile", str(profile)]
    others = ["--nolock", "--quiet", "host", "rules", "reason", "progress"]
    variables = os.environ | {SWITCH: "only"}
    return subprocess.run([*command, *arguments, *others], env=variables, check=False).returncode

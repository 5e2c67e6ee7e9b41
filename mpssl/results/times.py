"""Wall time of each stage, from the benchmark files that Snakemake writes: one a job, its last."""

import csv
from collections import defaultdict
from dataclasses import dataclass

from mpssl.common.columns import aligned
from mpssl.plan.experiment import Experiment

OF_ALL_STARTS = (
    "Of each job its last run, in whichever start of snakemake; began and ended count from the "
    "first job."
)


@dataclass(frozen=True)
class Stage:
    """The jobs of one stage in all starts, each as it ran last; all times in seconds.

    `began` and `ended` are after the first job, so that pauses between starts are in them.
    """

    name: str
    jobs: int
    seconds: float
    began: float
    ended: float


def stage_times(experiment: Experiment) -> list[Stage]:
    """The stages in the order in which they began."""
    folder, spans = experiment.paths.benchmarks, defaultdict(list)
    for path in folder.rglob("*.tsv"):
        with open(path, newline="") as file:
            seconds = sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
        end = path.stat().st_mtime
        spans[path.relative_to(folder).parts[0]].append((end - seconds, end, seconds))
    first = min((start for jobs in spans.values() for start, _, _ in jobs), default=0)
    stages = [
        Stage(
            name,
            len(jobs),
            sum(seconds for _, _, seconds in jobs),
            min(start for start, _, _ in jobs) - first,
            max(end for _, end, _ in jobs) - first,
        )
        for name, jobs in spans.items()
    ]
    return sorted(stages, key=lambda stage: stage.began)


def print_times(experiment: Experiment) -> None:
    """Print, for each stage, its jobs, their summed seconds, and from when to when it ran."""
    stages = stage_times(experiment)
    if not stages:
        return
    rows = [("stage", "jobs", "job time (s)", "began (s)", "ended (s)")]
    rows += [
        (s.name, str(s.jobs), f"{s.seconds:.1f}", f"{s.began:.0f}", f"{s.ended:.0f}")
        for s in stages
    ]
    print(f"{aligned(rows)}\n{OF_ALL_STARTS}")

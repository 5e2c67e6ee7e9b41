"""Wall time of each stage, from the benchmark files that Snakemake writes."""

import csv
from collections import defaultdict

from mpssl.config import Config
from mpssl.paths import Paths


def print_times(config: Config) -> None:
    """Print, for each stage, its jobs, their summed seconds, and from when to when it ran."""
    spans = defaultdict(list)
    for path in Paths(config).benchmarks.rglob("*.tsv"):
        with open(path, newline="") as file:
            seconds = sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
        end = path.stat().st_mtime
        stage = path.relative_to(Paths(config).benchmarks).parts[0]
        spans[stage].append((end - seconds, end, seconds))
    if not spans:
        return
    first = min(start for jobs in spans.values() for start, _, _ in jobs)
    print(f"{'stage':<20}{'jobs':>6}{'job seconds':>14}{'began':>9}{'ended':>9}   (seconds)")
    for stage, jobs in sorted(spans.items(), key=lambda item: min(item[1])):
        began = min(start for start, _, _ in jobs) - first
        ended = max(end for _, end, _ in jobs) - first
        total = sum(seconds for _, _, seconds in jobs)
        print(f"{stage:<20}{len(jobs):>6}{total:>14.1f}{began:>9.0f}{ended:>9.0f}")

"""What failed since Snakemake's last start, from the jobs' logs."""

from pathlib import Path

from mpssl.plan.experiment import Experiment
from mpssl.plan.index import Index
from mpssl.tools.status import error_in


def failures(experiment: Experiment) -> list[tuple[Path, str]]:
    """Logs that end in an error and were written since the last start, each with its cause.

    The resolved configuration is written at each start, so that its time is the start's.
    """
    paths = experiment.paths
    started = paths.resolved_config.stat().st_mtime_ns
    logs = [log for log in paths.logs.rglob("*.log") if log.stat().st_mtime_ns >= started]
    causes = [(log, error_in(log)) for log in sorted(logs)]
    return [(log, cause) for log, cause in causes if cause]


def failures_text(experiment: Experiment) -> str:
    """Each failed job's cause in one line, then what it is and its log's path."""
    started = experiment.paths.resolved_config
    if not started.exists():
        return f"nothing was started yet: {started} is not there"
    found = failures(experiment)
    if not found:
        return ""
    index, logs, lines = Index(experiment), experiment.paths.logs, []
    things = {**index.runs, **index.chosen, **index.searches}
    for log, cause in found:
        name = str(log.relative_to(logs)).removesuffix(".log")
        if log.stem in things:
            name = f"{log.parent.name} {things[log.stem].id}"
        lines += [f"mpssl: error: {cause}", f"  {name}: {log}"]
    return "\n".join(lines)

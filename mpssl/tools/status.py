"""What an experiment is doing, read from its files alone: on this machine or a shared disk."""

import socket
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import psutil
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mpssl.common.errors import UserError
from mpssl.common.files import read_json
from mpssl.plan.cells import Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.paths import RunFiles
from mpssl.plan.recipes import stale
from mpssl.results.records import read_record

DONE, RUNNING, WAITING, SILENT, FAILED = "done", "running", "waiting", "silent", "failed"
COLOURS = {DONE: "green", RUNNING: "cyan", WAITING: "white", SILENT: "yellow", FAILED: "red"}
PATIENCE_S = 300  # without a heartbeat, before a run counts as silent
PATIENCE_EPOCHS = 4  # or as many epochs, where they are longer
REFRESH_S = 2
SHOWN = 12  # lines a state


@dataclass(frozen=True)
class RunStatus:
    """One run; numbers are None where nothing is known of them. Times in seconds."""

    run: Run
    state: str
    epoch: int = 0
    epochs: int = 0
    val_accuracy: float | None = None
    """Percent, the best so far."""
    left_s: float | None = None
    quiet_s: float = 0
    message: str = ""
    seconds: float | None = None
    """Of training, where the run is done."""


def survey(experiment: Experiment, now: float) -> list[RunStatus]:
    """The state of each run that the wanted tables and figures need, in the plan's order."""
    plan = experiment.plan
    return [run_status(experiment, run, now) for run in plan.runs(plan.wanted_cells())]


def run_status(experiment: Experiment, run: Run, now: float) -> RunStatus:
    """Done: its record is there. Failed: its log ends in an error, newer than its heartbeat.

    Running: a heartbeat not older than `PATIENCE_S` or `PATIENCE_EPOCHS`, of a process that lives
    if it is of this machine. Silent: an older one, or its process has gone.
    """
    paths = experiment.paths
    try:
        record = read_record(experiment, run)
    except UserError as error:
        return RunStatus(run, FAILED, message=str(error))
    if record is not None:
        return RunStatus(run, DONE, seconds=record.seconds)
    beat = _heartbeat(paths.run(run))
    log, error = paths.train_log(run), ""
    if log.exists() and (beat is None or log.stat().st_mtime >= beat["time"]):
        error = error_in(log)
    if beat is None:
        return RunStatus(run, FAILED if error else WAITING, message=error)
    epoch_s = beat["seconds"] / beat["epoch"] if beat["epoch"] else None
    quiet = max(0.0, now - beat["time"])
    patience = max(PATIENCE_S, PATIENCE_EPOCHS * (epoch_s or 0))
    state = RUNNING if quiet <= patience and _lives(beat) else SILENT
    return RunStatus(
        run,
        FAILED if error else state,
        beat["epoch"],
        beat["epochs"],
        beat["best_val_accuracy"],
        max(0.0, (beat["epochs"] - beat["epoch"]) * epoch_s - quiet) if epoch_s else None,
        quiet,
        error,
    )


def _heartbeat(files: RunFiles) -> dict | None:
    try:
        return read_json(files.progress)
    except (OSError, ValueError):
        return None


def error_in(log: Path) -> str:
    """The last line of a log that tells of an error, or nothing."""
    lines = log.read_text(errors="replace").splitlines()[-40:]
    for line in reversed(lines):
        if line.startswith("mpssl: error: "):
            return line.removeprefix("mpssl: error: ")
    traceback = any(line.startswith("Traceback (most recent call last)") for line in lines)
    return lines[-1] if traceback else ""


def _lives(beat: dict) -> bool:
    """Whether the process may be alive; that of another machine may always."""
    return beat["host"] != socket.gethostname() or psutil.pid_exists(beat["pid"])


def work_left(statuses: list[RunStatus]) -> float | None:
    """Seconds of training left, each run as long as the finished ones of its method, if any."""
    known = defaultdict(list)
    for s in statuses:
        if s.seconds is not None:
            known[s.run.cell.row].append(s.seconds)
    everything = [value for values in known.values() for value in values]
    if not everything:
        return None
    total = 0.0
    for s in statuses:
        if s.state == RUNNING and s.left_s is not None:
            total += s.left_s
        elif s.state != DONE:
            total += fmean(known.get(s.run.cell.row, everything))
    return total


def show(experiment: Experiment, watch: bool) -> None:
    """Print the status once, or keep it in place until every run is done."""
    console = Console()
    if not watch:
        # The terminal wraps, so that a path is whole where it is copied or piped from here.
        console.print(render(experiment, survey(experiment, time.time())), soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            statuses = survey(experiment, time.time())
            live.update(render(experiment, statuses), refresh=True)
            if all(s.state == DONE for s in statuses):
                return
            time.sleep(REFRESH_S)


def render(experiment: Experiment, statuses: list[RunStatus]) -> Group:
    """The status as lines that fit 80 columns."""
    counts = Counter(s.state for s in statuses)
    head = Text.assemble((experiment.config.experiment, "bold"), f"  {len(statuses)} runs: ")
    for state in (DONE, RUNNING, WAITING, SILENT, FAILED):
        if counts[state] or state in (DONE, RUNNING, WAITING):
            head.append(f"{counts[state]} {state}  ", style=COLOURS[state])
    bar = ProgressBar(max(1, len(statuses)), counts[DONE], width=78)
    parts = [head, bar, Text("")]  # the bar itself does not end its line
    old = stale(experiment)
    if old:
        parts.append(Text(f"stale, of other runs or settings: {', '.join(old)}", style="yellow"))
    left = work_left(statuses)
    if left and counts[RUNNING]:
        hours = duration(left / counts[RUNNING])
        parts.append(Text(f"about {hours} left with {counts[RUNNING]} at a time", style="dim"))
    for state in (RUNNING, SILENT, FAILED):
        lines = [s for s in statuses if s.state == state]
        if lines:
            failed = state == FAILED
            parts += _failures(experiment, lines) if failed else [_trainings(lines, state)]
        if len(lines) > SHOWN:
            parts.append(Text(f"  and {len(lines) - SHOWN} more", style="dim"))
    return Group(*parts)


def _trainings(statuses: list[RunStatus], state: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style=f"bold {COLOURS[state]}", width=78)
    table.add_column(state, ratio=1, overflow="fold")
    for title in ("epoch", "best val", "left" if state == RUNNING else "silent for"):
        table.add_column(title, justify="right", no_wrap=True)
    for s in statuses[:SHOWN]:
        accuracy = "–" if s.val_accuracy is None else f"{s.val_accuracy:.1f} %"
        when = s.left_s if state == RUNNING else s.quiet_s
        table.add_row(_name(s.run), f"{s.epoch}/{s.epochs}", accuracy, duration(when))
    return table


def _failures(experiment: Experiment, statuses: list[RunStatus]) -> list[Text]:
    """The failed runs: which, why, and where more is to be read."""
    lines = [Text(FAILED, style=f"bold {COLOURS[FAILED]}")]
    for s in statuses[:SHOWN]:
        lines += [Text(_name(s.run)), Text(f"  {s.message}", style="red")]
        log = experiment.paths.train_log(s.run)
        if log.exists():
            lines.append(Text(f"  {log}", style="dim"))
    return lines


def _name(run: Run) -> str:
    """A run in few characters: what is default in most is left out."""
    cell = run.cell
    method = cell.method if cell.variant == "default" else f"{cell.method}/{cell.variant}"
    return (
        f"{cell.dataset} {cell.fraction}% {cell.setting}/{method} {cell.architecture} "
        f"λ={run.lambda_} seed {run.seed}"
    )


def duration(seconds: float | None) -> str:
    """Seconds in the two largest units that fit."""
    if seconds is None:
        return "–"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"

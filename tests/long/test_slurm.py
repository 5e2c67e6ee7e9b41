"""The small pipeline through a real SLURM: GPUs are shared, and what goes wrong is survived.

One pipeline for all tests here. Three of its training jobs are disturbed after their first epoch:
one is killed, one is cancelled, one is held until its time is over. Each must be submitted again,
go on from its checkpoint, and end with the numbers of the undisturbed pipeline.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.pipeline import copy_workflow, environment, results
from tests.support.slurm_cluster import GPUS, Cluster, cluster, missing

ABSENT = missing()
REQUIRED = os.environ.get("MPSSL_REQUIRE_SLURM")  # set where a skip would be a failure
RUNS = "results/small/runs/digits/50"
KILLED = "generative/naive_gssl/default/resnet8/lambda-0.5/seed-100"
CANCELLED = "generative/mpssl/default/resnet8/lambda-0.5/seed-100"
TIMED_OUT = "base/base/default/resnet8/lambda-0/seed-0"
SLICE_S = 0.05
# Snakemake that asks for its jobs every two seconds. The executor lets a check that finds none
# finished be followed by one ten seconds later than the last, up to three minutes.
SNAKEMAKE = """
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

every = property(lambda self: 2, lambda self, seconds: None)
RemoteExecutor.next_seconds_between_status_checks = every
main()
"""
LIMIT_S = 600  # of the whole pipeline; 390 s were seen at a load of 14 on two cores

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(ABSENT) and not REQUIRED, reason=f"SLURM: {ABSENT}"),
]


@dataclass
class Finished:
    """What the pipeline left, and what was seen while it ran."""

    folder: Path
    output: str
    jobs: list[dict[str, str]]
    disturbed: dict[str, str]
    """SLURM's job by run."""
    waiting: set[str] = field(default_factory=set)
    """Why GPU jobs were pending while all GPUs were taken."""


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory) -> Finished:
    assert not ABSENT, ABSENT
    folder = copy_workflow(tmp_path_factory.mktemp("slurm"))
    # Inputs are made once, but for the split.
    for name in ("packed", "generators", "classifiers"):
        shutil.copytree(small / "store" / name, folder / "store" / name)
    with cluster(tmp_path_factory.mktemp("cluster")) as started:
        return run_disturbed(started, folder)


def run_disturbed(started: Cluster, folder: Path) -> Finished:
    """Run the pipeline through SLURM, and disturb the three runs."""
    snakemake = [sys.executable, "-c", SNAKEMAKE, "--workflow-profile", "profiles/slurm"]
    command = [*snakemake, "--configfile", "small.yaml", "--latency-wait", "5"]
    with open(folder / "output.log", "w") as log:
        process = subprocess.Popen(
            started.command("timeout", "-k", "10", str(LIMIT_S), *command, folder=folder),
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    found, ended = Finished(folder, "", [], {}), threading.Event()
    actions = {TIMED_OUT: time_out, KILLED: kill, CANCELLED: cancel}
    with ThreadPoolExecutor(len(actions)) as pool:
        try:
            disturbed = {
                run: pool.submit(disturb, started, folder, run, action, ended)
                for run, action in actions.items()
            }
            while process.poll() is None:
                found.waiting |= reasons_to_wait(started)
                time.sleep(1)
            found.jobs = started.jobs()
        finally:
            ended.set()
            process.terminate()
    found.output = (folder / "output.log").read_text()
    assert process.returncode == 0, found.output[-6000:]
    found.disturbed = {run: job.result() for run, job in disturbed.items()}
    return found


# ------------------------------------------------------------------------------------ disturbances


def trainer_of(folder: Path, run: str) -> int | None:
    """The process that trains a run, if there is one."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            if (
                words[1:4] != [b"-m", b"mpssl", b"train"]
                or f"digits/50/{run}".encode() not in words
            ):
                continue
            if (path / "cwd").resolve() == folder.resolve():
                return int(path.name)
        except OSError:  # it has ended
            continue
    return None


def disturb(
    started: Cluster, folder: Path, run: str, action: Callable, ended: threading.Event
) -> str:
    """Stop the run's process after its first epoch and disturb it; returns its SLURM job."""
    while not (trainer := trainer_of(folder, run)):
        assert not ended.is_set(), f"{run} has not been seen"
        time.sleep(SLICE_S)
    variables = Path(f"/proc/{trainer}/environ").read_text()
    job = re.search(r"\0SLURM_JOB_ID=(\d+)", variables)[1]
    while not has_ended_an_epoch(log_of(folder, run)):
        assert not ended.is_set(), f"{run} has not ended an epoch"
        os.kill(trainer, signal.SIGCONT)
        time.sleep(SLICE_S)
        os.kill(trainer, signal.SIGSTOP)
    assert "epoch   3/" not in log_of(folder, run).read_text(), "too late to disturb it"
    action(started, job, trainer)
    return job


def log_of(folder: Path, run: str) -> Path:
    """The log of a run that has begun: it is called as the run's folder in the store."""
    return folder / f"results/small/logs/train/{(folder / RUNS / run).resolve().name}.log"


def has_ended_an_epoch(log: Path) -> bool:
    return log.exists() and bool(re.search(r"^epoch +1/", log.read_text(), re.MULTILINE))


def kill(started: Cluster, job: str, trainer: int) -> None:
    os.kill(trainer, signal.SIGKILL)


def cancel(started: Cluster, job: str, trainer: int) -> None:
    started.run("scancel", job)


def time_out(started: Cluster, job: str, trainer: int) -> None:
    started.run("scontrol", "update", f"JobId={job}", "TimeLimit=1")


def reasons_to_wait(started: Cluster) -> set[str]:
    """Reasons of pending GPU jobs while all GPUs are in use."""
    jobs = [job for job in started.jobs() if is_gpu_job(job)]
    running = sum(job["JobState"] == "RUNNING" for job in jobs)
    assert running <= GPUS
    waiting = {job["Reason"] for job in jobs if job["JobState"] == "PENDING"}
    return waiting if running == GPUS else set()


def is_gpu_job(job: dict[str, str]) -> bool:
    return "gpu" in job.get("TresPerJob", "")


# -------------------------------------------------------------------------------------------- tests


def test_results_equal_the_undisturbed_ones(finished, small):
    assert results(finished.folder, "small") == results(small, "small")
    table = "results/small/tables/table1.csv"
    assert (finished.folder / table).read_text() == (small / table).read_text()


def test_gpu_jobs_never_exceed_the_gpus(finished):
    jobs = [job for job in finished.jobs if is_gpu_job(job)]
    assert len(jobs) == 8 + 3  # runs, and the disturbed ones again
    assert most_at_once(spans(jobs)) == GPUS
    assert "Resources" in finished.waiting


def spans(jobs: list[dict[str, str]]) -> Iterator[tuple[datetime, datetime]]:
    for job in jobs:
        yield datetime.fromisoformat(job["StartTime"]), datetime.fromisoformat(job["EndTime"])


def most_at_once(spans: Iterator[tuple[datetime, datetime]]) -> int:
    """Most spans that any instant lies in; of two in the same second the end comes first."""
    events = sorted(event for start, end in spans for event in ((start, 1), (end, -1)))
    running = most = 0
    for _, change in events:
        running += change
        most = max(most, running)
    return most


@pytest.mark.parametrize(
    ("run", "state"),
    [(KILLED, "FAILED"), (CANCELLED, "CANCELLED"), (TIMED_OUT, "TIMEOUT")],
    ids=["kill -9", "scancel", "time-out"],
)
def test_a_disturbed_job_is_submitted_again_and_goes_on(finished, run, state):
    jobs = {job["JobId"]: job for job in finished.jobs}
    assert jobs[finished.disturbed[run]]["JobState"] == state
    log = log_of(finished.folder, run)
    assert re.match(r"resuming after epoch [12]", log.read_text())


def test_short_jobs_share_submissions(finished):
    comments = [job["Comment"] for job in finished.jobs]
    for group in ("select", "results"):  # lambda of two cells; table, figure, runs and claims
        assert sum(comment.startswith(f"rule_{group}") for comment in comments) == 1, comments

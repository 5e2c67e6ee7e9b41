"""The status of runs from their files: heartbeats, records, logs."""

import io
import json
import os
import socket
import subprocess
import sys

import pytest
from rich.console import Console

from mpssl.config.reading import resolve
from mpssl.plan.cells import SELECTED, Cell, Run
from mpssl.plan.experiment import Experiment
from mpssl.tools.status import (
    DONE,
    FAILED,
    PATIENCE_S,
    RUNNING,
    SILENT,
    WAITING,
    RunStatus,
    duration,
    render,
    run_status,
    show,
    survey,
    work_left,
)
from tests.support.records import write_run

NOW = 1_000_000.0


@pytest.fixture
def experiment(content, own_results):
    return Experiment(resolve(content | {"unlabeled_weight": 0.5, "wanted": ["first"]}))


@pytest.fixture
def run(experiment):
    return next(experiment.plan.runs(experiment.plan.wanted_cells()))


def beat(experiment, run, **changes):
    content = {
        "epoch": 4,
        "epochs": 10,
        "val_accuracy": 60.0,
        "best_val_accuracy": 71.25,
        "seconds": 80.0,
        "time": NOW - 5,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    path = experiment.paths.run(run).progress
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | changes))


def log(experiment, run, text, time):
    path = experiment.paths.train_log(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time, time))


def test_a_run_without_files_waits(experiment, run):
    assert run_status(experiment, run, NOW) == RunStatus(run, WAITING)


def test_a_fresh_heartbeat_is_a_running_run(experiment, run):
    beat(experiment, run)
    found = run_status(experiment, run, NOW)
    assert (found.state, found.epoch, found.epochs) == (RUNNING, 4, 10)
    assert found.val_accuracy == 71.25
    # 20 s an epoch, 6 epochs to go, 5 s of them gone
    assert found.left_s == pytest.approx(115)


def test_an_old_heartbeat_is_silent_unless_epochs_are_long(experiment, run):
    beat(experiment, run, time=NOW - PATIENCE_S - 1)
    found = run_status(experiment, run, NOW)
    assert found.state == SILENT
    assert found.quiet_s == pytest.approx(PATIENCE_S + 1)
    beat(experiment, run, time=NOW - PATIENCE_S - 1, seconds=4 * 200.0)  # 200 s an epoch
    assert run_status(experiment, run, NOW).state == RUNNING


def test_a_process_that_has_gone_is_silent_at_once_on_its_own_machine_only(experiment, run):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    beat(experiment, run, pid=child.pid)
    assert run_status(experiment, run, NOW).state == SILENT
    beat(experiment, run, pid=child.pid, host="another")
    assert run_status(experiment, run, NOW).state == RUNNING


def test_an_error_in_the_log_is_a_failure_until_a_newer_heartbeat(experiment, run):
    log(experiment, run, "epoch 1\nmpssl: error: the loss is not finite\n", NOW - 10)
    found = run_status(experiment, run, NOW)
    assert (found.state, found.message) == (FAILED, "the loss is not finite")
    beat(experiment, run, time=NOW - 20)
    assert run_status(experiment, run, NOW).state == FAILED
    beat(experiment, run, time=NOW - 1)
    assert run_status(experiment, run, NOW).state == RUNNING


def test_a_traceback_is_a_failure_and_a_plain_log_is_none(experiment, run):
    log(experiment, run, "Traceback (most recent call last)\n  File\nValueError: no\n", NOW)
    assert run_status(experiment, run, NOW).message == "ValueError: no"
    log(experiment, run, "epoch 1/10\n", NOW)
    assert run_status(experiment, run, NOW).state == WAITING


def test_a_record_is_a_done_run_and_a_damaged_one_is_named(experiment, run):
    path = experiment.paths.run(run).record
    write_run(experiment, run, 60.0)
    beat(experiment, run)
    assert run_status(experiment, run, NOW) == RunStatus(run, DONE, seconds=1.5)
    path.write_text("{")
    assert run_status(experiment, run, NOW).state == FAILED


def test_work_left_counts_each_method_by_its_own_runs(experiment):
    runs = {row: [] for row in ("base/base/default", "generative/mpssl/default")}
    for run in experiment.plan.runs(experiment.plan.wanted_cells()):
        runs.get(run.cell.row, []).append(run)
    base, mpssl = runs.values()
    statuses = [
        RunStatus(base[0], DONE, seconds=10.0),
        RunStatus(mpssl[0], DONE, seconds=50.0),
        RunStatus(base[1], WAITING),
        RunStatus(mpssl[1], RUNNING, left_s=7.0),
        RunStatus(mpssl[2], FAILED),
    ]
    assert work_left(statuses) == pytest.approx(10 + 7 + 50)
    assert work_left([RunStatus(base[1], WAITING)]) is None


def test_it_fits_80_columns_and_names_everything(experiment, run):
    beat(experiment, run)
    others = list(experiment.plan.runs(experiment.plan.wanted_cells()))
    log(experiment, others[1], "mpssl: error: " + "long " * 40 + "end\n", NOW)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render(experiment, survey(experiment, NOW)))
    text = console.export_text()
    assert f"{len(others)} runs: 0 done  1 running  {len(others) - 2} waiting  1 failed" in text
    assert "4/10" in text and "71.2 %" in text and "1 min 55 s" in text
    assert "end" in text  # a long message wraps, nothing of it is lost
    assert max(map(len, text.splitlines())) <= 80


def test_the_bar_has_a_line_of_its_own(experiment, run, capsys):
    write_run(experiment, run, 70)
    beat(experiment, list(experiment.plan.runs(experiment.plan.wanted_cells()))[1])
    show(experiment, watch=False)
    lines = capsys.readouterr().out.splitlines()
    assert set(lines[1]) == {"━"} and lines[2].startswith("silent ")


def test_no_path_is_cut(experiment, run, capsys):
    path = "/scratch/" + "a-long-folder/" * 12 + "metrics.json"
    log(experiment, run, f"mpssl: error: {path} is damaged\n", NOW)
    show(experiment, watch=False)
    text = capsys.readouterr().out
    assert f"  {path} is damaged\n" in text
    assert f"  {experiment.paths.train_log(run)}\n" in text


def test_no_name_of_a_run_is_cut(experiment):
    cell = Cell("a_data_set_of_a_long_name", 25, "generative", "mpssl", "no_lmo_long", "resnet18")
    beating = RunStatus(Run(cell, SELECTED, 12), RUNNING, 4, 10, 71.25, 115.0)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render(experiment, [beating]))
    text = console.export_text()
    assert "…" not in text
    assert "resnet18" in text and "seed 12" in " ".join(text.split())


def test_durations():
    assert [duration(s) for s in (None, 9, 61, 3700)] == ["–", "9 s", "1 min 01 s", "1 h 01 min"]

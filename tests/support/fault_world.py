"""A small experiment in a folder of its own, whose stages run as processes that can be killed."""

import contextlib
import csv
import faulthandler
import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.support.pipeline import ROOT, copy_workflow

FETCHED = "textures"
RUN = "train mpssl selected 1"  # the stage that is disturbed most
STAGE_LIMIT_S = 300  # then a stage says where it hangs, and ends
TIME = {"seconds", "wall_seconds", "commit"}  # what may differ between two equal runs


def configuration(methods: list[str]) -> dict:
    """tiny.yaml with some generative methods beside the base model; a table and figures."""
    rows = ["base/base", *(f"generative/{method}" for method in methods)]
    grid = {"title": "Faults", "datasets": "ablation", "rows": rows}
    tiny = yaml.safe_load((ROOT / "tests/support/tiny.yaml").read_text())
    claim = {"text": "wins", "place": "Table 1", "row": rows[-1], "than": rows[:1]}
    small = {
        "experiment": "faults",
        "wanted": ["all"],
        "tables": {"table1": grid},
        "figures": {kind: grid | {"kind": kind} for kind in ("samples", "curves")},
        "claims": {"wins": claim},
        "training": tiny["training"] | {"epochs": 4},
    }
    return tiny | small


@dataclass
class Stage:
    """One job of the pipeline: its command, and the files that it makes."""

    name: str
    command: list[str]
    outputs: list[str]
    seconds: float = 0.0
    kept: dict[str, object] = field(default_factory=dict)


@dataclass
class Ended:
    """How a stage's process ended: its exit code (negative: by that signal) and what it said."""

    code: int
    text: str

    @property
    def refused(self) -> bool:
        """One clear line and nothing else went wrong."""
        return self.code == 2 and "mpssl: error: " in self.text and "Traceback" not in self.text


def warm_up() -> None:
    """Import what the stages import, so that a kill hits their work and not their start."""
    import matplotlib.pyplot  # noqa: F401

    import mpssl.compat.torchvision  # noqa: F401


class World:
    """A copy of the workflow with the resolved configuration; stages run in forked processes."""

    def __init__(self, folder: Path, content: dict) -> None:
        from mpssl.config import reading
        from mpssl.plan.experiment import Experiment

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = copy_workflow(folder) if not (folder / "Snakefile").exists() else folder
        (folder / "faults.yaml").write_text(yaml.safe_dump(content))
        self.config = reading.resolve(content)
        experiment = Experiment(self.config)
        self.paths, self.plan = experiment.paths, experiment.plan
        with contextlib.chdir(folder):
            experiment.write()

    def stages(self, fetched: list[str]) -> list[Stage]:
        """All stages in an order in which they can run; `fetched` lie in what is downloaded."""
        paths, plan = self.paths, self.plan
        made = []

        def add(name, command, *outputs):
            made.append(Stage(name, command, [str(path) for path in outputs]))

        files = [f"resources/data/{FETCHED}/{name}" for name in fetched]
        add("fetch", ["fetch", FETCHED], *files, paths.unpacked(FETCHED))
        for dataset in ("glyphs", "digits"):
            files = [
                paths.packed(dataset) / f"{n}" for n in ("images.npy", "labels.npy", "meta.json")
            ]
            add(f"pack {dataset}", ["pack", dataset], *files)
        add("split", ["split", "digits", "50"], paths.split("digits", 50, 0))
        add("generator", ["train-generator"], *paths.generator_files())
        add("classifier", ["train-classifier", "resnet8"], paths.classifier("resnet8"))
        for cell in plan.wanted_cells():
            self._add_runs(add, cell, plan.search_runs(cell) if plan.searched(cell) else [])
            if plan.searched(cell):
                add(f"select {cell.method}", ["select", cell.id], paths.selected(cell))
            self._add_runs(add, cell, plan.fixed_runs(cell))
        add("collect", ["collect"], *(paths.results / f"{n}.csv" for n in ("runs", "search")))
        add("table", ["table", "table1"], *(paths.table("table1", s) for s in ("csv", "md", "tex")))
        for name in self.config.figures:
            add(
                f"figure {name}", ["figure", name], *(paths.figure(name, s) for s in ("png", "pdf"))
            )
        add("claims", ["claims"], *(paths.results / f"claims.{s}" for s in ("csv", "md")))
        return made

    def _add_runs(self, add, cell, runs) -> None:
        for run in runs:
            files = self.paths.run(run)
            outputs = [files.record, files.history, files.model, files.predictions]
            outputs += [] if cell.setting == "base" else [files.samples]
            add(f"train {cell.method} {run.lambda_} {run.seed}", ["train", run.id], *outputs)

    def start(self, stage: Stage, before=None) -> int:
        """Fork a process that runs a stage; `before` is called in it first."""
        pid = os.fork()
        if pid:
            return pid
        code = 70
        try:
            os.setsid()
            os.chdir(self.folder)
            log = os.open(f"/proc/self/fd/{_log()}", os.O_WRONLY)
            os.dup2(log, 1), os.dup2(log, 2)
            faulthandler.dump_traceback_later(STAGE_LIMIT_S, exit=True, file=2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            code = _call([*stage.command[:1], "--config", str(self.paths.resolved_config),
                          *stage.command[1:]], before)  # fmt: skip
        except BaseException:  # noqa: BLE001
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)

    def run(self, stage: Stage, kill_after: float | None = None, before=None) -> Ended:
        """Run a stage to its end, or kill -9 its process group after some seconds."""
        _forget_log()
        pid = self.start(stage, before)
        if kill_after is not None:
            _wait(pid, kill_after)
        return self.finish(pid, kill=kill_after is not None)

    def finish(self, pid: int, kill: bool = False) -> Ended:
        """Wait for a stage's process, killed or not."""
        if kill:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        return Ended(os.waitstatus_to_exitcode(status), _read_log())

    def forget(self, stage: Stage) -> None:
        """Remove a stage's outputs, and the checkpoints of a run."""
        for output in stage.outputs:
            (self.folder / output).unlink(missing_ok=True)
            for left in (self.folder / output).parent.glob("checkpoint*"):
                left.unlink()

    def contents(self, stage: Stage) -> dict[str, object]:
        """What a stage has made, without what tells the time."""
        paths = {output: self.folder / output for output in stage.outputs}
        return {output: timeless(path) for output, path in paths.items() if path.exists()}

    def wrong(self, stage: Stage) -> str:
        """The first output that is there and not what the undisturbed run made, or nothing."""
        found = self.contents(stage)
        return next((name for name, value in found.items() if value != stage.kept[name]), "")

    def equal(self, stage: Stage) -> bool:
        """Whether a stage has made all that the undisturbed run made."""
        return self.contents(stage) == stage.kept

    def copy(self, folder: Path) -> "World":
        """The same world, with all it has made, elsewhere."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, symlinks=True)
        world = object.__new__(World)
        world.__dict__ |= self.__dict__ | {"folder": folder}
        return world


def timeless(path: Path) -> object:
    """The content of a file without what may differ."""
    if path.name == "metrics.json":
        record = json.loads(path.read_text())
        return {k: v for k, v in record.items() if k not in TIME | {"checksum"}}
    if path.name in ("runs.csv", "search.csv"):
        with open(path, newline="") as file:
            return [{k: v for k, v in row.items() if k not in TIME} for row in csv.DictReader(file)]
    return path.read_bytes()


def killed_at(call: int, rng: random.Random):
    """A function that makes this process kill -9 itself at its n-th call that changes a file."""

    def prepare() -> None:
        count = 0

        def dying(function):
            def wrapper(*arguments, **settings):
                nonlocal count
                count += 1
                before = rng.random() < 0.5
                if count == call and before:
                    os.kill(os.getpid(), signal.SIGKILL)
                result = function(*arguments, **settings)
                if count == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            return wrapper

        for name in ("fsync", "replace", "unlink", "mkdir"):
            setattr(os, name, dying(getattr(os, name)))

    return prepare


def killed_after_checkpoints(count: int):
    """A function that makes this process kill -9 itself when it has written so many checkpoints."""

    def prepare() -> None:
        from mpssl.training import checkpoint

        save, saved = checkpoint.save, 0

        def dying(*arguments) -> None:
            nonlocal saved
            save(*arguments)
            saved += 1
            if saved == count:
                os.kill(os.getpid(), signal.SIGKILL)

        checkpoint.save = dying

    return prepare


def _call(arguments: list[str], before) -> int:
    from mpssl.cli.main import main

    if before is not None:
        before()
    sys.argv = ["mpssl", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


_LOG: list[int] = []


def _log() -> int:
    """A file in memory: what a stage says does not need the disk that is full."""
    if not _LOG:
        _LOG.append(os.memfd_create("log"))
    return _LOG[0]


def _forget_log() -> None:
    os.truncate(_log(), 0)


def _read_log() -> str:
    return os.pread(_log(), 1 << 20, 0).decode(errors="replace")


def _wait(pid: int, seconds: float) -> None:
    """Wait, but not longer than the process lives."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.002)

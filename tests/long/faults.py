"""Fault tests: what a killed process, a full disk or a damaged file costs. One line a fault.

    python -m tests.long.faults            all, about a quarter of an hour on 2 CPU cores
    python -m tests.long.faults --short    a few of each kind

Ends with the counts; the exit code is 1 where a fault was not survived or not refused by name.
"""

import argparse
import copy
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.support.fault_damages import damage_all
from tests.support.fault_tools import clock_backwards, downloaded, fill, remount, snakemake
from tests.support.fault_world import FETCHED, RUN, Stage, World, configuration, killed_at, warm_up
from tests.support.local_server import Server, running
from tests.support.official_files import tar

DAY_S = 86400


@dataclass(frozen=True)
class Extent:
    """How many faults of each kind."""

    methods: list[str]
    kills: int
    damages: int
    pipelines: int
    stages: list[str] | None = None
    """On a bad disk or clock; one of every kind where None."""
    makers: list[str] | None = None
    """Whose files are damaged; all that are read again where None."""


LONG = Extent(["pssl", "mpssl"], kills=50, damages=3, pipelines=3)
SHORT = Extent(
    ["mpssl"], kills=3, damages=1, pipelines=0, stages=["split", RUN], makers=["split", RUN]
)


class Faults:
    """The faults, their outcomes, and the undisturbed experiment that they are compared with."""

    def __init__(self, folder: Path, extent: Extent, seed: int, server: Server) -> None:
        self.folder, self.extent, self.rng = folder, extent, random.Random(seed)
        self.outcomes: Counter[tuple[str, bool]] = Counter()
        self.skipped: list[str] = []
        warm_up()
        self.content = configuration(extent.methods)
        members = {f"images/{n}.jpg": bytes([n]) * 5000 for n in range(20)}
        self.content["datasets"][FETCHED] = downloaded(server, tar(members))
        self.reference = World(folder / "reference", self.content)
        self.stages = self.reference.stages(list(members))
        for stage in self.stages:
            started = time.monotonic()
            ended = self.reference.run(stage)
            stage.seconds = time.monotonic() - started
            assert ended.code == 0, f"{stage.name}: {ended.text}"
            stage.kept = self.reference.contents(stage)

    def say(self, kind: str, where: str, outcome: str, good: bool) -> None:
        self.outcomes[kind, good] += 1
        print(f"{'ok  ' if good else 'FAIL'} {kind:<14} {where:<34} {outcome}", flush=True)

    def stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    def again(self, world: World, stage: Stage) -> tuple[str, bool]:
        """Run a stage after a fault, without it."""
        ended = world.run(stage)
        if ended.code != 0:
            return f"then failed: {ended.text[-300:]!r}", False
        equal = world.equal(stage)
        resumed = ", resumed" if "resuming after epoch" in ended.text else ""
        return f"then {'equal' if equal else 'NOT EQUAL'}{resumed}", equal

    # ------------------------------------------------------------------------------------ kills

    def kills(self) -> None:
        """kill -9, by turns at a random time and at a random call that changes a file."""
        world = self.reference.copy(self.folder / "kills")
        killed = tries = 0
        while killed < self.extent.kills:
            stage, tries = self.stages[tries % len(self.stages)], tries + 1
            world.forget(stage)
            if self.rng.random() < 0.5:
                after = self.rng.uniform(0, stage.seconds)
                ended = world.run(stage, kill_after=after)
                where = f"{stage.name} after {after:.2f} s"
            else:
                call = self.rng.randint(1, 3 * len(stage.outputs) + 4 * stage.name.startswith("t"))
                ended = world.run(stage, before=killed_at(call, self.rng))
                where = f"{stage.name} at write {call}"
            if ended.code == 0:
                continue  # it was faster
            killed += ended.code == -signal.SIGKILL
            wrong = world.wrong(stage)
            text, good = self.again(world, stage)
            half = f", HALF A FILE: {wrong}" if wrong else ""
            good = good and not wrong and ended.code == -signal.SIGKILL
            self.say("kill -9", where, f"ended with {ended.code}{half}, {text}", good)
        self.runs_are_equal("kill -9", world)

    def runs_are_equal(self, kind: str, world: World) -> None:
        stage = self.stage("collect")
        world.forget(stage)
        text, good = self.again(world, stage)
        self.say(kind, "runs.csv at the end", text, good)

    # ------------------------------------------------------------------------------------- disk

    def full_and_read_only_disk(self) -> None:
        """Every stage on a small file system of its own that is full, or cannot be written."""
        disk = self.folder / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            self.skipped.append("full and read-only disk: a file system cannot be mounted here")
            return
        try:
            world = self.reference.copy(disk)
            for stage in self.some_stages():
                size = sum((world.folder / output).stat().st_size for output in stage.outputs)
                for free in (0, size // 2):
                    world.forget(stage)
                    filler = fill(disk, free)
                    self.refused(
                        "full disk", world, stage, f"{stage.name}, {free} bytes", filler.unlink
                    )
                world.forget(stage)
                remount(disk, "ro")
                self.refused("read-only", world, stage, stage.name, lambda: remount(disk, "rw"))
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)

    def refused(self, kind: str, world: World, stage: Stage, where: str, mend) -> None:
        """A stage must say in one line why it cannot write, leave no half file, and work later."""
        ended = world.run(stage)
        wrong = world.wrong(stage)
        mend()
        text, good = self.again(world, stage)
        said = "one clear line" if ended.refused else f"code {ended.code}: {ended.text[-300:]!r}"
        half = f", HALF A FILE: {wrong}" if wrong else ""
        self.say(kind, where, f"{said}{half}, {text}", ended.refused and good and not wrong)

    def some_stages(self) -> list[Stage]:
        """One stage of every kind, or those of a shorter test."""
        if self.extent.stages is not None:
            return [self.stage(name) for name in self.extent.stages]
        by_kind = {stage.name.split()[0] + stage.name[-1] * (stage.name[0] == "f"): stage
                   for stage in self.stages}  # fmt: skip
        return list(by_kind.values())

    # ------------------------------------------------------------------------------------ clock

    def clock(self) -> None:
        """Files from the future and the past, a clock that runs backwards, stale runs."""
        world = self.reference.copy(self.folder / "clock")
        for name, moment in (("tomorrow", time.time() + DAY_S), ("1980", 10 * 365 * DAY_S)):
            for path in world.folder.rglob("*"):
                os.utime(path, (moment, moment))
            for stage in self.some_stages():
                world.forget(stage)
                text, good = self.again(world, stage)
                self.say("clock", f"files of {name}, {stage.name}", text, good)
        stage = self.stage(RUN)
        world.forget(stage)
        ended = world.run(stage, before=clock_backwards)
        good = ended.code == 0 and world.equal(stage)
        self.say("clock", f"backwards, {stage.name}", "equal" if good else ended.text[-300:], good)
        self.stale_runs(world)

    def stale_runs(self, world: World) -> None:
        """Old runs must not meet new data: not by a setting, nor by files put in their place."""
        changed = copy.deepcopy(self.content)
        changed["datasets"]["digits"]["seed"] = 1
        other = World(world.folder, changed)
        for name in ("pack digits", "split", "collect"):
            other.run(self.stage(name))
        rows = (world.folder / world.paths.results / "runs.csv").read_text().splitlines()[1:]
        text = f"{len(rows)} of them in runs.csv"
        self.say("clock", "old runs, data of a new setting", text, not rows)

        for old, new in (
            (world.paths.packed("digits"), other.paths.packed("digits")),
            (world.paths.split("digits", 50, 0).parent, other.paths.split("digits", 50, 0).parent),
        ):
            shutil.rmtree(world.folder / old)
            shutil.copytree(world.folder / new, world.folder / old)
        mixed = World(world.folder, self.content)
        for name in ("collect", "table", "figure samples", "claims"):
            world.forget(self.stage(name))
            ended = mixed.run(self.stage(name))
            named = "do not belong together" in ended.text and "data of digits" in ended.text
            said = "refused by run and digest" if named else ended.text[-300:]
            self.say("clock", f"old runs on new data, {name}", said, ended.refused and named)

    # ------------------------------------------------------------------------------- concurrency

    def twice_at_once(self) -> None:
        """Two processes make the same run, as after a node that was thought lost."""
        world = self.reference.copy(self.folder / "twice")
        for stage in (self.stage(RUN), self.stage("pack digits")):
            world.forget(stage)
            pids = [world.start(stage) for _ in range(2)]
            codes = [world.finish(pid).code for pid in pids]
            equal = world.equal(stage)
            left = [p.name for p in (world.folder / stage.outputs[0]).parent.glob("*checkpoint*")]
            text = f"codes {codes}, {'equal' if equal else 'NOT EQUAL'}{', left: ' * bool(left)}"
            self.say("twice at once", stage.name, text, codes == [0, 0] and equal and not left)

    def pipelines(self) -> None:
        """The whole pipeline, killed without warning again and again; two at once at first."""
        if not self.extent.pipelines:
            return
        world = World(self.folder / "pipeline", self.content)
        first = snakemake(world.folder)
        time.sleep(8)
        second = snakemake(world.folder)
        output, _ = second.communicate()
        locked = second.returncode != 0 and "lock" in output
        self.say("two pipelines", "second Snakemake, same folder",
                 "refused: locked" if locked else output[-300:], locked)  # fmt: skip
        for _ in range(self.extent.pipelines):
            seconds = self.rng.uniform(5, 25)
            time.sleep(seconds)
            alive = first.poll() is None
            os.killpg(first.pid, signal.SIGKILL)
            first.communicate()
            unlock = snakemake(world.folder, "--unlock")
            unlock.communicate()
            where = f"the process group, {seconds:.0f} s on"
            self.say("node loss", where, "killed" if alive else "had ended", unlock.returncode == 0)
            first = snakemake(world.folder)
        output, _ = first.communicate()
        stage = self.stage("collect")
        equal = first.returncode == 0 and world.equal(stage)
        self.say("node loss", "runs.csv at the end", "equal" if equal else output[-600:], equal)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a few of each kind")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    extent = SHORT if arguments.short else LONG
    with tempfile.TemporaryDirectory() as folder, running() as server:
        faults = Faults(Path(folder), extent, arguments.seed, server)
        faults.kills()
        faults.full_and_read_only_disk()
        damage_all(faults)
        faults.clock()
        faults.twice_at_once()
        faults.pipelines()
    print("\nfault           survived or refused   failed")
    for kind in dict.fromkeys(kind for kind, _ in faults.outcomes):
        good, bad = faults.outcomes[kind, True], faults.outcomes[kind, False]
        print(f"{kind:<16}{good:>19}{bad:>9}")
    for reason in faults.skipped:
        print(f"skipped: {reason}")
    print(f"{time.monotonic() - started:.0f} s, seed {arguments.seed}")
    return int(any(not good for _, good in faults.outcomes))


if __name__ == "__main__":
    sys.exit(main())

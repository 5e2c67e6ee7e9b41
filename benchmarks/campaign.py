"""Everything that a GPU has to say about a training step, in ten minutes and with one command.

    python -m benchmarks.campaign                             # full size: needs a GPU
    python -m benchmarks.campaign --device cpu --size small   # the campaign itself, on any machine

Full size is config/config.yaml: ResNet-18, 224 x 224, batch 64, and BigGAN-deep-256's architecture
with random weights. Nothing is downloaded. In this order it measures: the rate of matrix products;
agreement of a small step with the CPU in float64; time and memory of four methods in each precision
and with parts of each size; every kind of step of the tables, as a calibration for `mpssl plan
--calibration`; steps of compiled networks; the longest kernels; whether the deterministic way
repeats; two runs that share the device; and the data path.

After each measurement it writes campaign.json and campaign.md. What does not fit in the memory, or
fails, is written down and left behind; what time is short for is listed. So it may be cut at any
time.

Exit code: 0 every measurement was made, 1 one failed or disagrees, 2 there is no GPU.
"""

import argparse
import contextlib
import copy
import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import gpu_check
from benchmarks.campaign_page import page
from benchmarks.campaign_parts import agreement, data_path, longest_kernels, sharing
from benchmarks.step import Contender, matrix_rate, operations
from mpssl.common.files import write_json, write_text
from mpssl.config import reading
from mpssl.config.experiment import Config
from mpssl.machine.determinism import deterministic
from mpssl.machine.precision import arithmetic
from mpssl.models.generator import FrozenGenerator
from mpssl.plan.cells import Cell, Column, cell_of
from mpssl.plan.cost import kind, measured_with
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import (
    calibration_entry,
    device_name,
    measure,
    random_generator,
    random_task,
    versions,
)
from mpssl.training.train import Loop, Task

ROWS = ["generative/mpssl", "generative/pssl", "oracle/freematch", "base/base"]
PRECISIONS = {
    "float32": {"precision": "float32"},
    "tf32": {"precision": "tf32"},
    "bf16": {"precision": "bf16"},
    "bf16, generator too": {"precision": "bf16", "generator_precision": "bf16"},
}
KERNELS = {"plain": {"autotune": False}, "fast": {"autotune": True}}
PARTS = (1, 2, 4, 8)  # the batch is divided by each
NAMES = "campaign.json", "campaign.md"


class Campaign:
    """What has been measured so far, written to a folder after each measurement.

    Args:
        config: the experiment whose sizes are taken; `small` is one for the agreement.
        device: what is measured.
        folder: where the two files go.
        minutes: time after which no further measurement begins.
        steps: steps to time of each task.
    """

    def __init__(
        self,
        config: Config,
        small: Config,
        device: torch.device,
        folder: Path,
        minutes: float,
        steps: int,
    ) -> None:
        self.config, self.small, self.device, self.folder = config, small, device, folder
        self.steps, self.ends = steps, time.monotonic() + 60 * minutes
        self.generators: dict[str, FrozenGenerator] = {}
        self.found: dict = {
            "device": device_name(device),
            "memory_bytes": _memory(device),
            "versions": versions(),
            "batch_size": config.training.batch_size,
            "sections": {},
            "failures": [],
            "not_measured": [],
        }

    def run(self) -> int:
        """Make every measurement; returns the exit code."""
        with contextlib.suppress(KeyboardInterrupt):
            for section, name, measurement in self.measurements():
                if time.monotonic() > self.ends:
                    self.found["not_measured"].append(f"{section}: {name}")
                    continue
                self._make(section, name, measurement)
        self._write()
        wrong = self.found["failures"] or any(
            entry.get("wrong") for entry in self.found["sections"].get("agreement", {}).values()
        )
        return 1 if wrong else 0

    def _make(self, section: str, name: str, measurement: Callable[[], dict]) -> None:
        try:
            entry = measurement()
        except torch.OutOfMemoryError:
            entry = {"failed": "out of memory"}
        except Exception as error:  # whatever it is, the others are worth having
            entry = {"failed": f"{type(error).__name__}: {error}"[:500]}
            self.found["failures"].append(f"{section}: {name}: {entry['failed']}")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.found["sections"].setdefault(section, {})[name] = entry
        print(f"{section}: {name}: {json.dumps(entry)[:200]}", flush=True)
        self._write()

    def _write(self) -> None:
        write_json(self.folder / NAMES[0], self.found)
        write_text(self.folder / NAMES[1], page(self.found))

    # ---------------------------------------------------------------------------- measurements

    def measurements(self) -> Iterator[tuple[str, str, Callable[[], dict]]]:
        """Section, name and function of each, the most important first."""
        for name in ("float32", "tf32", "bf16"):
            yield "matrix rate", name, lambda name=name: self.rate(name)
        for row in ROWS:
            cell = main_cell(self.small, row)
            yield "agreement", row, lambda cell=cell: agreement(self.small, cell, self.device)
        for kernels, precision, row in (
            (k, p, r) for k in KERNELS for p in PRECISIONS for r in ROWS
        ):
            changes = PRECISIONS[precision] | KERNELS[kernels]
            yield (
                "steps",
                f"{row}, {precision}, {kernels}",
                lambda r=row, c=changes: self.step(r, c),
            )
        for divisor in PARTS:
            size = max(1, self.config.training.batch_size // divisor)
            changes = {"images_per_pass": size}
            yield "parts", str(size), lambda changes=changes: self.step(ROWS[0], changes, False)
        cells = {}
        for cell in self.plan().all_cells():
            cells.setdefault((kind(self.plan(), cell), cell.architecture), cell)
        for (name, architecture), cell in cells.items():
            yield "calibration", f"{name}, {architecture}", lambda cell=cell: self.calibrate(cell)
        for row in (*ROWS[:2], ROWS[-1]):
            yield "compiled", row, lambda row=row: self.compiled(row)
        for row in ROWS[:2]:
            yield "kernels", row, lambda row=row: self.kernels(row)
            yield "determinism", row, lambda row=row: self.determinism(row)
        yield "sharing", ROWS[0], lambda: sharing(self.config, self.device, self.folder, self.steps)
        yield "data path", "batches", lambda: data_path(self.config, self.device)

    def plan(self, **training) -> Plan:
        """The plan with changes of `training`."""
        changed = self.config.training.model_copy(update=training)
        return Plan(self.config.model_copy(update={"training": changed}))

    def generator(self, precision: str = "float32") -> FrozenGenerator:
        """The generator on the device; each precision has one of its own, as bf16 rounds it."""
        if not self.generators:
            made = random_generator(Experiment(self.config)).to(self.device)
            self.generators = {"float32": made, "bf16": copy.deepcopy(made)}
        return self.generators[precision]

    def task(self, cell: Cell, **training) -> Task:
        """What a run of the cell trains, of random ingredients."""
        plan = self.plan(**training)
        frozen = None
        if "generator" in plan.needs(cell):
            frozen = self.generator(plan.config.training.generator_precision)
        return random_task(plan, cell, self.device, frozen)

    def rate(self, precision: str) -> dict:
        """Operations a second of a large matrix product."""
        size = 8192 if self.device.type == "cuda" else 512
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        with arithmetic(precision):
            return {"operations_per_second": matrix_rate(self.device, size, dtype)}

    def step(self, row: str, changes: dict, operations_too: bool = True) -> dict:
        """Seconds and memory of a step, and the share of the matrix rate that it reaches."""
        precision = changes.get("precision", self.config.training.precision)
        with arithmetic(precision, changes.get("autotune", False)):
            task = self.task(main_cell(self.config, row), **changes)
            measured = measure(task, self.steps)
            found = {
                "seconds_per_step": measured.seconds_per_step,
                "peak_bytes": measured.peak_bytes,
                "images_per_pass": task.parts.images_per_pass,
            }
            if operations_too:
                counted = operations(Contender(row, task, Loop(task).step), 1, 0.01)
                rate = self.found["sections"]["matrix rate"][precision]["operations_per_second"]
                found["operations"] = counted
                found["share_of_matrix_rate"] = counted / measured.seconds_per_step / rate
        return found

    def calibrate(self, cell: Cell) -> dict:
        """An entry of `mpssl plan`'s calibration, under the configuration's own settings."""
        training = self.config.training
        with (
            deterministic(training.deterministic),
            arithmetic(training.precision, training.autotune and not training.deterministic),
        ):
            entry = calibration_entry(
                self.plan(), cell, measure(self.task(cell), self.steps), self.steps
            )
        head = {"device": self.found["device"], "versions": self.found["versions"]}
        calibration = self.found.setdefault(
            "calibration", head | {"measured_with": measured_with(self.config), "entries": []}
        )
        calibration["entries"].append(entry)
        return entry

    def compiled(self, row: str) -> dict:
        """A step with `training.compile`, and what its compilation takes."""
        with arithmetic(self.config.training.precision):
            measured = measure(self.task(main_cell(self.config, row), compile=True), self.steps)
        return dataclasses.asdict(measured)

    def kernels(self, row: str) -> dict:
        """The longest kernels of a step, as parts of all kernels' time."""
        with arithmetic(self.config.training.precision):
            return longest_kernels(self.task(main_cell(self.config, row)), self.device)

    def determinism(self, row: str) -> dict:
        """Whether two trainings from one seed end with the same weights."""
        ends = []
        with deterministic(True), arithmetic(self.config.training.precision):
            for _ in range(2):
                task = self.task(main_cell(self.config, row))
                measured = measure(task, self.steps)
                ends.append(torch.cat([p.detach().flatten() for p in task.model.parameters()]))
        same = torch.equal(*ends)
        if not same:
            raise RuntimeError("two trainings from one seed differ")
        return {"repeats": same, "seconds_per_step": measured.seconds_per_step}


def main_cell(config: Config, row: str) -> Cell:
    """A cell of the main data set and architecture."""
    roles = config.roles
    column = Column(
        roles.datasets["main"][0], roles.fractions["default"][0], roles.architectures["default"][0]
    )
    return cell_of(row, column)


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", choices=gpu_check.SIZES, default="full")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/campaign"))
    parser.add_argument("--config", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)  # one of two that share
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("campaign: there is no GPU here; --device cpu --size small runs on any machine")
        return 2
    device = torch.device(options.device)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    small = reading.load(gpu_check.SIZES["small"][0])
    config = reading.load(options.config or gpu_check.SIZES[options.size][0])
    steps = options.alone or options.steps
    campaign = Campaign(config, small, device, options.out, options.minutes, steps)
    if options.alone:
        print(json.dumps(campaign.step(ROWS[0], {}, False)))
        return 0
    print(f"{campaign.found['device']}; torch {torch.__version__}, {platform.python_version()}")
    return campaign.run()


if __name__ == "__main__":
    sys.exit(main())

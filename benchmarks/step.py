"""Time and memory of a training step of every method, and of MP-SSL's against the plain reference.

    python -m benchmarks.step                  # mini's size on this machine's CPU or GPU
    python -m benchmarks.step --size small     # ResNet-18 at 64 x 64, a BigGAN of 1/4 of the width
    python -m benchmarks.step --size full      # the paper's: ResNet-18, 224 x 224, BigGAN-deep-256

Images and weights are random, nothing is downloaded. The contenders take turns, so that what else
the machine does meets all of them alike; the least of the times is printed.

`floor` is the time of a step over that of its arithmetic alone: the operations of its convolutions
and matrix products (torch's FlopCounterMode) at the rate of a large matrix product, measured in
the same run. `plain` is the time of the plain reference over that of the row, `memory` the peak of
what a step allocates. All contenders keep freed memory, as training does (`mpssl.machine.cpu`);
with --default-malloc none does.
"""

import argparse
import contextlib
import copy
import importlib.util
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain import PlainStep, TorchOptStep
from mpssl.config import reading
from mpssl.config.experiment import Config
from mpssl.config.generators import TrainedGenerator
from mpssl.machine.cpu import keep_freed_memory
from mpssl.models.biggan import FoldedBigGan
from mpssl.models.generator import FrozenGenerator
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import device_name, random_network, random_task
from mpssl.training.train import Loop, Task

REFERENCE = "plain"
MPSSL = "generative/mpssl"
APPROXIMATIONS = {
    "reuse_samples": {"reuse_samples": True},
    "carry_samples": {"carry_samples": True},
    "adapt_every=2": {"adapt_every": 2},
    "carry_samples, adapt_every=2": {"carry_samples": True, "adapt_every": 2},
}
IN_BF16 = {"bf16": {}, "bf16, carry_samples": {"carry_samples": True}}
SMALL_GENERATOR = TrainedGenerator(
    kind="trained",
    steps=1,
    z_dim=128,
    channel_width=32,
    layers=[
        *[(True, 16, 16), (True, 16, 8), (False, 8, 8), (True, 8, 4)],
        *[(False, 4, 4), (True, 4, 2), (False, 2, 1)],
    ],
)
STEPS = {"mini": 20, "small": 4, "full": 6}  # even, as adapt_every=2 takes two kinds of steps


@dataclass
class Contender:
    """Something that makes training steps."""

    name: str
    task: Task
    step: Callable[[int, float], object]


def configuration(size: str) -> Config:
    """The experiment whose sizes are taken."""
    if size == "mini":
        return reading.load("config/mini.yaml")
    config = reading.load("config/config.yaml")
    if size == "full":
        return config
    sizes = {"image_size": 64, "batch_size": 32, "evaluation_batch_size": 32}
    return config.model_copy(
        update={
            "training": config.training.model_copy(update=sizes),
            "packing": config.packing.model_copy(update={"size": 72}),
            "lmo": config.lmo.model_copy(update={"validation_batch_size": 32}),
            "foundation": config.foundation.model_copy(update={"generator": SMALL_GENERATOR}),
        }
    )


def contenders(config: Config, device: torch.device) -> list[Contender]:
    """Every method of Table 1, MP-SSL's approximations, and in bf16, and the plain references."""
    roles = config.roles
    column = Column(
        *(
            r["main" if r is roles.datasets else "default"][0]
            for r in (roles.datasets, roles.fractions, roles.architectures)
        )
    )
    network = random_network(config).to(device)

    def task(row: str, precision: str = "float32", **lmo) -> Task:
        training = config.training.model_copy(update={"precision": precision})
        lmo = config.lmo.model_copy(update=lmo)
        changed = config.model_copy(update={"training": training, "lmo": lmo})
        folded = FoldedBigGan(copy.deepcopy(network), config.foundation.truncation)
        frozen = FrozenGenerator(folded, config.training.image_size)
        return random_task(Plan(changed), cell_of(row, column), device, frozen)

    def ours(name: str, made: Task) -> Contender:
        return Contender(name, made, Loop(made).step)

    def reference(name: str, kind: type[PlainStep]) -> Contender:
        made = task(MPSSL)
        return Contender(name, made, kind(made, copy.deepcopy(network)))

    found = [reference(REFERENCE, PlainStep)]
    if importlib.util.find_spec("torchopt"):
        found.append(reference("plain, TorchOpt", TorchOptStep))
    found += [ours(row, task(row)) for row in config.tables["table1"].rows]
    for name, changes in APPROXIMATIONS.items():
        found.append(ours(f"{MPSSL}: {name}", task(MPSSL, exact=False, **changes)))
    for name, changes in IN_BF16.items():
        made = task(MPSSL, "bf16", exact=not changes, **changes)
        found.append(ours(f"{MPSSL}: {name}", made))
    return found


def now(device: torch.device) -> float:
    """Seconds, when all work on the device is done.

    With one thread of a CPU, processor time: other programs on it count for less.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def matrix_rate(
    device: torch.device, size: int = 2048, dtype: torch.dtype = torch.float32
) -> float:
    """Operations a second of a large matrix product."""
    a, b = torch.randn(2, size, size, device=device, dtype=dtype).unbind()
    times = []
    for _ in range(6):
        started = now(device)
        a @ b
        times.append(now(device) - started)
    return 2 * size**3 / min(times)


class NoModules(contextlib.nullcontext):
    """In place of the counter's record of modules, whose hooks do not bear `autograd.grad`."""

    parents = ("Global",)


def operations(contender: Contender, first: int, rate: float) -> float:
    """Floating-point operations of one step, mean over two: every second of them may differ."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = NoModules()
    with counter:
        contender.step(first, rate)
        contender.step(first + 1, rate)
    return counter.get_total_flops() / 2


def peak_bytes(contender: Contender, number: int, rate: float, device: torch.device) -> int:
    """The most that one step has allocated at a time, beside what was there before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        contender.step(number, rate)
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(profile_memory=True, activities=[_CPU]) as profile:
        contender.step(number, rate)
    changes = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    total = peak = 0
    for change in sorted(changes, key=lambda e: e.start_ns()):
        total += change.nbytes()
        peak = max(peak, total)
    return peak


_CPU = torch.profiler.ProfilerActivity.CPU


def compare(config: Config, device: torch.device, steps: int, names: list[str]) -> None:
    """Print the table."""
    rate = config.training.learning_rate
    racing = [c for c in contenders(config, device) if not names or c.name in names]
    flops, memory, times = {}, {}, {c.name: [] for c in racing}
    for contender in racing:
        contender.task.model.train()
        contender.step(1, rate)
        flops[contender.name] = operations(contender, 2, rate)
        memory[contender.name] = peak_bytes(contender, 4, rate, device)
    for number in range(5, 5 + steps, 2):
        for contender in racing:
            started = now(device)
            contender.step(number, rate)
            contender.step(number + 1, rate)
            times[contender.name].append((now(device) - started) / 2)
    speed = matrix_rate(device)
    print(f"matrix product {speed / 1e9:.0f} GFLOP/s; {steps} steps each, the fastest pair\n")
    header = ("ms a step", "median", "images/s", "MB", "GFLOP", "floor", "plain", "memory")
    print(f"{'':<46}" + "".join(f"{word:>10}" for word in header))
    for contender in racing:
        name, batch = contender.name, config.training.batch_size
        seconds, ratio = min(times[name]), contender.task.source.ratio
        row = [1e3 * seconds, 1e3 * statistics.median(times[name]), batch * (1 + ratio) / seconds]
        row += [memory[name] / 1e6, flops[name] / 1e9, seconds / (flops[name] / speed)]
        line = f"{name:<46}{row[0]:>10.1f}{row[1]:>10.1f}{row[2]:>10.0f}{row[3]:>10.0f}"
        line += f"{row[4]:>10.1f}{row[5]:>9.1f}x"
        if REFERENCE in times and ("mpssl" in name or "plain" in name):
            line += f"{min(times[REFERENCE]) / seconds:>9.2f}x"
            line += f"{100 * memory[name] / memory[REFERENCE]:>8.0f} %"
        print(line, flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=STEPS, default="mini")
    parser.add_argument("--device", choices=["cuda", "cpu"])
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--steps", type=int, help="to time, of each contender")
    parser.add_argument("--only", nargs="*", default=[], help="names of contenders")
    parser.add_argument(
        "--default-malloc",
        action="store_true",
        help="give freed memory back, as a process does that is not set up by mpssl.machine.cpu",
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if not options.default_malloc:
        keep_freed_memory()
    found = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(options.device or found)
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    print(f"{device_name(device)}; {versions}; {options.size}, float32 but where a row says bf16")
    compare(configuration(options.size), device, options.steps or STEPS[options.size], options.only)


if __name__ == "__main__":
    main()

"""The memory of a full-size training step, part by part, at once and with `images_per_pass`.

    python -m benchmarks.memory                               # batches 2, 4, 8, whole and in parts
    python -m benchmarks.memory --batches 64 --parts 8        # some minutes
    python -m benchmarks.memory --size mini --row base/base   # any size and method

Images and weights are random, nothing is downloaded. The bytes are those of PyTorch's allocator on
the CPU, sampled at every allocation; `step` is the most that a step allocates at a time beside the
weights, and the parts are the most while each of them runs.
"""

import argparse
import resource
from contextlib import contextmanager
from functools import wraps

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.step import MPSSL, configuration
from mpssl.machine.cpu import keep_freed_memory
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import random_generator, random_task
from mpssl.training.sources import lmo
from mpssl.training.train import Loop, Task

CPU = torch.device("cpu")
PARTS = {
    "generator": [(lmo.LatentMetaOptimization, "_generate"), (torch.autograd, "backward")],
    "views and first pass": [(lmo, "validation_gradient")],
    "mixed derivative": [(torch.autograd, "grad")],
    "gap": [(lmo.LatentMetaOptimization, "_gap_term")],
    "second pass": [(Loop, "_unlabeled_loss")],
}


@contextmanager
def named():
    """Inside the block the parts of a step leave their names in a profile."""
    changed = []
    for name, places in PARTS.items():
        for owner, attribute in places:
            before = getattr(owner, attribute)

            def replacement(*args, _before=before, _name=name, **kwargs):
                with record_function(f"part: {_name}"):
                    return _before(*args, **kwargs)

            setattr(owner, attribute, wraps(before)(replacement))
            changed.append((owner, attribute, before))
    try:
        yield
    finally:
        for owner, attribute, before in reversed(changed):
            setattr(owner, attribute, before)


def peaks(task: Task) -> dict[str, int]:
    """Peak bytes of a step and of its parts, beside what was there before it."""
    loop, rate = Loop(task), task.training.learning_rate
    task.model.train()
    with named(), profile(profile_memory=True, activities=[ProfilerActivity.CPU]) as profiled:
        loop.step(1, rate)
    events = profiled.profiler.kineto_results.events()
    spans = [
        (e.name().removeprefix("part: "), e.start_ns(), e.start_ns() + e.duration_ns())
        for e in events
        if e.name().startswith("part: ")
    ]
    found, total = {"step": 0}, 0
    for change in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        total += change.nbytes()
        when = change.start_ns()
        within = [(end - start, name) for name, start, end in spans if start <= when <= end]
        name = min(within)[1] if within else "labeled pass and rest"
        for part in ("step", name):
            found[part] = max(found.get(part, 0), total)
    return found


def weights(task: Task) -> int:
    """Bytes of the networks' parameters and buffers."""
    modules = [task.model, *(getattr(task.source, n, None) for n in ("generator", "mapper"))]
    tensors = [t for m in modules if m is not None for t in (*m.parameters(), *m.buffers())]
    return sum(t.numel() * t.element_size() for t in tensors)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=("mini", "small", "full"), default="full")
    parser.add_argument("--row", default=MPSSL)
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--parts", nargs="+", default=["whole", "1"], help="images_per_pass")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    config, gib = configuration(options.size), 2**30
    frozen = random_generator(Experiment(config))
    roles = config.roles
    column = Column(
        roles.datasets["main"][0], roles.fractions["default"][0], roles.architectures["default"][0]
    )
    for batch in options.batches:
        for part in options.parts:
            sizes = {"batch_size": batch, "evaluation_batch_size": batch}
            sizes["images_per_pass"] = batch if part == "whole" else int(part)
            changed = config.model_copy(
                update={
                    "training": config.training.model_copy(update=sizes),
                    "lmo": config.lmo.model_copy(update={"validation_batch_size": batch}),
                }
            )
            task = random_task(Plan(changed), cell_of(options.row, column), CPU, frozen)
            found = peaks(task)
            parts = ", ".join(f"{name} {value / gib:.2f}" for name, value in found.items())
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(
                f"batch {batch}, images_per_pass {part}: weights {weights(task) / gib:.2f}, "
                f"{parts} GiB; the process so far {most:.2f} GiB",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Seconds of a training step with a generator and with a pool, and what a large pool takes.

    python -m benchmarks.pool                                      # mini's size, 2,000 images
    python -m benchmarks.pool --size small --images 100000         # ResNet-18 at 64 x 64

The images are made in a temporary folder: smooth random colours, PNG. The kinds of step take turns,
so that what else the machine does meets all alike; the least of the times is printed. A pool is
`resident` in the memory as a whole, or `streamed` from its file.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image

from benchmarks.step import configuration, now
from mpssl.config.generators import ImagePool
from mpssl.data import pool, store
from mpssl.machine.cpu import prepare_cpu
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import random_generator, random_task
from mpssl.training.pool import PoolGenerator
from mpssl.training.train import Loop

CPU = torch.device("cpu")
ROW, CLASSES, ROUNDS = "generative/scr", 100, 5


def make(folder: Path, count: int, side: int) -> None:
    """Write images of smooth random colours in folders of classes."""
    drawn = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number % CLASSES:03d}" / f"{number:06d}.png"
        path.parent.mkdir(exist_ok=True)
        coarse = Image.fromarray(drawn.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(path)


def memory() -> str:
    """Memory of this process: its own, and pages of files, which the system takes back."""
    found = psutil.Process().memory_info()
    return (
        f"{(found.rss - found.shared) / 2**20:,.0f} MiB own, {found.shared / 2**20:,.0f} MiB files"
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=("mini", "small", "full"), default="mini")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=4, help="of each turn")
    options = parser.parse_args(arguments)
    prepare_cpu(threads=1)
    config = configuration(options.size)
    side, roles = config.training.image_size, config.roles
    column = Column(
        roles.datasets["main"][0], roles.fractions["default"][0], roles.architectures["default"][0]
    )
    print(f"at the start: {memory()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        images, packed = Path(folder) / "images", Path(folder) / "packed"
        images.mkdir()
        make(images, options.images, side)
        started = time.perf_counter()
        reading = pool.read_pool(ImagePool(kind="images", path=images), config.packing, side)
        print(f"listed in {time.perf_counter() - started:.1f} s: {memory()}", flush=True)
        store.save(packed, reading, side)
        print(f"packed in {time.perf_counter() - started:.1f} s: {memory()}", flush=True)
        loops = {"generator": random_generator(Experiment(config))}
        for name, share in (("streamed", 0.0), ("resident", 1.0)):
            started = time.perf_counter()
            loops[name] = PoolGenerator(store.load(packed), side, CPU, share)
            took = time.perf_counter() - started
            kept = type(loops[name].batches).__name__.lower()
            print(f"{name} pool ({kept}) loaded in {took:.2f} s: {memory()}", flush=True)
        plan, cell = Plan(config), cell_of(ROW, column)
        loops = {name: Loop(random_task(plan, cell, CPU, g)) for name, g in loops.items()}
        times = {name: [] for name in loops}
        for _ in range(ROUNDS):
            for name, loop in loops.items():
                started = now(CPU)
                for _ in range(options.steps):
                    loop.step(1, config.training.learning_rate)
                times[name].append((now(CPU) - started) / options.steps)
        for name, seconds in times.items():
            print(f"a step of {ROW} with {name}: {min(seconds):.4f} s")
        print(f"at the end: {memory()}")


if __name__ == "__main__":
    main()

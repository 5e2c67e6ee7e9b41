"""What part of base training's time is spent waiting for data, for both placements of the images.

    python -m benchmarks.data [--device cuda]

Sizes: the embedded benchmark's, and ResNet-18 at 64 x 64 from images of 72 x 72; on a GPU also 224
from 256. Images are random bytes in a file. A step with its data and a step on a fixed batch take
turns; on the CPU the time inside the read is also taken on its own, since the difference of two
steps is noisier than its bound. On a GPU reads overlap with arithmetic, so only the difference
counts.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from mpssl.config import reading
from mpssl.data.batches import batches_of
from mpssl.data.store import Packed
from mpssl.plan.cells import Cell
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import device_name, random_task
from mpssl.training.train import Loop

# name: (configuration, architecture, packed side, image side, batch, images)
SIZES = {
    "mini": ("config/mini.yaml", "resnet8", 32, 32, 32, 3000),
    "resnet18-64": ("config/config.yaml", "resnet18", 72, 64, 64, 20_000),
    "resnet18-224": ("config/config.yaml", "resnet18", 256, 224, 64, 20_000),
}
BOUND = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--sizes", nargs="*", choices=SIZES)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    print(f"{device_name(device)}, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    names = arguments.sizes or [n for n in SIZES if device.type == "cuda" or "224" not in n]
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            for placement, share in (("on the device", 1), ("in the file", 0)):
                measure(name, placement, share, device, arguments.steps, Path(folder))


def measure(
    name: str, placement: str, share: float, device: torch.device, steps: int, folder: Path
) -> None:
    loop = base_loop(name, share, device, folder)
    reading, read = [], loop.task.labeled.whole

    def timed_read(rows):
        started = time.perf_counter()
        batch = read(rows)
        reading.append(time.perf_counter() - started)
        return batch

    fixed = read(torch.arange(loop.batch_size))
    times: dict[str, list[float]] = {"with data": [], "fixed": []}
    for number in range(1, steps + 3):
        for kind, whole in (("with data", timed_read), ("fixed", lambda rows: fixed)):
            loop.task.labeled.whole = whole
            started = _now(device)
            loop.step(number, 0.01)
            times[kind].append(_now(device) - started)
    with_data, without = (statistics.median(times[kind][2:]) for kind in times)
    line = f"{name}, images {placement}: {1000 * with_data:.2f} ms a step, "
    if device.type == "cpu":
        waiting = statistics.median(reading[2:]) / with_data
        line += f"{waiting:.2%} inside the read, "
    else:
        waiting = 1 - without / with_data
    verdict = f"{'within' if waiting <= BOUND else 'OVER'} {BOUND:.0%}"
    print(f"{line}{1 - without / with_data:+.2%} beyond a fixed batch ({verdict})", flush=True)


def base_loop(name: str, share: float, device: torch.device, folder: Path) -> Loop:
    """The base method's training loop on random images in a file."""
    path, architecture, side, size, batch, count = SIZES[name]
    config = reading.load(path)
    training = config.training.model_copy(update={"image_size": size, "batch_size": batch})
    packing = config.packing.model_copy(update={"size": side})
    config = config.model_copy(update={"training": training, "packing": packing})
    dataset = next(iter(config.roles.datasets["main"]))
    task = random_task(
        Plan(config), Cell(dataset, 50, "base", "base", "default", architecture), device, None
    )
    images = folder / "images.npy"
    if not images.exists():
        pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        np.save(images, pixels)
    classes = task.model.head.out_features
    packed = Packed(
        np.load(images, mmap_mode="r"),
        np.arange(count) % classes,
        [str(k) for k in range(classes)],
        count,
        "random",
    )
    task.labeled = batches_of(packed, np.arange(count), size, device, share)
    loop = Loop(task)
    task.model.train()
    return loop


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    main()

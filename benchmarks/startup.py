"""Seconds from the start of a training job's process to its first step, by part.

    python -m benchmarks.startup [--repeat 3] [--runs ...]

The job is `mpssl train` on a finished experiment's inputs in a temporary folder: random images,
random foundation weights, at the sizes of config/mini.yaml. The process's own processor time is
printed beside the wall time, as a shared machine stretches only the latter.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = [
    "mnist/25/base/base/default/resnet8/lambda-0/seed-0",
    "mnist/25/generative/mpssl/default/resnet8/lambda-1/seed-0",
    "mnist/25/base/base/default/resnet18/lambda-0/seed-0",
]
PARTS = ["python", "command line", "configuration", "libraries", "data and weights", "first step"]
BOUND_SECONDS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--runs", nargs="*", default=RUNS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "-c", "from benchmarks.startup import prepare; prepare()"],
            cwd=folder,
            env=environment(),
            check=True,
        )
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians")
        for run in arguments.runs:
            measure(run, folder, arguments.repeat)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def measure(run: str, folder: Path, repeat: int) -> None:
    rows = []
    for _ in range(repeat):
        started = time.time()
        output = subprocess.run(
            [sys.executable, "-m", "benchmarks.startup", "--child", run],
            cwd=folder,
            env=environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        marks = json.loads(output.splitlines()[-1])
        walls = [started, *(wall for wall, _ in marks)]
        used = [0, *(seconds for _, seconds in marks)]
        rows.append([(walls[i + 1] - walls[i], used[i + 1] - used[i]) for i in range(len(marks))])
    print(f"\n{run}")
    total = [0.0, 0.0]
    for i, part in enumerate(PARTS):
        pair = [statistics.median(row[i][kind] for row in rows) for kind in (0, 1)]
        if part != "first step":  # the bound is on being inside it
            total = [a + b for a, b in zip(total, pair, strict=True)]
        print(f"  {part:18}{pair[0]:7.2f} s wall {pair[1]:7.2f} s processor")
    print(f"  before first step {total[0]:7.2f} s wall {total[1]:7.2f} s processor", end=" ")
    print(f"(bound: {BOUND_SECONDS} s)")


def with_own_foundation():
    """config/mini.yaml with a foundation in the working folder instead of the shipped one."""
    from mpssl.config import reading
    from mpssl.config.foundation import TrainedClassifier
    from mpssl.config.generators import TrainedGenerator
    from mpssl.plan.experiment import Experiment

    config, trained = reading.load(ROOT / "config/mini.yaml"), {"kind": "trained", "steps": 1}
    parts = {"generator": TrainedGenerator(**trained), "classifier": TrainedClassifier(**trained)}
    foundation = config.foundation.model_copy(update=parts)
    return Experiment(config.model_copy(update={"foundation": foundation}))


def prepare() -> None:
    """Packed images, a split and foundation weights in the working folder, all random."""
    import numpy as np

    from mpssl.data import split, store
    from mpssl.foundation.networks import build_generator
    from mpssl.models import generator, tensor_file
    from mpssl.models.classifier import Classifier
    from mpssl.plan.cost import dataset_sizes
    from mpssl.tools.calibration import make_usable

    experiment = with_own_foundation()
    config, paths, side = experiment.config, experiment.paths, experiment.config.packing.size
    settings = config.datasets["mnist"]
    count = settings.pool_size + settings.test_size
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    classes = [str(k) for k in range(dataset_sizes(config, "mnist").classes)]
    labels = np.arange(count) % len(classes)
    folder = paths.packed("mnist")
    store.save(folder, store.Reading(images, labels, classes, settings.pool_size), side)
    split.write_split(paths.split("mnist", 25, 0), store.load(folder), 25, config.split)
    glyphs = dataset_sizes(config, config.foundation.dataset).classes
    trained = config.foundation.generator
    network = build_generator(trained, glyphs)
    make_usable(network)
    generator.save(network, paths.generator())
    normalization = config.training.normalize_mean, config.training.normalize_std
    for architecture in ("resnet8", "resnet18"):
        path = paths.classifier(architecture)
        model = Classifier(architecture, glyphs, *normalization)
        tensor_file.save(path, model.state_dict())


def child(run: str) -> None:
    """`mpssl train`, with a clock at each part and an end after the first step."""
    marks = []

    def mark(*_) -> None:
        marks.append((time.time(), time.process_time()))

    mark()
    from mpssl.cli.arguments import check_cell, parsed
    from mpssl.plan.cells import Run

    mark()
    experiment, wanted = with_own_foundation(), parsed(Run, run)
    check_cell(experiment, wanted.cell)
    mark()
    from mpssl.runs import runner
    from mpssl.training import train

    mark()

    def stop(loop, number: int, rate: float):
        mark()
        step(loop, number, rate)
        mark()
        print(json.dumps(marks), flush=True)
        os._exit(0)

    step, train.Loop.step = train.Loop.step, stop
    runner.execute(experiment, wanted, threads=1)


if __name__ == "__main__":
    main()

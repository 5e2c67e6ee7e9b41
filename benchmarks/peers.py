"""FixMatch and FreeMatch steps beside those of `semilearn` (USB), in an environment of its own.

    python -m benchmarks.peers [--steps 10] [--size mini|resnet18-64]

A virtual environment with semilearn is made once in ~/.cache/mpssl-benchmarks. Both take the same
network, batch sizes, ratio, learning rate and threads; their steps take turns. A step is forward of
labeled, weak and strong images, loss, backward and the optimizer's step; data and augmentation are
in neither. USB's average of weights is left out, as we have none. Each runs twice: USB with one
batch through the network, as its configurations have it (use_cat), beside ours with both views in
one, and USB with three batches beside ours with `objectives.views: separate`.
"""

import argparse
import contextlib
import importlib.machinery
import json
import os
import statistics
import subprocess
import sys
import time
import types
import warnings
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path.home() / ".cache" / "mpssl-benchmarks" / "usb"
SEMILEARN = "semilearn==0.3.2"
FORMS = {"joint": "cat", "separate": "apart"}  # our `objectives.views`: USB's use_cat
# name: (configuration, architecture, image side, labeled batch, unlabeled ratio, classes)
SIZES = {
    "mini": ("config/mini.yaml", "resnet8", 32, 32, 2, 10),
    "resnet18-64": ("config/config.yaml", "resnet18", 64, 16, 7, 100),
}
LEARNING_RATE = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--size", choices=SIZES, nargs="*", default=list(SIZES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--python", help="of an environment that has semilearn")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        size, method, use_cat = arguments.worker
        with contextlib.redirect_stdout(sys.stderr):  # USB talks
            serve(usb_step(size, method, use_cat == "cat"), arguments.threads)
        return
    python = arguments.python or environment()
    import torch

    from mpssl.machine.cpu import prepare_cpu

    prepare_cpu(arguments.threads)  # as our training does; USB does not
    print(
        f"torch {torch.__version__}, {arguments.threads} thread(s), load {os.getloadavg()[0]:.1f}"
    )
    for size in arguments.size:
        for method in ("fixmatch", "freematch"):
            compare(size, method, python, arguments.steps, arguments.threads)


def compare(size: str, method: str, python: str, steps: int, threads: int) -> None:
    ours = {views: our_step(size, method, views) for views in FORMS}
    usb = {views: start(python, size, method, kind, threads) for views, kind in FORMS.items()}
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(steps + 2):
        for views in FORMS:
            times["ours", views].append(timed(ours[views]))
            usb[views].stdin.write("step\n")
            usb[views].stdin.flush()
            times["USB", views].append(json.loads(usb[views].stdout.readline()))
    for worker in usb.values():
        worker.stdin.close()
        worker.wait()
    print(f"{size} {method}: processor ms a step, median (least)")
    for views in FORMS:
        middle = {whose: statistics.median(times[whose, views][2:]) for whose in ("ours", "USB")}
        least = {whose: min(times[whose, views][2:]) for whose in ("ours", "USB")}
        print(
            f"  views {views:<8}"
            + "".join(f"  {w} {1000 * middle[w]:.1f} ({1000 * least[w]:.1f})" for w in middle)
            + f"  ours / USB {middle['ours'] / middle['USB']:.2f}"
            + f" ({least['ours'] / least['USB']:.2f})",
            flush=True,
        )


def timed(step) -> float:
    """Processor seconds of a step: with its own threads only, whatever else the machine does."""
    started = time.process_time()
    step()
    return time.process_time() - started


def images(size: str):
    """x, y, weak and strong views: the same for both."""
    import torch

    _, _, side, batch, ratio, classes = SIZES[size]
    drawn = torch.Generator().manual_seed(0)
    x, weak, strong = (
        torch.rand(n, 3, side, side, generator=drawn) for n in (batch, ratio * batch, ratio * batch)
    )
    return x, torch.arange(batch) % classes, weak, strong


def network(size: str):
    import torch

    from mpssl.models.classifier import Classifier

    _, architecture, *_, classes = SIZES[size]
    torch.manual_seed(0)
    return Classifier(architecture, classes, (0.5,) * 3, (0.5,) * 3)


def our_step(size: str, method: str, views: str):
    """Our training loop's step on fixed images and views; `views` as `objectives.views`."""
    import torch

    from mpssl.config import reading
    from mpssl.plan.cells import Cell
    from mpssl.plan.plan import Plan
    from mpssl.tools.calibration import random_task
    from mpssl.training.train import Loop

    path, architecture, side, batch, ratio, _ = SIZES[size]
    config = reading.load(ROOT / path)
    training = config.training.model_copy(update={"image_size": side, "batch_size": batch})
    packing = config.packing.model_copy(update={"size": side})
    ratios = config.unlabeled_ratio.model_copy(update={"oracle": ratio})
    objectives = config.objectives.model_copy(update={"views": views})
    config = config.model_copy(
        update={
            "training": training,
            "packing": packing,
            "unlabeled_ratio": ratios,
            "objectives": objectives,
        }
    )
    dataset = config.roles.datasets["main"][0]
    cell = Cell(dataset, 50, "oracle", method, "default", architecture)
    task = random_task(Plan(config), cell, torch.device("cpu"), None)
    task.model = network(size)
    x, y, weak, strong = images(size)
    objective = task.objective
    if objective.classes != SIZES[size][-1]:
        from mpssl.training.objectives import build_objective

        task.objective = build_objective(method, SIZES[size][-1], config.objectives.of(method))
    loop = Loop(task)
    loop.task.labeled.whole = lambda rows: (x, y)
    task.source.unlabeled.centre_images = lambda rows: weak
    loop.labeled_view = loop.weak = torch.nn.Identity()
    loop.strong = lambda _: strong
    task.model.train()
    return lambda: loop.step(1, LEARNING_RATE)


def usb_step(size: str, method: str, use_cat: bool):
    """USB's train_step and parameter update, on fixed images and views."""
    warnings.simplefilter("ignore")
    import torch

    import mpssl.compat.torchvision  # noqa: F401  (torchvision of another torch build still loads)

    audio = types.ModuleType("torchaudio")  # USB imports it for data sets of sounds
    audio.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    sys.modules["torchaudio"] = audio
    from semilearn import get_algorithm, get_config
    from semilearn.core.algorithmbase import AlgorithmBase

    AlgorithmBase.set_dataset = lambda self: None  # else it reads one from the disk

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network(size)

        def forward(self, x):
            features = self.network.features(x)
            return {"logits": self.network.head(features), "feat": features}

    _, _, _, batch, ratio, classes = SIZES[size]
    settings = {"algorithm": method, "num_classes": classes, "batch_size": batch, "uratio": ratio}
    settings |= {"lr": LEARNING_RATE, "num_train_iter": 10_000, "epoch": 1, "use_cat": use_cat}
    settings |= {"amp": False, "gpu": None, "rank": 0, "distributed": False, "world_size": 1}
    defaults = get_config(settings)
    for key, value in settings.items():
        setattr(defaults, key, value)
    algorithm = get_algorithm(defaults, lambda **_: Named(), None, None)
    algorithm.model.train()
    x, y, weak, strong = images(size)
    update = algorithm.hooks_dict["ParamUpdateHook"]

    def step() -> None:
        algorithm.out_dict, algorithm.log_dict = algorithm.train_step(x, y, weak, strong)
        update.after_train_step(algorithm)

    return step


def serve(step, threads: int) -> None:
    """A step for each line of the input; its seconds are the answer."""
    import torch

    torch.set_num_threads(threads)
    for _ in sys.stdin:
        print(json.dumps(timed(step)), file=sys.__stdout__, flush=True)


def start(python: str, size: str, method: str, kind: str, threads: int) -> subprocess.Popen:
    worker = ["--worker", size, method, kind, "--threads", str(threads)]
    return subprocess.Popen(
        [python, "-m", "benchmarks.peers", *worker],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def environment() -> str:
    """The python of an environment with semilearn, made on first use with the same torch."""
    python, ready = CACHE / "bin" / "python", CACHE / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(CACHE)], check=True)
        versions = [f"{name}=={version(name).split('+')[0]}" for name in ("torch", "torchvision")]
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", SEMILEARN, "safetensors", "pydantic"]
            + versions,
            check=True,
        )
        ready.touch()
    return str(python)


if __name__ == "__main__":
    main()

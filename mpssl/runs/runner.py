"""One run from files to files: gather its inputs, train, write its record."""

import csv
import io
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mpssl.common.code_digest import code_digest
from mpssl.common.errors import UserError
from mpssl.common.files import atomic, file_digest, json_digest, read_made, write_made, write_text
from mpssl.config.experiment import Config
from mpssl.data import store
from mpssl.data.batches import Batches, batches_of
from mpssl.data.split import read_split
from mpssl.machine import preemption
from mpssl.machine.cpu import prepare_cpu
from mpssl.machine.determinism import deterministic
from mpssl.machine.devices import claimed_device
from mpssl.models import generator, model_file
from mpssl.models.classifier import load_foundation_classifier
from mpssl.plan import input_digests
from mpssl.plan.cells import SELECTED, Run
from mpssl.plan.paths import Paths
from mpssl.plan.plan import Plan, run_modules
from mpssl.runs import snapshots
from mpssl.runs.heartbeat import EventFiles, Heartbeat
from mpssl.training import checkpoint
from mpssl.training.assemble import assemble
from mpssl.training.evaluate import accuracy, feature_norm, sample_statistics
from mpssl.training.rng import Streams
from mpssl.training.train import Loop, Outcome, Task, train

SAMPLES = 32  # images in samples.png, 8 in a row


def execute(config: Config, run: Run, threads: int) -> None:
    """Train one run and write metrics.json, history.csv, model.safetensors and samples.png.

    metrics.json is written last: where it exists, the run is whole. A checkpoint beside it is
    resumed by itself and removed at the end.

    Raises:
        UserError: the run cannot be trained.
        Preempted: a signal came; the same call goes on from the checkpoint.
    """
    prepare_cpu(threads)
    with (
        deterministic(config.training.deterministic),
        claimed_device(config.device, config.runs_per_gpu) as device,
    ):
        _execute(config, run, device)


def _execute(config: Config, run: Run, device: torch.device) -> None:
    started = time.monotonic()
    paths = Paths(config)
    folder = paths.run(run)
    settings = Plan(config).settings(run.cell)
    task, test = _prepare(config, run, settings, device)
    try:
        outcome = train(task, folder / "checkpoint.pt", _observers(config, run, task))
    except torch.OutOfMemoryError:
        raise UserError(
            f"{run.id} does not fit in the GPU's memory; try a smaller training.batch_size or "
            "unlabeled_ratio"
        ) from None
    batch_size = task.training.evaluation_batch_size
    test_accuracy = accuracy(task.model, test, batch_size)
    sample_record = _samples(task, folder)
    record = {
        "experiment": config.experiment,
        "run": run.id,
        "dataset": run.cell.dataset,
        "fraction": run.cell.fraction,
        "setting": run.cell.setting,
        "method": run.cell.method,
        "variant": run.cell.variant,
        "architecture": run.cell.architecture,
        "lambda": task.weight,
        "seed": run.seed,
        "best_epoch": outcome.best_epoch,
        "val_accuracy": outcome.validation_accuracy,
        "test_accuracy": test_accuracy,
        "seconds": round(outcome.seconds, 3),
        "wall_seconds": round(time.monotonic() - started, 3),
        "device": _device_name(task.labeled.labels.device),
        "commit": _commit(),
        "source_statistics": task.source.statistics(),
        "sample_statistics": sample_record,
        "feature_norm": feature_norm(task.model, task.validation, batch_size),
        "gradient_norms": _gradient_norms(outcome),
        "counts": {"labeled": len(task.labeled), "validation": len(task.validation)},
        "versions": {name: version(name) for name in ("torch", "kornia", "numpy")}
        | {"python": platform.python_version()},
        **task.identity,
    }
    _write_history(folder / "history.csv", outcome.history)
    classes = store.load(paths.packed(run.cell.dataset)).classes
    description = model_file.describe(config, run.cell.architecture, classes)
    model_file.save(folder / "model.safetensors", task.model, description)
    record["files"] = {
        str(path.relative_to(folder)): file_digest(path) for path in _written(folder)
    }
    write_made(folder / "metrics.json", record)
    preemption.check()  # Snakemake deletes what a stopped job wrote, but not its checkpoint
    checkpoint.remove(folder / "checkpoint.pt")
    paths.progress(run).unlink(missing_ok=True)


def _written(folder: Path) -> list[Path]:
    """The files of a run beside its record, which are read again."""
    files = [folder / name for name in ("history.csv", "model.safetensors", "samples.png")]
    return [path for path in files if path.exists()] + snapshots.files(folder)


def _observers(config: Config, run: Run, task: Task) -> list[Callable[[Loop], None]]:
    """Who watches the training: for `mpssl status`, for the figures, for TensorBoard."""
    paths = Paths(config)
    observers = [Heartbeat(paths.progress(run))]
    if "generator" in Plan(config).needs(run.cell) and task.training.snapshots:
        observers.append(snapshots.Snapshots(task, run.seed, paths.run(run)))
    if config.tensorboard:
        observers.append(EventFiles(paths.run(run) / "tensorboard"))
    return observers


def _prepare(
    config: Config, run: Run, settings: dict, device: torch.device
) -> tuple[Task, Batches]:
    """Everything a run trains on, and its test images."""
    paths, cell = Paths(config), run.cell
    needs, size = Plan(config).needs(cell), config.training.image_size
    packed = store.load(paths.packed(cell.dataset))
    split = read_split(paths.split(cell.dataset, cell.fraction), packed)
    digests = {
        "code": code_digest(*run_modules(settings)),
        "configuration": json_digest(settings),
        "data": packed.digest,
        "split": split["digest"],
    }

    share = config.resident_images / (config.runs_per_gpu if device.type == "cuda" else 1)

    def part(name: str) -> Batches:
        return batches_of(packed, split[name], size, device, share)

    unlabeled = None
    if "unlabeled" in needs:
        unlabeled = part("unlabeled")
    elif "foundation_images" in needs:
        foundation = store.load(paths.packed(config.foundation.dataset))
        unlabeled = batches_of(foundation, np.arange(foundation.pool), size, device, share)
        digests["foundation_images"] = foundation.digest
    frozen = foundation_classifier = None
    if "generator" in needs:
        frozen = generator.load_configured(config, paths.generator()).to(device)
        digests["generator"] = input_digests.generator_digest(config)
    if "foundation_classifier" in needs:
        foundation_classifier = load_foundation_classifier(
            paths.classifier(cell.architecture),
            cell.architecture,
            config.training.normalize_mean,
            config.training.normalize_std,
        ).to(device)
        digests["foundation_classifier"] = input_digests.classifier_digest(
            config, cell.architecture
        )
    if settings["source"] == "pseudo" and len(foundation_classifier.head.bias) != frozen.classes:
        raise UserError(
            f"the foundation classifier knows {len(foundation_classifier.head.bias)} classes, the "
            f"generator {frozen.classes}: {cell.method} needs the same ones"
        )
    weight = _weight(paths, run)
    task = assemble(
        settings,
        architecture=cell.architecture,
        classes=len(packed.classes),
        weight=weight,
        streams=Streams(run.seed, device),
        device=device,
        labeled=part("labeled"),
        validation=part("validation"),
        unlabeled=unlabeled,
        generator=frozen,
        foundation_classifier=foundation_classifier,
        identity={
            "settings": settings,
            "digests": digests,
            "lambda": weight,
            "seed": run.seed,
            "device_type": device.type,  # random streams of one do not go on on the other
        },
    )
    return task, batches_of(packed, packed.test, size, device, share)


def _weight(paths: Paths, run: Run) -> float:
    """lambda of a run: in its name, or the outcome of the search."""
    if run.weight != SELECTED:
        return float(run.weight)
    return float(read_made(paths.selected(run.cell))["lambda"])


def _samples(task: Task, folder: Path) -> dict[str, float]:
    """Write samples.png, unlabeled images in training, and measure them."""
    if task.objective is None:
        return {}
    count = min(len(task.labeled), task.training.evaluation_batch_size)
    with task.streams.use("samples"):
        rows = torch.randperm(len(task.labeled))[:count]
    rows = rows[task.labeled.labels.cpu()[rows].argsort(stable=True)]
    x, y = task.labeled.centre(rows)
    images = task.source.sample(x, y)[: len(x)]
    shown = torch.linspace(0, len(images) - 1, SAMPLES).round().long()
    _write_strip(folder / "samples.png", images[shown.to(images.device)])
    return sample_statistics(task.model, x, images, y)


def _write_strip(path: Path, images: Tensor) -> None:
    """Write images [N, 3, S, S] in [0, 1] as one PNG, 8 in a row."""
    n, _, size, _ = images.shape
    rows = images.view(n // 8, 8, 3, size, size).permute(0, 3, 1, 4, 2)
    pixels = (rows.reshape(n // 8 * size, 8 * size, 3) * 255).round().byte().cpu().numpy()
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary)


def _gradient_norms(outcome: Outcome) -> dict[str, list[float]]:
    """Norms of each LMO term's gradient at phi and xi, where they were recorded."""
    names = [key for key in outcome.history[0] if "_gradient_" in key]
    return {n: [row[n] for row in outcome.history if n in row] for n in names}


def _write_history(path: Path, history: list[dict]) -> None:
    columns = list(dict.fromkeys(key for row in history for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, text.getvalue())


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _commit() -> str:
    """The repository's commit, with a + where the working tree differs; empty outside git."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    here = Path(__file__).parent
    result = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return result.stdout.strip()

"""One run from files to files: gather its inputs, train, write its record."""

import csv
import io
import json
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mpssl import checkpoint, inputs, weights
from mpssl.assemble import assemble
from mpssl.config import Config
from mpssl.data import store
from mpssl.data.batches import Batches
from mpssl.data.split import read_split
from mpssl.digest import code_digest
from mpssl.errors import UserError
from mpssl.evaluate import accuracy, feature_norm, sample_statistics
from mpssl.files import atomic, file_digest, json_digest, read_made, write_made, write_text
from mpssl.models import generator
from mpssl.models.classifier import load_foundation_classifier
from mpssl.paths import Paths
from mpssl.plan import SELECTED, Plan, Run, run_modules
from mpssl.rng import Streams
from mpssl.train import Outcome, Task, train

SAMPLES = 32  # images in samples.png, 8 in a row


def choose_device(name: str) -> torch.device:
    """The device that the configuration names; `auto` is the GPU where there is one.

    Raises:
        UserError: a GPU is named and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device: cuda, but torch finds no GPU here; set device: auto or cpu")
    return torch.device(name)


def execute(config: Config, run: Run, threads: int) -> None:
    """Train one run and write metrics.json, history.csv, model.safetensors and samples.png.

    metrics.json is written last: where it exists, the run is whole. A checkpoint beside it is
    resumed by itself and removed at the end.
    """
    started = time.monotonic()
    torch.set_num_threads(threads)
    paths = Paths(config)
    folder = paths.run(run)
    settings = Plan(config).settings(run.cell)
    task, test = _prepare(config, run, settings)
    try:
        outcome = train(task, folder / "checkpoint.pt")
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
    weights.save(
        folder / "model.safetensors",
        task.model.state_dict(),
        {
            "architecture": run.cell.architecture,
            "classes": json.dumps(store.load(paths.packed(run.cell.dataset)).classes),
        },
    )
    written = [folder / name for name in ("history.csv", "model.safetensors", "samples.png")]
    record["files"] = {path.name: file_digest(path) for path in written if path.exists()}
    write_made(folder / "metrics.json", record)
    checkpoint.remove(folder / "checkpoint.pt")


def _prepare(config: Config, run: Run, settings: dict) -> tuple[Task, Batches]:
    """Everything a run trains on, and its test images."""
    paths, cell, device = Paths(config), run.cell, choose_device(config.device)
    needs, size = Plan(config).needs(cell), config.training.image_size
    packed = store.load(paths.packed(cell.dataset))
    split = read_split(paths.split(cell.dataset, cell.fraction), packed)
    digests = {
        "code": code_digest(*run_modules(settings)),
        "configuration": json_digest(settings),
        "data": packed.digest,
        "split": split["digest"],
    }

    def part(name: str) -> Batches:
        return Batches(packed, split[name], size, device)

    unlabeled = None
    if "unlabeled" in needs:
        unlabeled = part("unlabeled")
    elif "foundation_images" in needs:
        foundation = store.load(paths.packed(config.foundation.dataset))
        unlabeled = Batches(foundation, np.arange(foundation.pool), size, device)
        digests["foundation_images"] = foundation.digest
    frozen = foundation_classifier = None
    if "generator" in needs:
        frozen = generator.load(paths.generator(), size, settings["truncation"]).to(device)
        digests["generator"] = inputs.generator_digest(config)
    if "foundation_classifier" in needs:
        foundation_classifier = load_foundation_classifier(
            paths.classifier(cell.architecture),
            cell.architecture,
            config.training.normalize_mean,
            config.training.normalize_std,
        ).to(device)
        digests["foundation_classifier"] = inputs.classifier_digest(config, cell.architecture)
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
    return task, Batches(packed, packed.test, size, device)


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

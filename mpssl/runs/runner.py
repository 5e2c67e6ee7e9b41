"""One run from files to files: gather its inputs, train, write its record."""

import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mpssl.common.errors import UserError
from mpssl.common.files import atomic, csv_text, file_digest, write_made, write_text
from mpssl.machine.cpu import prepare_cpu
from mpssl.machine.determinism import deterministic
from mpssl.machine.devices import claimed_device
from mpssl.machine.precision import arithmetic
from mpssl.models import model_file
from mpssl.plan.cells import Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.paths import SAMPLES, RunFiles
from mpssl.plan.plan import images_a_step
from mpssl.runs import snapshots
from mpssl.runs.gather import Gathered, gather
from mpssl.runs.heartbeat import EventFiles, Heartbeat
from mpssl.runs.image_grid import write_grid
from mpssl.runs.record import RunRecord
from mpssl.training import checkpoint
from mpssl.training.assemble import assemble
from mpssl.training.evaluate import feature_norm, percent_right, predict, sample_statistics
from mpssl.training.rng import Streams
from mpssl.training.train import Loop, Outcome, Task, train

SAMPLES_IN_A_ROW = 8
RECORDED_VERSIONS = ("torch", "kornia", "numpy")


def execute(experiment: Experiment, run: Run, threads: int) -> None:
    """Train one run, whose lambda is a number, and write its record, history, model and samples.

    The record is written last: if it exists, the run is whole. A checkpoint beside it is resumed
    by itself and removed at the end.

    Raises:
        UserError: the run cannot be trained.
        Preempted: a signal came in training; the same call goes on from the checkpoint.
    """
    with _device(experiment, threads) as device:
        _execute(experiment, run, device)


def begin(experiment: Experiment, run: Run, threads: int, epochs: int) -> list[float]:
    """Train the first `epochs` of a run, or what its checkpoint lacks of them, and keep that.

    Returns:
        Validation accuracy after each of its epochs so far, percent.

    Raises:
        UserError, Preempted: as `execute`.
    """
    with _device(experiment, threads) as device:
        task, _ = prepare(experiment, run, device)
        path, watching = experiment.paths.run(run).checkpoint, _observers(experiment, run, task)
        outcome = train(task, path, watching, until=epochs)
    return [row["val_accuracy"] for row in outcome.history]


@contextmanager
def _device(experiment: Experiment, threads: int) -> Iterator[torch.device]:
    """The device that the configuration asks for, with the arithmetic that it says."""
    config, training = experiment.config, experiment.config.training
    prepare_cpu(threads)
    with (
        deterministic(training.deterministic),
        arithmetic(training.precision, training.autotune and not training.deterministic),
        claimed_device(config.device, config.runs_per_gpu) as device,
    ):
        yield device


def prepare(experiment: Experiment, run: Run, device: torch.device) -> tuple[Task, Gathered]:
    """The task of a run, on the device, and what it was made from.

    Raises:
        UserError: a file is missing, damaged, or does not belong to the others.
    """
    settings = experiment.plan.settings(run.cell)
    gathered = gather(experiment, run, settings, device)
    task = assemble(
        settings,
        gathered.inputs,
        architecture=run.cell.architecture,
        lambda_=gathered.lambda_,
        streams=Streams(run.seed, device),
        identity={
            "settings": settings.model_dump(mode="json"),
            "digests": gathered.digests.model_dump(),
            "lambda": gathered.lambda_,
            "seed": run.seed,
            "device_type": device.type,  # random streams of one do not go on on the other
        },
    )
    return task, gathered


def _execute(experiment: Experiment, run: Run, device: torch.device) -> None:
    started = time.monotonic()
    files, settings = experiment.paths.run(run), experiment.plan.settings(run.cell)
    task, gathered = prepare(experiment, run, device)
    try:
        outcome = train(task, files.checkpoint, _observers(experiment, run, task))
    except torch.OutOfMemoryError:
        raise UserError(
            f"{run.id} does not fit in the GPU's memory; try training.images_per_pass: 1, or a "
            "smaller training.batch_size or unlabeled_ratio"
        ) from None
    batch_size = settings.training.evaluation_batch_size
    predicted, probability = predict(task.model, gathered.test, batch_size)
    _write_predictions(files.predictions, gathered.test.labels, predicted, probability)
    _write_foundation_map(files.converter, task.source.foundation_map())
    sample_record = _samples(task, files.samples)
    write_text(files.history, csv_text(outcome.history))
    description = model_file.describe(
        experiment.config, run.cell.architecture, gathered.class_names
    )
    model_file.save(files.model, task.model, description)
    record = RunRecord(
        experiment=experiment.config.experiment,
        run=run,
        lambda_=gathered.lambda_,
        best_epoch=outcome.best_epoch,
        val_accuracy=outcome.validation_accuracy,
        test_accuracy=percent_right(predicted, gathered.test.labels),
        images=outcome.steps
        * images_a_step(settings.objective, outcome.batch_size, settings.unlabeled_ratio),
        seconds=round(outcome.seconds, 3),
        wall_seconds=round(time.monotonic() - started, 3),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        device_type=device.type,
        commit=_commit(),
        source_statistics=task.source.statistics(),
        sample_statistics=sample_record,
        feature_norm=feature_norm(task.model, task.validation, batch_size),
        gradient_norms=_gradient_norms(outcome),
        images_per_pass=task.parts.images_per_pass,
        memory_ran_out=task.parts.halved,
        labeled=len(task.labeled),
        validation=len(task.validation),
        versions={name: version(name) for name in RECORDED_VERSIONS}
        | {"python": platform.python_version()},
        settings=settings,
        digests=gathered.digests,
        files={str(path.relative_to(files.folder)): file_digest(path) for path in _written(files)},
    )
    write_made(files.record, record.model_dump(mode="json", by_alias=True))
    checkpoint.remove(files.checkpoint)
    files.progress.unlink(missing_ok=True)


def _written(files: RunFiles) -> list[Path]:
    """The files of a run beside its record that are read again."""
    paths = (files.history, files.model, files.predictions, files.converter, files.samples)
    return [path for path in paths if path.exists()] + snapshots.all_files(files.snapshots)


def _write_predictions(path: Path, label: Tensor, predicted: Tensor, probability: Tensor) -> None:
    """Write what `mpssl.results.predictions` reads, in the order of the packed test images."""
    with atomic(path) as temporary:
        np.savez(
            temporary,
            label=label.cpu().numpy().astype(np.uint16),
            predicted=predicted.cpu().numpy().astype(np.uint16),
            probability=probability.float().cpu().numpy().astype(np.float16),
        )


def _write_foundation_map(path: Path, rows: Tensor | None) -> None:
    """Write a source's probability of each foundation class by target class, if it learned one."""
    path.unlink(missing_ok=True)
    if rows is not None:
        with atomic(path) as temporary:
            np.savez_compressed(temporary, rows=rows.cpu().numpy().astype(np.float16))


def _observers(experiment: Experiment, run: Run, task: Task) -> list[Callable[[Loop], None]]:
    """Who watches the training: for `mpssl status`, for the figures, for TensorBoard."""
    files = experiment.paths.run(run)
    observers = [Heartbeat(files.progress)]
    if "generator" in experiment.plan.needs(run.cell) and task.training.snapshots:
        observers.append(snapshots.Snapshots(task, run.seed, files.snapshots))
    if experiment.config.tensorboard:
        observers.append(EventFiles(files.event_files))
    return observers


def _samples(task: Task, path: Path) -> dict[str, float]:
    """Write a picture of unlabeled images in training, and measure them."""
    if task.objective is None:
        return {}
    count = min(len(task.labeled), task.training.evaluation_batch_size)
    with task.streams.use("samples"):
        rows = torch.randperm(len(task.labeled))[:count]
    rows = rows[task.labeled.labels.cpu()[rows].argsort(stable=True)]
    x, y = task.labeled.centre(rows)
    images = task.source.sample(x, y)[: len(x)]
    shown = torch.linspace(0, len(images) - 1, SAMPLES).round().long()
    write_grid(path, images[shown.to(images.device)].unflatten(0, (-1, SAMPLES_IN_A_ROW)))
    return sample_statistics(task.space, x, images, y)


def _gradient_norms(outcome: Outcome) -> dict[str, list[float]]:
    """Norms of the gradient of each of LMO's terms at phi and xi, if they were recorded."""
    names = [key for key in outcome.history[0] if "_gradient_" in key]
    return {n: [row[n] for row in outcome.history if n in row] for n in names}


def _commit() -> str:
    """The repository's commit, with a + if the working tree differs; empty outside git."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    here = Path(__file__).parent
    result = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return result.stdout.strip()

"""Seconds of a training step on this device, with random images and random weights.

A step costs the same whatever the images show, so nothing needs to be downloaded to measure it.
"""

import platform
import time
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from pytorch_pretrained_biggan import BigGAN, BigGANConfig
from pytorch_pretrained_biggan.model import BigGANBatchNorm
from torch import nn
from torch.nn.utils.spectral_norm import SpectralNorm

from mpssl.common.errors import UserError
from mpssl.common.files import read_json, write_json
from mpssl.config.experiment import Config
from mpssl.data.batches import batches_of
from mpssl.data.store import Packed
from mpssl.foundation.networks import POWER_ITERATIONS, build_generator
from mpssl.machine.cpu import prepare_cpu
from mpssl.machine.determinism import deterministic
from mpssl.machine.devices import claimed_device
from mpssl.machine.precision import arithmetic
from mpssl.models import generator
from mpssl.models.biggan import FoldedBigGan
from mpssl.models.classifier import Classifier
from mpssl.models.file_names import GENERATOR_CONFIG, generator_weights
from mpssl.plan.cells import Cell
from mpssl.plan.cost import Calibration, chosen_cells, dataset_sizes, kind, measured_with
from mpssl.plan.device_memory import OFFICIAL_LAYERS, OFFICIAL_WIDTH
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.plan.pool import folders
from mpssl.shipped import FOUNDATION
from mpssl.training.assemble import Inputs, assemble
from mpssl.training.evaluate import accuracy
from mpssl.training.pool import PoolGenerator
from mpssl.training.rng import Streams
from mpssl.training.train import Loop, Task

CPU = torch.device("cpu")
POOL_IMAGES = 1000  # of a random pool
WARM_UP_STEPS = 2
STATISTICS_BATCH = 4  # images behind the random generator's batch-norm statistics
# BigGAN-deep-256's config.json, as `config/config.yaml` pins it.
BIGGAN_DEEP_256 = {
    "attention_layer_position": 8,
    "channel_width": OFFICIAL_WIDTH,
    "class_embed_dim": 128,
    "eps": 1e-4,
    "layers": OFFICIAL_LAYERS,
    "n_stats": 51,
    "num_classes": 1000,
    "output_dim": 256,
    "z_dim": 128,
}


@dataclass(frozen=True)
class Measurement:
    """Seconds of one training step and of one evaluated image; peak bytes on a GPU, else 0."""

    seconds_per_step: float
    seconds_per_evaluated_image: float
    peak_bytes: int
    seconds_of_compilation: float
    """What the first step takes longer with `training.compile`; else 0."""


# ------------------------------------------------------------------- a task of random ingredients


def random_generator(
    experiment: Experiment, device: torch.device = CPU
) -> generator.FrozenGenerator:
    """The generator at its real size: if its files are there, itself, else random weights.

    A pool is one of a few random images.
    """
    config, folder = experiment.config, experiment.paths.generator()
    foundation, size = config.foundation, config.training.image_size
    settings = foundation.generator
    if settings.kind in ("python", "shipped", "diffusers"):
        return generator.load_configured(config, folder).to(device)
    if settings.kind == "pretrained" and generator_weights(folder).exists():
        return generator.load(folder, size, foundation.truncation).to(device)
    if settings.kind == "images":
        classes = max(1, len(folders(foundation)))
        return PoolGenerator(_random_images(POOL_IMAGES, size, classes), size, device)
    folded = FoldedBigGan(random_network(config), foundation.truncation)
    return generator.FrozenGenerator(folded, size).to(device)


def random_network(config: Config) -> BigGAN:
    """The generator's network at its real size, with random weights that can be used."""
    settings = config.foundation.generator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if settings.kind == "shipped":
            network = BigGAN(BigGANConfig.from_dict(read_json(FOUNDATION / GENERATOR_CONFIG)))
        elif settings.kind == "pretrained":
            network = BigGAN(BigGANConfig.from_dict(BIGGAN_DEEP_256))
        else:
            network = build_generator(
                settings, dataset_sizes(config, config.foundation.dataset).classes
            )
        make_usable(network)
    return network


@torch.no_grad()
def make_usable(network: BigGAN) -> None:
    """Random weights whose images are finite and vary; as the class leaves them, they are NaN.

    The last batch norm is uninitialised memory, spectral norms have not settled, and statistics of
    0 and 1 let the images vanish.
    """
    last_norm = network.generator.bn
    nn.init.ones_(last_norm.weight)
    nn.init.zeros_(last_norm.bias)
    nn.init.normal_(network.embeddings.weight)
    for module in network.modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm):
                for _ in range(POWER_ITERATIONS):
                    hook(module, None)  # in training mode each is one power iteration
        if hasattr(module, "gamma"):
            nn.init.ones_(module.gamma)  # of the attention, which at 0 has no gradient

    def store(norm: BigGANBatchNorm, inputs: tuple) -> None:
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
        norm.running_means[:], norm.running_vars[:] = mean, variance

    network.eval()
    norms = [module for module in network.modules() if isinstance(module, BigGANBatchNorm)]
    hooks = [norm.register_forward_pre_hook(store) for norm in norms]
    labels = torch.eye(network.config.num_classes)[:STATISTICS_BATCH]
    network(torch.randn(len(labels), network.config.z_dim), labels, 1.0)
    for hook in hooks:
        hook.remove()


def _random_images(count: int, size: int, classes: int) -> Packed:
    return Packed(
        images=np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8),
        labels=np.arange(count) % classes,
        classes=[str(k) for k in range(classes)],
        pool=count,
        digest="random",
    )


def random_task(
    plan: Plan, cell: Cell, device: torch.device, frozen: generator.FrozenGenerator | None
) -> Task:
    """What a run of `cell` trains on and with, at its real sizes, all of it random.

    Args:
        plan: of the configuration.
        cell: any row, data set and architecture.
        device: where it lies.
        frozen: the generator, on that device, if the cell's source needs one.
    """
    config, settings, needs = plan.config, plan.settings(cell), plan.needs(cell)
    training, classes = config.training, dataset_sizes(config, cell.dataset).classes
    streams = Streams(0, device)
    count = max(
        training.batch_size, training.evaluation_batch_size, config.lmo.validation_batch_size
    )
    packed = _random_images(count, config.packing.size, classes)
    images = batches_of(packed, np.arange(count), training.image_size, device)
    foundation_classifier = None
    if "foundation_classifier" in needs:
        with streams.use("foundation_weights"):
            foundation_classifier = Classifier(
                cell.architecture,
                frozen.classes if frozen is not None else classes,
                *training.normalization(cell.architecture),
            )
        foundation_classifier.to(device).eval().requires_grad_(False)
    class_map = [[0]] * classes if settings.source == "mapped" else None
    return assemble(
        settings,
        Inputs(classes, images, images, images, frozen, foundation_classifier, class_map),
        architecture=cell.architecture,
        lambda_=config.unlabeled_weight_grid[0],
        streams=streams,
        identity={},
    )


# ---------------------------------------------------------------------------------------- timing


def measure(task: Task, steps: int) -> Measurement:
    """Time `steps` training steps after a warm-up, and the evaluation of one batch."""
    device = task.labeled.labels.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    loop, rate, batch = Loop(task), task.training.learning_rate, task.training.evaluation_batch_size
    task.model.train()
    numbers = iter(range(1, WARM_UP_STEPS + steps + 1))  # step 0 would also record gradient norms
    started = _now(device)
    loop.step(next(numbers), rate)
    first = _now(device) - started
    for _ in range(WARM_UP_STEPS - 1):
        loop.step(next(numbers), rate)
    started = _now(device)
    for number in numbers:
        loop.step(number, rate)
    per_step = (_now(device) - started) / steps
    accuracy(task.model, task.validation, batch)
    started = _now(device)
    accuracy(task.model, task.validation, batch)
    per_image = (_now(device) - started) / len(task.validation)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    compilation = max(0.0, first - per_step) if task.parts.compiles else 0.0
    return Measurement(per_step, per_image, peak, compilation)


def _now(device: torch.device) -> float:
    """The time when all work on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def calibrate(experiment: Experiment, names: list[str], steps: int) -> None:
    """Measure every kind of step of the named (or wanted) tables; add it to calibration.json.

    What was measured before on this device, with these versions and settings, is kept.

    Raises:
        UserError: a step does not fit in the device's memory, or calibration.json is damaged.
    """
    prepare_cpu(experiment.config.threads)
    training = experiment.config.training
    with (
        deterministic(training.deterministic),
        arithmetic(training.precision, training.autotune and not training.deterministic),
        claimed_device(experiment.config.device, runs_per_gpu=1) as device,
    ):
        _calibrate(experiment, names, steps, device)


def _calibrate(experiment: Experiment, names: list[str], steps: int, device: torch.device) -> None:
    config, plan, path = experiment.config, experiment.plan, experiment.paths.calibration
    head = {
        "device": device_name(device),
        "versions": versions(),
        "measured_with": measured_with(config),
    }
    entries = {}
    Calibration.load(experiment)  # a damaged file is an error before the measurement, not after it
    if path.exists():
        stored = read_json(path)
        if all(stored.get(key) == value for key, value in head.items()):
            entries = {(e["kind"], e["architecture"]): e for e in stored["entries"]}
    cells: dict[tuple[str, str], Cell] = {}
    for cell in chosen_cells(plan, names):
        cells.setdefault((kind(plan, cell), cell.architecture), cell)
    frozen = None
    if any("generator" in plan.needs(cell) for cell in cells.values()):
        frozen = random_generator(experiment, device)
    for (name, architecture), cell in cells.items():
        try:
            measured = measure(random_task(plan, cell, device, frozen), steps)
        except torch.OutOfMemoryError:
            raise UserError(
                f"{name} with {architecture} does not fit in the memory of {head['device']}"
            ) from None
        entries[name, architecture] = calibration_entry(plan, cell, measured, steps)
        write_json(path, head | {"entries": list(entries.values())})
        memory = f", {measured.peak_bytes / 1e9:.1f} GB" if measured.peak_bytes else ""
        print(
            f"{name}, {architecture}: {measured.seconds_per_step:.4f} s a step{memory}", flush=True
        )


def calibration_entry(plan: Plan, cell: Cell, measured: Measurement, steps: int) -> dict:
    """What calibration.json says of a cell's kind of step."""
    return {
        "kind": kind(plan, cell),
        "architecture": cell.architecture,
        "seconds_per_step": measured.seconds_per_step,
        "seconds_per_evaluated_image": measured.seconds_per_evaluated_image,
        "seconds_of_compilation": measured.seconds_of_compilation,
        "peak_bytes": measured.peak_bytes,
        "timed_steps": steps,
    }


def versions() -> dict[str, str]:
    """Versions of the packages on which the seconds of a step depend."""
    named = {name: version(name) for name in ("torch", "kornia")}
    return named | {"python": platform.python_version()}


def device_name(device: torch.device) -> str:
    """The GPU's own name, or the number of the CPU's threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU (threads: {torch.get_num_threads()})"

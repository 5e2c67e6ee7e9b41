"""Measurements of the campaign beside the seconds of a step: agreement, data, kernels, sharing."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import gpu_check
from mpssl.common.files import write_json
from mpssl.config.experiment import Config
from mpssl.data.batches import batches_of
from mpssl.data.store import Packed
from mpssl.plan.cells import Cell
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import random_generator
from mpssl.training.train import Loop, Task

BATCHES = 40
KERNELS_SHOWN = 10
PLACES = {"on the device": 1, "in the file": 0}  # by the share of memory that images may take


def agreement(config: Config, cell: Cell, device: torch.device) -> dict:
    """How far losses and gradients of a small step are from the CPU's in float64.

    Args:
        config: a small one.
        cell: what is trained.
        device: what is compared; the CPU is compared to itself with other kernels.
    """
    plan, frozen = Plan(gpu_check.smaller(config, 8)), random_generator(Experiment(config))
    other_kernels = torch.backends.mkldnn.flags(enabled=device.type != "cpu")
    with gpu_check.exact_float32():
        reference = gpu_check.observe(plan, cell, torch.device("cpu"), torch.float64, frozen)
        with other_kernels:
            double, single = (
                gpu_check.errors(reference, gpu_check.observe(plan, cell, device, dtype, frozen))
                for dtype in (torch.float64, torch.float32)
            )
    wrong = [name for name, error in double.items() if not error <= gpu_check.DOUBLE_TOLERANCE]
    return {
        "wrong": wrong,
        "largest_error": {"float64": max(double.values()), "float32": max(single.values())},
    }


def data_path(config: Config, device: torch.device, images: int | None = None) -> dict:
    """Images a second of random batches, read as training reads them, by where they are.

    Args:
        config: its sizes are taken.
        device: where batches are wanted.
        images: number of packed images; enough that a batch is never the same.
    """
    side, batch = config.packing.size, config.training.batch_size
    count = images or batch * 40
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        np.save(path, pixels)
        labels = np.zeros(count, dtype=np.int64)
        packed = Packed(np.load(path, mmap_mode="r"), labels, ["a"], count, "random")
        return {
            place: _images_per_second(packed, share, config, device)
            for place, share in PLACES.items()
        }


def _images_per_second(packed: Packed, share: float, config: Config, device: torch.device) -> float:
    count, batch = len(packed.labels), config.training.batch_size
    batches = batches_of(packed, np.arange(count), config.training.image_size, device, share)
    rows = torch.randperm(count).split(batch)[: count // batch]
    started = time.perf_counter()
    for number in range(BATCHES):
        if number + 1 < BATCHES:
            batches.prefetch(rows[(number + 1) % len(rows)])
        batches.whole(rows[number % len(rows)])
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return BATCHES * batch / (time.perf_counter() - started)


def longest_kernels(task: Task, device: torch.device) -> dict:
    """The longest kernels of a step, each with its part of all kernels' time."""
    loop, on_gpu = Loop(task), device.type == "cuda"
    task.model.train()
    loop.step(1, task.training.learning_rate)
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiled:
        loop.step(2, task.training.learning_rate)
        if on_gpu:
            torch.cuda.synchronize(device)
    times = {
        event.key: event.self_device_time_total if on_gpu else event.self_cpu_time_total
        for event in profiled.key_averages()
    }
    total = sum(times.values())
    longest = sorted(times, key=times.__getitem__, reverse=True)[:KERNELS_SHOWN]
    return {"longest": [[name[:120], times[name] / total] for name in longest]}


def sharing(config: Config, device: torch.device, folder: Path, steps: int) -> dict:
    """Seconds of MP-SSL's step in one process, and in each of two that share the device."""
    path = folder / "config.json"
    write_json(path, config.model_dump(mode="json"))
    command = [sys.executable, "-m", "benchmarks.campaign", "--alone", str(steps)]
    command += ["--device", device.type, "--config", str(path), "--out", str(folder)]
    found = {}
    for count in (1, 2):
        runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        outputs = [run.communicate()[0].splitlines() for run in runs]
        codes = [run.returncode for run in runs]
        if any(codes):
            raise RuntimeError(f"{count} processes ended with the exit codes {codes}")
        seconds = [json.loads(lines[-1])["seconds_per_step"] for lines in outputs]
        found[f"seconds_per_step_{count}"] = max(seconds)
    found["gain"] = 2 * found["seconds_per_step_1"] / found["seconds_per_step_2"]
    return found

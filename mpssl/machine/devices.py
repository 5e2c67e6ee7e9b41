"""The device of a job. If there are several GPUs, or runs share one, each job claims its own slot.

Snakemake counts a resource but does not say which GPU a job gets. So a job claims a slot of a GPU
by locking a file; the system frees the lock when the process ends, however it ends.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from mpssl.common.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpu_claims() -> Path:
    """Return the user's folder of GPU lock files, which does not depend on a job's TMPDIR."""
    return Path("/tmp") / f"mpssl-{os.getuid()}" / "gpus"


@contextmanager
def claimed_device(name: str, runs_per_gpu: int) -> Iterator[torch.device]:
    """Hold the device that the configuration names inside the block.

    `auto` is a GPU if there is one. Of several GPUs the one with the fewest claims is taken, and
    the process then sees no other, so this must come before anything that uses CUDA. If all are
    claimed, it waits.

    Args:
        name: auto, cpu or cuda.
        runs_per_gpu: number of processes that may claim one GPU.

    Raises:
        UserError: a GPU is named and there is none, or torch cannot use it.
    """
    gpus = [] if name == "cpu" or not torch.backends.cuda.is_built() else visible_gpus()
    if not gpus:
        if name == "cuda":
            raise UserError("device: cuda, but torch finds no GPU here; set device: auto or cpu")
        yield torch.device("cpu")
        return
    with claim(gpus, runs_per_gpu, gpu_claims()) as gpu:
        os.environ[VISIBLE] = gpu
        if not torch.cuda.is_available():
            raise UserError(
                f"torch cannot use the GPU {gpu}: is the driver too old for torch "
                f"{torch.__version__}? set device: cpu to use no GPU"
            )
        yield torch.device("cuda")


def visible_gpus() -> list[str]:
    """Name the GPUs that this process may use, in a form that CUDA_VISIBLE_DEVICES accepts.

    The names are UUIDs if `nvidia-smi` lists them, because under SLURM different GPUs of two jobs
    may both be number 0. CUDA is not initialised.
    """
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError):
        listing = ""
    return select_visible(parse_listing(listing), os.environ.get(VISIBLE))


def parse_listing(text: str) -> list[list[str]]:
    """Read the UUIDs in `nvidia-smi -L`: for each GPU its own, or those of its MIG slices."""
    gpus: list[list[str]] = []
    for line in text.splitlines():
        if match := re.search(r"\(UUID: ([^)]+)\)", line):
            uuid = match[1]
            if line.startswith("GPU "):
                gpus.append([uuid])
            elif gpus:  # a slice: CUDA cannot use the whole of a GPU that is cut into slices
                whole = gpus[-1][0].startswith("GPU-")
                gpus[-1] = [uuid] if whole else [*gpus[-1], uuid]
    return gpus


def select_visible(gpus: list[list[str]], visible: str | None) -> list[str]:
    """Return the names of the GPUs that CUDA_VISIBLE_DEVICES leaves, as CUDA reads it.

    Args:
        gpus: the result of `parse_listing`. It is empty if `nvidia-smi` is missing; names are then
            not checked.
        visible: the variable's value: numbers (in `nvidia-smi`'s order) or UUIDs, which may be cut
            short. If it is not set, all are visible. Entries after one that names no GPU are not.
    """
    if visible is None:
        return [uuid for gpu in gpus for uuid in gpu] or (
            ["0"] if torch.cuda.is_available() else []
        )
    chosen: list[str] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry.isdecimal() and gpus:
            named = gpus[int(entry)] if int(entry) < len(gpus) else []
        elif entry.startswith(("GPU-", "MIG-")) and gpus:
            named = [uuid for gpu in gpus for uuid in gpu if uuid.startswith(entry)]
        else:
            named = [entry] if re.match(r"\d+$|GPU-|MIG-", entry) and not gpus else []
        if not named:
            break
        chosen += named
    return list(dict.fromkeys(chosen))


@contextmanager
def claim(gpus: list[str], per_gpu: int, folder: Path, poll_seconds: float = 1) -> Iterator[str]:
    """Hold a slot of the least claimed of `gpus`; wait while each has `per_gpu` claims.

    Args:
        gpus: names of the GPUs, in order of preference.
        per_gpu: number of claims that one GPU may have.
        folder: folder of the lock files, the same for all processes that share the GPUs.
        poll_seconds: seconds between two attempts while all are claimed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    slot = _try_claim(gpus, per_gpu, folder)
    if slot is None:
        print(
            f"waiting for a GPU: {len(gpus)} visible, each with runs_per_gpu: {per_gpu} runs of "
            "yours on it",
            file=sys.stderr,
            flush=True,
        )
    while slot is None:
        time.sleep(poll_seconds)
        slot = _try_claim(gpus, per_gpu, folder)
    gpu, lock = slot
    try:
        yield gpu
    finally:
        lock.release()


def _try_claim(gpus: list[str], per_gpu: int, folder: Path) -> tuple[str, FileLock] | None:
    """Claim a slot of the least claimed GPU, or return None; only one process at a time tries."""
    with FileLock(folder / "claiming.lock"):
        free: dict[str, list[FileLock]] = {}
        claims: dict[str, int] = {}
        for gpu in gpus:
            slots = {folder / f"{gpu}.{number}.lock" for number in range(per_gpu)}
            locks = [FileLock(path) for path in sorted(slots)]
            free[gpu] = [lock for lock in locks if _acquired(lock)]
            others = [FileLock(path) for path in set(folder.glob(f"{gpu}.*.lock")) - slots]
            claims[gpu] = per_gpu - len(free[gpu]) + sum(map(_is_held, others))
        open_ = [gpu for gpu in gpus if claims[gpu] < per_gpu]
        chosen = min(open_, key=claims.__getitem__, default=None)
        kept = free[chosen][0] if chosen is not None else None
        for lock in (lock for locks in free.values() for lock in locks if lock is not kept):
            lock.release()
        return (chosen, kept) if kept is not None else None


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _is_held(lock: FileLock) -> bool:
    """Tell whether another process, which allows more runs per GPU, holds a lock."""
    if not _acquired(lock):
        return True
    lock.release()
    return False

"""The device of a job: on a machine with several GPUs, and where runs share one, each its own slot.

Snakemake hands out counts of a resource, not which one. So a job claims a slot of a GPU by a lock
on a file, which the system frees with the process, however it ends.
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
    """Lock files of the GPUs on this machine, one folder a user, whatever TMPDIR a job has."""
    return Path("/tmp") / f"mpssl-{os.getuid()}" / "gpus"


@contextmanager
def claimed_device(name: str, runs_per_gpu: int) -> Iterator[torch.device]:
    """The device that the configuration names, held by this process inside the block.

    `auto` is a GPU where there is one. Of several GPUs it is the one with the fewest claims, and
    the process then sees no other; so this must come before anything that uses CUDA. If all are
    claimed, it waits.

    Args:
        name: auto, cpu or cuda.
        runs_per_gpu: how many processes may claim one GPU.

    Raises:
        UserError: a GPU is named and there is none.
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
                f"{torch.__version__}? set device: cpu to go on without"
            )
        yield torch.device("cuda")


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, best as CUDA_VISIBLE_DEVICES takes them.

    UUIDs where `nvidia-smi` tells them: under SLURM two jobs' different GPUs may both be number 0.
    CUDA is not initialised by this.
    """
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError):
        listing = ""
    return select_visible(parse_listing(listing), os.environ.get(VISIBLE))


def parse_listing(text: str) -> list[list[str]]:
    """The UUIDs of `nvidia-smi -L`, one list a GPU: its own, or those of its MIG slices."""
    gpus: list[list[str]] = []
    for line in text.splitlines():
        if match := re.search(r"\(UUID: ([^)]+)\)", line):
            uuid = match[1]
            if line.startswith("GPU "):
                gpus.append([uuid])
            elif gpus:  # a slice: CUDA cannot use a GPU as a whole once it is cut
                whole = gpus[-1][0].startswith("GPU-")
                gpus[-1] = [uuid] if whole else [*gpus[-1], uuid]
    return gpus


def select_visible(gpus: list[list[str]], visible: str | None) -> list[str]:
    """What CUDA_VISIBLE_DEVICES leaves of the machine's GPUs, as CUDA reads it.

    Args:
        gpus: of `parse_listing`; empty where `nvidia-smi` is missing, and names are then taken on
            trust.
        visible: the variable: numbers (in `nvidia-smi`'s order) or UUIDs, which may be cut short;
            all where it is not set. What follows an entry that names no GPU is not visible.
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
    """Hold a slot of the least claimed of `gpus`; waits while each has `per_gpu` claims.

    Args:
        gpus: their names, in order of preference.
        per_gpu: claims that one GPU may have.
        folder: of the lock files, the same for all processes that share the GPUs.
        poll_seconds: between two looks while all are taken.
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
    """A slot of the least claimed GPU and its lock, or None. One process at a time looks."""
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
    """Whether another process holds a lock, of one that allows more runs a GPU than this one."""
    if not _acquired(lock):
        return True
    lock.release()
    return False

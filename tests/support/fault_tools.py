"""What the fault tests do to files, disks, clocks and pipelines."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.support.local_server import Server
from tests.support.pipeline import ROOT


def snakemake(folder: Path, *arguments: str) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "faults.yaml"]
    return subprocess.Popen(
        [*command, *arguments], cwd=folder, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def downloaded(server: Server, archive: bytes) -> dict:
    """A data set of one archive that the server has."""
    download = {
        "file": "images.tar.gz",
        "urls": [server.serve("/images.tar.gz", archive)],
        "bytes": len(archive),
        "sha256": hashlib.sha256(archive).hexdigest(),
    }
    return {"adapter": "dtd", "title": "Textures", "downloads": [download]}


def damaged(content: bytes, kind: str, rng: random.Random) -> bytes:
    if kind == "cut":
        return content[: rng.randrange(1, len(content) - 2)]
    if kind == "empty":
        return b""
    place = rng.randrange(len(content) - 2)  # not the last newline
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def fill(disk: Path, free: int) -> Path:
    """A file that leaves `free` bytes of a disk."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(disk).free - free))
    return filler


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], check=True)


def clock_backwards() -> None:
    moments = iter(range(2_000_000_000, 0, -1000))
    time.time = lambda: float(next(moments))

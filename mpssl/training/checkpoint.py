"""The checkpoint of a run: everything that the rest of its training depends on.

The last two checkpoints are kept, so that damage to one file costs one epoch, not the run.
"""

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from mpssl.common.errors import UserError
from mpssl.common.files import atomic

DIGEST_BYTES = hashlib.sha256().digest_size


def previous(path: Path) -> Path:
    """The path of the checkpoint before the last one."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) and its checksum, whole or not at all."""
    buffer = io.BytesIO()  # on a full disk torch.save would report a bug in torch
    torch.save(state, buffer)
    with atomic(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(hashlib.sha256(buffer.getbuffer()).digest())
            file.write(buffer.getbuffer())
        with suppress(FileNotFoundError):  # if this is the first one
            os.replace(path, previous(path))


def load(path: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Read the newest whole checkpoint; None if there is none or if it belongs to another run.

    Args:
        path: file of the last checkpoint.
        identity: settings and digests of the run; a checkpoint made under others is not used.

    Raises:
        UserError: the file is damaged, and there is no whole one before it.
    """
    damaged: list[Path] = []
    for candidate in (path, previous(path)):
        if not candidate.exists():
            continue
        state = _read(candidate)
        if state is None:
            damaged.append(candidate)
            continue
        if damaged:
            print(f"the checkpoint {path} is damaged; using the one before it", flush=True)
        return state if state["identity"] == identity else None
    if damaged:
        names = " and ".join(map(str, damaged))
        raise UserError(
            f"the checkpoint {names} is damaged; delete it and the run starts from its beginning"
        )
    return None


def remove(path: Path) -> None:
    """Remove the checkpoints of a finished run."""
    path.unlink(missing_ok=True)
    previous(path).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    """The state in a file, or None if the file is damaged."""
    content = path.read_bytes()
    payload = memoryview(content)[DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != content[:DIGEST_BYTES]:
        return None
    try:
        return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception:  # a whole file of something else; pickled code is never executed
        return None

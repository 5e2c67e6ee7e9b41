"""Tensors in safetensors files, which hold no code, with a checksum of their content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from mpssl.common.files import CHECKSUM, atomic


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] = {}) -> None:
    """Write named tensors and text `metadata`, whole or not at all; equal ones as equal bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    sealed = {**metadata, CHECKSUM: _checksum(tensors, metadata)}
    # Its own writer reports a full disk as an error of the format, and orders metadata by chance.
    content = memoryview(safetensors.torch.save(tensors, sealed))
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(bytes(content[8:start])), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    with atomic(path) as temporary, open(temporary, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(content[start:])


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and metadata of `save`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or not of `save`.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from None
    if metadata.pop(CHECKSUM, None) != _checksum(tensors, metadata):
        raise ValueError("its checksum is missing or wrong")
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.numpy().data if value.dim() else value.numpy().tobytes())
    return digest.hexdigest()

"""Tensors in safetensors files, which contain no code, with a checksum of their content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from mpssl.common.files import CHECKSUM, atomic


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] = {}) -> None:
    """Write tensors and text `metadata`, whole or not at all; equal input gives equal bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    sealed = {**metadata, CHECKSUM: _checksum(tensors, metadata)}
    # The package's writer reports a full disk as a wrong format, and orders metadata at random.
    content = memoryview(safetensors.torch.save(tensors, sealed))
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(bytes(content[8:start])), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    with atomic(path) as temporary, open(temporary, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(content[start:])


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata that `save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or `save` did not write it.
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

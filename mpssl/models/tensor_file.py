"""Tensors in safetensors files, which contain no code, with a checksum of their content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from mpssl.common.files import CHECKSUM, atomic

FORMAT = "mpssl"  # the one key of a file's metadata


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any] = {}) -> None:
    """Write named tensors and `metadata` of plain data, whole or not at all.

    Equal content gives equal bytes: the metadata is one JSON text with sorted keys, as safetensors
    orders several texts at random.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    sealed = {**metadata, CHECKSUM: _checksum(tensors, metadata)}
    text = json.dumps(sealed, sort_keys=True, ensure_ascii=False, allow_nan=False)
    # Its own writer of files reports a full disk as an error of the format.
    with atomic(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, {FORMAT: text}))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and metadata of `save`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or `save` did not write it.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {}).get(FORMAT, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, RecursionError) as error:
        raise ValueError(str(error)) from None
    found = metadata.pop(CHECKSUM, None) if isinstance(metadata, dict) else None
    if found != _checksum(tensors, metadata):
        raise ValueError("its checksum is missing or wrong")
    return tensors, metadata


def is_ours(path: Path) -> bool:
    """Whether `save` wrote a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or is no safetensors file.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            return FORMAT in (file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from None


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.numpy().data if value.dim() else value.numpy().tobytes())
    return digest.hexdigest()

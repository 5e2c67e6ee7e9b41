"""The checkpoint of a run: everything that the rest of its training depends on."""

from pathlib import Path
from typing import Any

import torch

from mpssl.errors import UserError
from mpssl.files import atomic


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) whole or not at all."""
    with atomic(path) as temporary:
        torch.save(state, temporary)


def load(path: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Read the checkpoint at `path`, or None where there is none or it is of another run.

    Args:
        path: of the checkpoint.
        identity: settings and inputs of the run; a checkpoint made under others is not used.

    Raises:
        UserError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load has many exceptions for damaged files
        raise UserError(
            f"the checkpoint {path} is damaged ({type(error).__name__}); "
            "delete it and the run starts from its beginning"
        ) from None
    return state if state["identity"] == identity else None

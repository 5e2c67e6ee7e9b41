"""Entry points `module:function` of the user's own Python code."""

import importlib
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

from mpssl.common.errors import UserError


def entry_source(entry: str) -> Path:
    """The source file of an entry point's module, found without importing anything.

    Modules are looked for in the working directory, then as Python does.

    Raises:
        UserError: there is no such module, or it has no source file.
    """
    name = entry.partition(":")[0]
    spec, places = None, ["", *sys.path]
    for part in name.split("."):
        spec = PathFinder.find_spec(part, places)
        if spec is None:
            raise UserError(
                f"entry '{entry}': no module {name} in the working directory or installed"
            )
        places = list(spec.submodule_search_locations or [])
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise UserError(f"entry '{entry}': {name} is no Python source file")
    return Path(spec.origin)


def load_entry(entry: str) -> Callable:
    """Import an entry point's function.

    Raises:
        UserError: the module cannot be imported, or has no such function.
    """
    entry_source(entry)
    name, _, function = entry.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(name), function, None)
    except Exception as error:  # the user's own code may raise anything
        raise UserError(
            f"entry '{entry}': importing {name} failed: {type(error).__name__}: {error}"
        ) from None
    if not callable(found):
        raise UserError(f"entry '{entry}': {name} has no function {function}")
    return found

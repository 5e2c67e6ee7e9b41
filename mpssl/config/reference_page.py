"""The configuration reference, docs/configuration.md, from the models of the configuration."""

import types
from typing import Any, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from mpssl.config.experiment import Config
from mpssl.config.fields import Closed

HEAD = """# Configuration

Every key, from the models in `mpssl/config/`: `mpssl reference > docs/configuration.md` writes
this page. `datasets`, `methods`, `tables` with `figures`, and `claims` come from the files of that
name in `config/` where an experiment does not have its own. An unknown key is an error that
suggests the nearest.
"""


def reference() -> str:
    """The page as Markdown: a section a model, a row a key."""
    return HEAD + "".join(_section(model) for model in _reachable(Config, {}))


def _reachable(model: type[Closed], seen: dict) -> dict[type[Closed], None]:
    """`model` and all that its keys hold, in the order in which they are met."""
    seen[model] = None
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            if inner not in seen:
                _reachable(inner, seen)
    return seen


def _models_in(annotation: Any) -> list[type[Closed]]:
    if isinstance(annotation, type) and issubclass(annotation, Closed):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _section(model: type[Closed]) -> str:
    lines = ["", f"## {model.__name__}", "", " ".join((model.__doc__ or "").split()), ""]
    lines += ["| key | value | default | |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        cells = (f"`{name}`", _value(field.annotation), _default(field), field.description or "")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _value(annotation: Any) -> str:
    """What may stand there, in words; models as links to their sections."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _value(parts[0])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is dict:
        return f"name: {_value(parts[1])}"
    if origin in (list, tuple):
        return "list of " + " and ".join(dict.fromkeys(_value(part) for part in parts))
    if origin is types.UnionType or parts:
        return " or ".join(_value(part) for part in parts if part is not types.NoneType)
    if isinstance(annotation, type) and issubclass(annotation, Closed):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return {int: "integer", float: "number", bool: "true or false", str: "text"}.get(
        annotation, getattr(annotation, "__name__", "any").lower()
    )


def _default(field) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, Closed):
        changed = field.default.model_dump(exclude_defaults=True, mode="json")
        return f"`{changed}`" if changed else "its defaults"
    return "empty" if field.default is None else f"`{field.default!r}`"

"""Reading configuration files: one clear line for every mistake in them."""

from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from mpssl.config import Closed, Config, nearest
from mpssl.errors import UserError
from mpssl.files import CHECKSUM, read_made

SHIPPED = Path(__file__).resolve().parent.parent / "config"
PAPER_RESULTS = SHIPPED / "paper_results.csv"
INCLUDED = [SHIPPED / f"{name}.yaml" for name in ("datasets", "methods", "tables", "claims")]


def load(path: Path | str) -> Config:
    """Read a configuration file; methods and tables come from `config/` unless it has its own.

    Raises:
        UserError: a missing or unreadable file, an unknown key or name, a value out of range.
    """
    content = read_yaml(path)
    if CHECKSUM in content:  # the resolved one, which Snakemake wrote for its jobs
        content = read_made(path)
    return resolve(content, where=str(path))


def resolve(content: dict, where: str = "configuration") -> Config:
    """Complete and validate the content of a configuration file.

    `datasets`, `methods`, `tables`, `figures` and `claims` are those of `config/` unless the
    content has its own.

    Raises:
        UserError: an unknown key or name, or a value out of range.
    """
    included: dict = {}
    for path in INCLUDED:
        included |= read_yaml(path)
    try:
        return Config.model_validate(included | content)
    except ValidationError as error:
        raise UserError(f"{where}: {_first_line(error)}") from None


def read_yaml(path: Path | str) -> dict:
    """Read a mapping from a YAML file with the safe loader."""
    try:
        content = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise UserError(f"cannot read the configuration {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets some ValueErrors through
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected 'key: value' lines, found {type(content).__name__}")
    return content


def _first_line(error: ValidationError) -> str:
    """The first validation error as one line that names the key and the remedy."""
    first, *others = error.errors()
    loc = first["loc"]
    if first["type"] == "extra_forbidden":
        fields = {name for model in _models_at(loc[:-1]) for name in model.model_fields}
        return f"unknown key '{_dotted(loc)}'{nearest(str(loc[-1]), fields)}"
    if first["type"] == "missing":
        return f"the key '{_dotted(loc)}' is missing"
    message = first["msg"].removeprefix("Value error, ")
    for other in others:  # the other members of a union
        if other["loc"][:-1] == loc[:-1] and other["input"] is first["input"]:
            message += f", or: {other['msg']}"
            loc = first["loc"][:-1]
    return message if not loc else f"{_dotted(loc)}: {message} (found: {first['input']!r})"


def _dotted(loc: tuple) -> str:
    return ".".join(map(str, loc))


def _models_at(loc: tuple) -> list[type[Closed]]:
    """The models whose fields may stand at a place of the configuration."""
    models: list[type[Closed]] = [Config]
    for part in loc:
        # Names of entries and tags of unions are no fields; a variant's `lmo` is that of Config.
        models = _inside(models, part) or _inside([Config], part) or models
    return models


def _inside(models: list[type[Closed]], field: str | int) -> list[type[Closed]]:
    return [
        inner
        for model in models
        if field in model.model_fields
        for inner in _models_in(model.model_fields[field].annotation)
    ]


def _models_in(annotation: Any) -> list[type[Closed]]:
    if isinstance(annotation, type) and issubclass(annotation, Closed):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def schema() -> dict:
    """The JSON schema of a complete configuration, as `workflow/schemas/` holds it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}

"""Reading configuration files: one clear line for every mistake in them."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from mpssl.config import Closed, Config, nearest
from mpssl.errors import UserError

SHIPPED = Path(__file__).resolve().parent.parent / "config"
INCLUDED = [SHIPPED / f"{name}.yaml" for name in ("datasets", "methods", "tables")]


def load(path: Path | str) -> Config:
    """Read a configuration file; methods and tables come from `config/` unless it has its own.

    Raises:
        UserError: a missing or unreadable file, an unknown key or name, a value out of range.
    """
    return resolve(read_yaml(path), where=str(path))


def resolve(content: dict, where: str = "configuration") -> Config:
    """Complete and validate the content of a configuration file.

    `datasets`, `methods`, `tables` and `figures` are those of `config/` unless the content has
    its own.

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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected 'key: value' lines, found {type(content).__name__}")
    return content


def _first_line(error: ValidationError) -> str:
    """The first validation error as one line that names the key and the remedy."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        fields = {f for model in _models() for f in model.model_fields}
        return f"unknown key '{key}'{nearest(str(first['loc'][-1]), fields)}"
    if first["type"] == "missing":
        return f"the key '{key}' is missing"
    message = first["msg"].removeprefix("Value error, ")
    return message if not key else f"{key}: {message} (found: {first['input']!r})"


def _models(base: type[Closed] = Closed) -> list[type[Closed]]:
    return [m for child in base.__subclasses__() for m in [child, *_models(child)]]


def schema() -> dict:
    """The JSON schema of a complete configuration, as `workflow/schemas/` holds it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}

"""Reading configuration files: one clear line for every mistake in them."""

import json
import math
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mpssl.common.errors import UserError, nearest, one_line
from mpssl.common.files import CHECKSUM, read_json, read_made
from mpssl.config.experiment import Config
from mpssl.config.fields import Closed, models_in
from mpssl.shipped import INCLUDED, INCLUDED_KEYS

LARGEST_FILE = 2**20  # bytes; the shipped ones have less than 2**15


def load(path: Path | str) -> Config:
    """Read a configuration file; `resolve` completes it.

    Raises:
        UserError: a missing or unreadable file, an unknown key or name, a value out of range.
    """
    made = _made(path)
    if made is not None:
        return resolve(made, where=str(path))
    return resolve(read_yaml(path), where=str(path), base=Path(path).parent)


def _made(path: Path | str) -> dict | None:
    """The configuration that Snakemake wrote for its jobs; None if the file is a person's.

    It is read as JSON: every job reads it, and YAML takes a hundred times as long.
    """
    if Path(path).suffix != ".json" or not Path(path).is_file():
        return None
    try:
        made = CHECKSUM in read_json(path)
    except (OSError, ValueError, TypeError, RecursionError):  # `read_yaml` says what is wrong
        return None
    return read_made(path) if made else None


def resolve(
    content: dict, where: str = "configuration", strict: bool = True, base: Path | None = None
) -> Config:
    """Complete and validate the content of a configuration file.

    `datasets`, `methods`, `tables`, `figures` and `claims` are those of `mpssl/shipped/` unless
    the content has its own. If it is not `strict`, a text that says a number is that number:
    Snakemake's `--config` makes texts of the numbers inside lists and mappings. `base` is the
    folder at which paths start that begin with ./ or ../; without it they start where one is.

    Raises:
        UserError: an unknown key or name, or a value out of range.
    """
    try:
        _check_plain(content)
        if not content.keys() >= INCLUDED_KEYS:
            content = _included() | content
        # As JSON, pydantic's strict mode still takes texts for paths and lists for tuples.
        context = {"base": base and base.absolute()}
        return Config.model_validate_json(json.dumps(content), strict=strict, context=context)
    except ValidationError as error:
        raise UserError(one_line(f"{where}: {_first_line(error, content)}")) from None
    except ValueError as error:
        raise UserError(one_line(f"{where}: {error}")) from None
    except RecursionError:
        raise UserError(f"{where}: values are nested too deep, or in themselves") from None


@cache
def _included() -> dict:
    return {key: value for path in INCLUDED for key, value in read_yaml(path).items()}


def read_yaml(path: Path | str) -> dict:
    """Read a mapping from a YAML file.

    Raises:
        UserError: a missing, unreadable or huge file, tags that build objects, a repeated key.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise UserError(f"cannot read the configuration {path}: it is no file")
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise UserError(f"{path} is larger than {LARGEST_FILE} bytes: no configuration")
        content = yaml.load(data.decode(), _Loader)
    except OSError as error:
        raise UserError(f"cannot read the configuration {path}: {error.strerror}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets some ValueErrors through
        raise UserError(one_line(f"{path} is not valid YAML: {error}")) from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected 'key: value' lines, found {type(content).__name__}")
    return content


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but a key that is twice in one mapping is an error."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """One mapping, its merged parts not yet in it."""
        node = super().compose_mapping_node(anchor)
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, count in keys.items():
            if count > 1:
                raise ValueError(f"the key '{key}' is twice in one mapping")
        return node


def _check_plain(value: Any, key: str = "") -> None:
    """Check that JSON can hold a value, as the jobs read the configuration from JSON.

    Raises:
        ValueError: it cannot; names the key.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise ValueError(f"the key {name!r} is no text; write it in quotes")
            _check_plain(inner, name)
    elif isinstance(value, list):
        for inner in value:
            _check_plain(inner, key)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key}: must be a finite number (found: {value})")
    elif not (value is None or isinstance(value, str | int | float)):
        raise ValueError(f"{key}: no text, number, list or mapping (found: {value!r})")


def _first_line(error: ValidationError, content: dict) -> str:
    """The first validation error of a content as one line that names the key and the remedy."""
    first, *others = error.errors()
    loc = first["loc"]
    if first["type"] == "extra_forbidden":
        fields = {name for model in _models_at(loc[:-1]) for name in model.model_fields}
        return f"unknown key '{_dotted(loc)}'{nearest(str(loc[-1]), fields)}"
    if first["type"] == "missing":
        return f"the key '{_dotted(loc)}' is missing"
    message = first["msg"].removeprefix("Value error, ")
    for other in others:  # the other members of a union
        same = other["loc"][:-1] == first["loc"][:-1] and other["input"] == first["input"]
        if same and not _is_written(content, other["loc"]):
            message += f", or: {other['msg']}"
            loc = first["loc"][:-1]
    if not loc:
        return message
    # Of a whole section, which a model's own check refuses, the message says what is wrong in it.
    section = first["type"] == "value_error" and isinstance(first["input"], dict)
    found = "" if section else f" (found: {first['input']!r})"
    return f"{_dotted(loc)}: {message}{found}"


def _is_written(content: Any, loc: tuple) -> bool:
    """Whether the last part of a place is a key or an item of the content."""
    for part in loc[:-1]:
        content = content[part] if _holds(content, part) else content  # a union's member is no key
    return _holds(content, loc[-1])


def _holds(content: Any, part: str | int) -> bool:
    if isinstance(content, list):
        return isinstance(part, int) and part < len(content)
    return isinstance(content, dict) and part in content


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
        for inner in models_in(model.model_fields[field].annotation)
    ]


def schema() -> dict:
    """The JSON schema of a configuration file, as `mpssl/shipped/config.schema.json` holds it.

    No key of the whole is required: what a file does not say comes from the shipped files, or from
    another file that is given beside it.
    """
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Config.model_json_schema()
    del whole["required"]
    whole["$defs"]["Variant"]["properties"]["lmo"] |= {"$ref": "#/$defs/Lmo"}
    return whole

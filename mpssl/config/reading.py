"""Reading configuration files: one clear line for every mistake in them."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain
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
MOST_VALUES = 50_000  # an alias counts as what it stands for
DEEPEST = 50


def load(path: Path | str) -> Config:
    """Read a configuration file; `resolve` completes it.

    Raises:
        UserError: a missing or unreadable file, an unknown key or name, a value out of range.
    """
    return resolve(_made(path) or read_yaml(path), where=str(path))


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


def resolve(content: dict, where: str = "configuration", strict: bool = True) -> Config:
    """Complete and validate the content of a configuration file.

    `datasets`, `methods`, `tables`, `figures` and `claims` are those of `mpssl/shipped/` unless
    the content has its own. If it is not `strict`, a text that says a number is that number:
    Snakemake's `--config` makes texts of the numbers inside lists and mappings.

    Raises:
        UserError: an unknown key or name, or a value out of range.
    """
    try:
        measure(content, _plain_children)
        if not content.keys() >= INCLUDED_KEYS:
            content = _included() | content
        # As JSON, pydantic's strict mode still takes texts for paths and lists for tuples.
        return Config.model_validate_json(json.dumps(content), strict=strict)
    except ValidationError as error:
        raise UserError(one_line(f"{where}: {_first_line(error)}")) from None
    except ValueError as error:
        raise UserError(one_line(f"{where}: {error}")) from None


@cache
def _included() -> dict:
    return {key: value for path in INCLUDED for key, value in read_yaml(path).items()}


def read_yaml(path: Path | str) -> dict:
    """Read a mapping from a YAML file.

    Raises:
        UserError: a missing, unreadable or huge file, tags that build objects, a key that stands
            there twice, aliases that stand for too much.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise UserError(f"cannot read the configuration {path}: it is no file")
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise UserError(f"{path} is larger than {LARGEST_FILE} bytes: no configuration")
        content = _safe_load(data.decode())
    except OSError as error:
        raise UserError(f"cannot read the configuration {path}: {error.strerror}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets some ValueErrors through
        raise UserError(one_line(f"{path} is not valid YAML: {error}")) from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected 'key: value' lines, found {type(content).__name__}")
    return content


def _safe_load(text: str) -> Any:
    """PyYAML's safe loader, but a repeated key or an alias bomb is an error."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        measure(node, _node_children)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def measure(
    value: Any, children: Callable[[Any], Iterable], depth: int = 0, known: dict | None = None
) -> tuple[int, int]:
    """How many values a tree has and how deep it is, counting a shared part wherever it stands.

    Raises:
        ValueError: too many or too deep, as are those that contain themselves.
    """
    known = {} if known is None else known
    count, height = known.get(id(value), (1, 1))
    if id(value) not in known and depth <= DEEPEST:
        for child in children(value):
            more, below = measure(child, children, depth + 1, known)
            count, height = count + more, max(height, 1 + below)
        known[id(value)] = count, height
    if depth + height > DEEPEST:
        raise ValueError(f"values are nested deeper than {DEEPEST} levels, or in themselves")
    if count > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values, aliases counted where they stand")
    return count, height


def _node_children(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [key for key, n in Counter(key.value for key in keys).items() if n > 1]:
            raise ValueError(f"the key '{twice[0]}' stands twice in one mapping")
        return chain.from_iterable(node.value)
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def _plain_children(value: Any) -> Iterable:
    """The parts of a value that JSON can hold: the jobs read the configuration as JSON.

    Raises:
        ValueError: it cannot; names the key.
    """
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r} is no text; write it in quotes")
        parts = [(key, part) for key, inner in value.items() for part in (key, inner)]
    elif isinstance(value, list):
        parts = list(enumerate(value))
    else:
        return ()
    for key, part in parts:
        if reason := _not_plain(part):
            raise ValueError(f"{key}: {reason} (found: {part!r})")
    return [part for _, part in parts]


def _not_plain(value: Any) -> str:
    """Why JSON, a file system or a 64-bit machine cannot hold a value; empty where they can."""
    if isinstance(value, str):
        broken = any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)
        return "a letter that no text has" if broken else ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else "must be a finite number"
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "a number of more than 64 bits"
    plain = value is None or isinstance(value, list | dict)
    return "" if plain else "no text, number, list or mapping"


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
        if other["loc"][:-1] == loc[:-1] and other["input"] == first["input"]:
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

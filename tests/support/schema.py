"""The JSON schema of configurations, as an editor finds and applies it."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from mpssl.shipped import SCHEMA

LINE = "# yaml-language-server: $schema="


def schema_of(path: Path) -> Path:
    """The schema that a file's first line names."""
    first = path.read_text().splitlines()[0]
    assert first.startswith(LINE), path
    return (path.parent / first.removeprefix(LINE)).resolve()


def mistakes(content: dict, schema: Path = SCHEMA) -> list[str]:
    """What the schema has against a configuration."""
    validator = Draft202012Validator(json.loads(schema.read_text()))
    return [error.message for error in validator.iter_errors(content)]

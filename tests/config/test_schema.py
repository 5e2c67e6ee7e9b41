"""The JSON schema by which an editor completes and checks a configuration file."""

import copy
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from mpssl.config import reading
from mpssl.config.fields import Closed
from mpssl.shipped import INCLUDED, SCHEMA
from tests.support.schema import mistakes, schema_of

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = [*sorted((ROOT / "config").glob("*.yaml")), *INCLUDED]


def models(base=Closed):
    return [m for child in base.__subclasses__() for m in (child, *models(child))]


def test_the_schema_is_valid_itself():
    Draft202012Validator.check_schema(reading.schema())


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_files_are_valid_under_the_schema_that_they_name(path):
    assert schema_of(path) == SCHEMA
    content = yaml.safe_load(path.read_text())
    assert mistakes(content, schema_of(path)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_misspelt_key_is_no_key_of_any_part(path):
    """A key added to any mapping with fixed keys is found, as deep as it may be."""
    content = yaml.safe_load(path.read_text())
    places = list(closed_places(content))
    assert places
    for place in places:
        changed = copy.deepcopy(content)
        part = changed
        for key in place:
            part = part[key]
        part["lerning_rate"] = 1
        assert mistakes(changed), f"{path}: nothing refuses {place}"


def closed_places(content, place=()):
    """The places of all mappings whose keys are fixed: not names that a person chooses."""
    names = {"datasets", "tables", "figures", "claims", "methods", "variants", "labels"}
    if isinstance(content, list):
        for i, part in enumerate(content):
            yield from closed_places(part, (*place, i))
    if not isinstance(content, dict):
        return
    of_names = place and place[-1] in names
    if not of_names and not (len(place) == 2 and place[0] in ("methods", "roles")):
        yield place
    for key, part in content.items():
        yield from closed_places(part, (*place, key))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("experiment", 3),
        ("training", {"epochs": 0}),
        ("training", {"image_sise": 32}),
        ("datasets", {"a": {"adapter": "mnits", "title": "A"}}),
        ("foundation", {"generator": {"kind": "trained"}}),
    ],
)
def test_wrong_values_are_found(key, value):
    assert mistakes({key: value})


def test_the_changes_of_a_variant_are_checked_too():
    def content(lmo):
        variants = {"new": {"label": "x", "lmo": lmo}}
        method = {"label": "y", "source": "lmo", "objective": "scr", "variants": variants}
        return {"methods": {"generative": {"mine": method}}}

    assert mistakes(content({"converter": {"temperature": 0.5}})) == []
    assert mistakes(content({"converter": {"temprature": 0.5}}))


def test_examples_of_fields_are_valid():
    whole = reading.schema()
    found = 0
    for name, part in [("Config", whole), *whole["$defs"].items()]:
        for key, field in part["properties"].items():
            validator = Draft202012Validator({**field, "$defs": whole["$defs"]})
            for example in field.get("examples", []):
                found += 1
                assert list(validator.iter_errors(example)) == [], f"{name}.{key}"
    assert found > 10


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_every_field_is_described(model):
    """An editor shows it, and the reference page: a sentence that can be read alone."""
    for name, field in model.model_fields.items():
        text, where = field.description or "", f"{model.__name__}.{name}"
        assert len(text.split()) >= 4, f"{where}: say what it is, its unit and what its ends mean"
        assert text[0].isupper() and text.endswith("."), f"{where}: {text}"

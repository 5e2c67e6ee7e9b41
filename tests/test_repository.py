"""What keeps the repository's files in step with each other."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from mpssl.config import experiment, reading
from mpssl.config.fields import Closed
from mpssl.config.reference_page import reference

ROOT = Path(__file__).resolve().parent.parent


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().lower().splitlines()
    return dict(line.split("==") for line in lines)


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_conda_environment_and_constraints_agree():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    versions = {normalized(k): v for k, v in pinned().items()}
    conda = dict(entry.split("==") for entry in pip)
    assert {name: versions[normalized(name)] for name in conda} == conda
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {normalized(re.match(r"[A-Za-z0-9_-]+", entry)[0]) for entry in wanted}
    assert names == {normalized(name) for name in conda}


def test_schema_is_the_one_of_the_models():
    stored = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    assert stored == reading.schema(), "run: mpssl schema > workflow/schemas/config.schema.json"


def test_configuration_reference_is_the_one_of_the_models():
    stored = (ROOT / "docs/configuration.md").read_text()
    assert stored == reference(), "run: mpssl reference > docs/configuration.md"
    assert "| `epochs` | integer | `200` |  |" in stored
    for model in models():
        if not model.__subclasses__():  # the others are bases
            assert f"## {model.__name__}\n" in stored


def models(base=Closed):
    return [m for child in base.__subclasses__() for m in (child, *models(child))]


# Handed on whole as keyword arguments: read in the signatures of the functions that take them.
HANDED_ON = {"TrainedGenerator", "TrainedClassifier", "Distortion", "Glyphs", "Uda", "FixMatch"}
HANDED_ON |= {"FreeMatch"}


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_every_key_is_read_by_some_code(model):
    files = [*(ROOT / "mpssl").rglob("*.py"), *(ROOT / "workflow").rglob("*.smk")]
    code = "\n".join(f.read_text() for f in files if f.name != "config.py")
    code += (ROOT / "mpssl/config/experiment.py").read_text().split("@model_validator", 1)[1]
    for field in model.model_fields:
        pattern = rf"\.{field}\b|[\"']{field}[\"']"
        if model.__name__ in HANDED_ON:
            pattern += rf"|\b{field}: "
        assert re.search(pattern, code), f"nothing reads {model.__name__}.{field}"


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_models_are_closed_and_described(model):
    assert model.model_config["extra"] == "forbid"
    assert model.__doc__


def test_assumptions_name_keys_that_exist():
    """Keys in the last column of docs/assumptions.md are keys of the configuration."""
    known = {field for model in models() for field in model.model_fields}
    known |= set(
        yaml.safe_load((ROOT / "mpssl/shipped/methods.yaml").read_text())["methods"]["generative"]
    )
    known |= set(yaml.safe_load((ROOT / "mpssl/shipped/datasets.yaml").read_text())["datasets"])
    known |= {"generative"}
    rows = [
        line.split("|")[-2]
        for line in (ROOT / "docs/assumptions.md").read_text().splitlines()
        if line.startswith("|") and not line.startswith("|---") and "| key |" not in line
    ]
    assert len(rows) > 30
    for row in rows:
        for key in re.findall(r"`([^`]+)`", row):
            if "/" in key:
                assert (ROOT / key).exists(), key
            else:
                parts = key.split(":")[0].strip(".").split(".")
                assert all(part in known for part in parts), key


def test_no_default_outside_the_configuration():
    """Settings that reach the training code have no second default in its signatures."""
    assert experiment.Training().epochs == 200
    for path in (ROOT / "mpssl/objectives").glob("*.py"):
        for name in ("confidence_threshold", "temperature", "fairness_weight"):
            assert not re.search(rf"{name}: float =", path.read_text()), path


def test_no_test_file_imports_from_another():
    """What several test files share is in tests/support or a conftest.py."""
    pattern = re.compile(r"^\s*(?:from|import) +(tests\.(?:\w+\.)*test_\w+)", re.MULTILINE)
    for path in (ROOT / "tests").rglob("*.py"):
        assert not pattern.findall(path.read_text()), path

"""What keeps the repository's files in step with each other."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from mpssl.config import reading
from mpssl.config.fields import Closed
from mpssl.config.reference_page import reference
from mpssl.plan.experiment import Experiment
from mpssl.shipped import SCHEMA

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


@pytest.mark.slow
@pytest.mark.parametrize("extra", ["timm", "diffusers"])
def test_an_extra_resolves_beside_the_pinned_versions(extra, tmp_path):
    """pip chooses what it would install, with the constraints; without a registry it cannot."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"][extra]
    options = ("--dry-run", "--quiet", "--constraint", "constraints.txt", "--report")
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", *options, str(report), *wanted]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode and "No matching distribution" in result.stderr:
        pytest.skip("the registry is not there")
    assert result.returncode == 0, result.stderr[-2000:]
    versions = {normalized(k): v for k, v in pinned().items()}
    for package in json.loads(report.read_text())["install"]:
        found = package["metadata"]
        assert versions[normalized(found["name"])] == found["version"], found["name"]


def test_schema_is_the_one_of_the_models():
    assert json.loads(SCHEMA.read_text()) == reading.schema(), "run: make generated"


def test_configuration_reference_is_the_one_of_the_models():
    stored = (ROOT / "docs/configuration.md").read_text()
    assert stored == reference(), "run: make generated"
    for model in models():
        if not model.__subclasses__():  # the others are bases
            assert f"## {model.__name__}\n" in stored


def models(base=Closed):
    return [m for child in base.__subclasses__() for m in (child, *models(child))]


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


# Names of keys that have a default in the training code all the same.
OTHER_DEFAULTS = {
    "training/second_order.py": {"padding", "training", "momentum"},  # as in torch's functions
    "models/classifier.py": {"precision"},  # of networks outside a run's training
}


def test_no_default_outside_the_configuration():
    """A setting that reaches the training code has no second default there.

    None is allowed: it says that a run has no such thing.
    """
    keys = {field for model in models() for field in model.model_fields}
    package, seen = ROOT / "mpssl", set()
    for path in [*package.glob("training/**/*.py"), *package.glob("models/*.py")]:
        allowed = OTHER_DEFAULTS.get(str(path.relative_to(package)), set())
        for name, default in named_values(ast.parse(path.read_text())):
            seen.add(name)
            if name in keys - allowed:
                assert default in (None, "None"), f"{path}: {name} = {default}"
    assert {"confidence_threshold", "temperature", "threshold_momentum", "views"} <= seen


def named_values(tree: ast.Module):
    """Names of parameters and of fields of classes, each with its default as text, or None."""
    pairs = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [arg.arg for arg in node.args.posonlyargs + node.args.args]
            missing = [None] * (len(names) - len(node.args.defaults))
            pairs += zip(names, missing + node.args.defaults, strict=True)
            names = [arg.arg for arg in node.args.kwonlyargs]
            pairs += zip(names, node.args.kw_defaults, strict=True)
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.AnnAssign):
                    pairs.append((ast.unparse(line.target), line.value))
                elif isinstance(line, ast.Assign):
                    pairs += ((ast.unparse(target), line.value) for target in line.targets)
    return [(name, ast.unparse(value) if value else None) for name, value in pairs]


def test_no_test_file_imports_from_another():
    """What several test files share is in tests/support or a conftest.py."""
    pattern = re.compile(r"^\s*(?:from|import) +(tests\.(?:\w+\.)*test_\w+)", re.MULTILINE)
    for path in (ROOT / "tests").rglob("*.py"):
        assert not pattern.findall(path.read_text()), path


def test_make_shows_a_table_that_the_embedded_benchmark_makes():
    (shown,) = re.findall(r"results/mini/tables/(\w+)\.md", (ROOT / "Makefile").read_text())
    assert shown in Experiment.load(ROOT / "config/mini.yaml").plan.wanted

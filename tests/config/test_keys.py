"""Every key of every model is read by the code that it is for."""

import inspect
import json
import pkgutil
import subprocess
import sys

import pytest

from mpssl.config.experiment import Config
from mpssl.config.fields import Closed
from mpssl.config.method import Method
from tests.support.pipeline import ROOT, environment

pytestmark = pytest.mark.slow  # the fixture runs every step of the pipeline

# Models that are handed on whole, as keyword arguments: the function's signature has their keys.
HANDED_ON = {
    "Distortion": "mpssl.data.embedded:harden",
    "Glyphs": "mpssl.data.glyphs:render_glyphs",
    "TrainedGenerator": "mpssl.foundation.train:train_generator",
    "TrainedClassifier": "mpssl.foundation.train:train_foundation_classifier",
    "Uda": "mpssl.training.objectives.uda:Uda",
    "FixMatch": "mpssl.training.objectives.fixmatch:FixMatch",
    "FreeMatch": "mpssl.training.objectives.freematch:FreeMatch",
}
# A check of the configuration is all that they are for.
CHECKED = {("Lmo", "exact")}


def models(base=Closed):
    """The models that a configuration holds: those that are no bases of others."""
    found = [m for child in base.__subclasses__() for m in (child, *models(child))]
    return [m for m in found if m.__module__.startswith("mpssl.") and not m.__subclasses__()]


@pytest.fixture(scope="module")
def reads(tmp_path_factory):
    """Pairs of model and field that a whole experiment reads, every step of it in one process."""
    folder = tmp_path_factory.mktemp("reads")
    result = subprocess.run(
        [sys.executable, "-m", "tests.support.key_reads", "reads.json"],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:]
    return {tuple(pair) for pair in json.loads((folder / "reads.json").read_text())}


def handed_on(model: str) -> set[str]:
    """The keys of a model that reach code as a whole."""
    if model == "Variant":  # laid over its method
        return set(Method.model_fields)
    if model not in HANDED_ON:
        return set()
    return set(inspect.signature(pkgutil.resolve_name(HANDED_ON[model])).parameters)


def unread(model: str, fields, reads) -> list[str]:
    known = handed_on(model)
    read = reads | CHECKED
    return [field for field in fields if (model, field) not in read and field not in known]


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_every_key_is_read_by_some_code(model, reads):
    found = unread(model.__name__, model.model_fields, reads)
    assert not found, (
        f"nothing reads {model.__name__}.{found[0]}; if it is read where the experiment of "
        "tests/support/key_reads.py does not come, let it come there"
    )


@pytest.mark.parametrize("name", ["seed", "title", "epochs", "batch_size", "label", "views"])
def test_a_key_of_another_model_does_not_count(name, reads):
    """A new key would be found though code reads the same name of another model."""
    assert name in {field for _, field in reads}
    for model in ("Packing", "Roles", "Uda", "Mapper", "Claim"):
        assert unread(model, [name], reads) == [name]


def test_checks_of_the_configuration_do_not_count(reads):
    assert not CHECKED & reads
    assert Config in models()

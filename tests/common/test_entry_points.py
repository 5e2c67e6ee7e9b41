"""Generators of the user's own, and that runs depend on their source."""

import re
import sys

import pytest
import torch

from mpssl.common.entry_points import entry_source
from mpssl.common.errors import UserError
from mpssl.config.experiment import Config
from mpssl.models import generator
from mpssl.plan import input_digests
from mpssl.plan.cells import Cell
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from tests.support.pipeline import ROOT

CELL = Cell("mnist", 50, "generative", "mpssl", "default", "resnet8")
BASE = Cell("mnist", 50, "base", "base", "default", "resnet8")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The working directory with the documented example as `my_generator.py`."""
    text = (ROOT / "docs/generators.md").read_text()
    (tmp_path / "my_generator.py").write_text(re.search(r"```python\n(.*?)```", text, re.S)[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_generator", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@pytest.fixture
def config(content):
    content["foundation"]["generator"] = {"kind": "python", "entry": "my_generator:build"}
    return Config.model_validate(content)


def test_the_documented_example_generates(project, config):
    frozen = generator.load_configured(config.model_copy(), project)
    assert (frozen.z_dim, frozen.classes) == (3, 10)
    z = torch.zeros(2, 3, requires_grad=True)
    images = frozen(z, torch.eye(10)[:2])
    assert images.shape == (2, 3, 224, 224)
    assert images.min() >= 0 and images.max() <= 1
    corner = torch.full((3,), 0.5)  # 0 of -1 to 1
    torch.testing.assert_close(images[0, :, 0, 0].detach(), corner, atol=1e-3, rtol=0)
    images.sum().backward()
    assert z.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in frozen.parameters())


def test_runs_depend_on_the_source_and_only_those_that_use_it(project, config):
    before, base = Plan(config).settings(CELL), Plan(config).settings(BASE)
    assert before.generator.entry == "my_generator:build"
    assert "my_generator" not in sys.modules  # planning imports nothing
    source = project / "my_generator.py"
    source.write_text(source.read_text() + "\nCHANGED = True\n")
    assert Plan(config).settings(CELL).generator != before.generator
    assert Plan(config).settings(BASE) == base


def test_its_digest_is_of_its_source_and_files(project, content):
    data = project / "weights.bin"
    settings = {"kind": "python", "entry": "my_generator:build", "files": [str(data)]}
    content["foundation"]["generator"] = settings
    experiment = Experiment(Config.model_validate(content))
    data.write_bytes(b"1")
    found = {
        input_digests.generator_digest(experiment),
        input_digests.digest_on_disk(experiment, "generator", ""),
    }
    assert len(found) == 1
    data.write_bytes(b"2")
    found.add(input_digests.generator_digest(experiment))
    (project / "my_generator.py").write_text("")
    found.add(input_digests.generator_digest(experiment))
    assert len(found) == 3
    data.unlink()
    with pytest.raises(UserError, match="weights.bin does not exist"):
        input_digests.generator_digest(experiment)
    assert input_digests.digest_on_disk(experiment, "generator", "") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("output_range = (-1.0, 1.0)", "output_range = (-0.1, 0.1)"), "outside of its output_ra"),
        (("self.z_dim, ", "self.other, "), "AttributeError: .*z_dim"),
        (("(y @ self.colours)", "(y.detach() @ self.colours)"), "not differentiable in y"),
        (("* inside", "* inside.repeat(1, 2, 1, 1)"), "RuntimeError"),
        (("def build(", "def make("), "has no function build"),
        (("import torch\n", "import no_such_module\n"), "ModuleNotFoundError"),
    ],
)
def test_what_is_no_generator_is_refused(project, config, change, message):
    source = project / "my_generator.py"
    assert change[0] in source.read_text()
    source.write_text(source.read_text().replace(*change, 1))
    with pytest.raises(UserError, match=message):
        generator.load_configured(config, project)


def test_missing_modules_and_nested_ones(project):
    with pytest.raises(UserError, match="no module nowhere"):
        entry_source("nowhere:build")
    (project / "package").mkdir()
    (project / "package/inner.py").write_text("")
    assert entry_source("package.inner:f").name == "inner.py"

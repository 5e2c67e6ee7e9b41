"""The digest of the code that runs depend on: which runs an edit of this package makes anew."""

import ast
import re
import shutil

import pytest

from mpssl.common import code_digest as module
from mpssl.common.code_digest import OUTSIDE, PACKAGE, code_digest
from tests.support.code_copy import Copy, forget

RUNS = {
    "base": ("mpssl.runs.runner", "mpssl.training.sources.base"),
    "freematch": (
        "mpssl.runs.runner",
        "mpssl.training.sources.real",
        "mpssl.training.objectives.freematch",
    ),
    "scr": (
        "mpssl.runs.runner",
        "mpssl.training.sources.uniform",
        "mpssl.training.objectives.distances",
    ),
    "mpssl": (
        "mpssl.runs.runner",
        "mpssl.training.sources.lmo",
        "mpssl.training.objectives.distances",
    ),
}
ALL = set(RUNS)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real") / "mpssl"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return Copy(folder)


@pytest.fixture(scope="module")
def known():
    """What counts of a text, kept from test to test."""
    return {}


@pytest.fixture
def real(copied, known, monkeypatch):
    """A copy of this package, whole again after the test."""

    def code(name):
        key = name, module._path(name).read_text()
        if key not in known:
            known[key] = module._find_code(name)
        return known[key]

    forget()
    monkeypatch.setattr(module, "PACKAGE", copied.folder)
    monkeypatch.setattr(module, "_code", code)
    yield copied
    copied.restore()


def digests(old="", new=""):
    """Of the runs, after a module was renamed."""
    return {
        name: code_digest(*(new if module == old else module for module in modules))
        for name, modules in RUNS.items()
    }


def changed(package, name, *edit):
    """The runs that an edit runs again."""
    before = digests()
    package.edit(name, *edit) if len(edit) == 2 else package.append(name, *edit)
    after = digests()
    return {run for run in RUNS if after[run] != before[run]}


class OtherWords(ast.NodeTransformer):
    """Changes every text for people and every annotation."""

    said = False

    def other(self, nodes):
        self.said = True
        nodes = [self.visit(node) for node in nodes]
        self.said = False
        return nodes

    def visit_Constant(self, node):
        return ast.Constant(f"other {node.value}") if self.said else node

    def visit_Raise(self, node):
        if isinstance(node.exc, ast.Call):
            node.exc.args = self.other(node.exc.args)
        return node

    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "print":
            node.args = self.other(node.args)
        if isinstance(node.func, ast.Name) and node.func.id == "tqdm":
            node.keywords = self.other(node.keywords)
        return node

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Constant):
            return ast.Expr(ast.Constant("other words"))
        return self.generic_visit(node)

    def annotation(self, node):
        return ast.BinOp(node, ast.BitOr(), ast.Name("object")) if node else None

    def visit_arg(self, node):
        return ast.arg(node.arg, self.annotation(node.annotation))

    def visit_FunctionDef(self, node):
        node.returns = self.annotation(node.returns)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node):
        node.annotation = self.annotation(node.annotation)
        return node


def test_other_words_in_every_module_re_run_nothing(real):
    before = digests()
    for name in {name for modules in RUNS.values() for name in module.reached(*modules)}:
        path = module._path(name)
        tree = OtherWords().visit(ast.parse(path.read_text()))
        text = ast.unparse(ast.fix_missing_locations(tree)) + "\n# a comment\n"
        real.write(str(path.relative_to(real.folder).with_suffix("")), text)
    assert "other resuming after" in real.path("training/train").read_text()
    assert digests() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("training/rng", "training/streams"),
        ("training/rng", "machine/chance"),  # to another room
        ("training/views", "models/augment"),
        ("training/checkpoint", "runs/kept_state"),  # imported as a module
        ("training/train", "runs/loop"),
        ("training/sources/lmo", "training/sources/latent"),  # named in a dictionary
        ("training/objectives/distances", "training/distances"),
        ("training/sources/base", "training/source"),
        ("models/generator", "models/frozen"),
        ("models/biggan", "foundation/folded"),  # imported in a function
        ("compat/torchvision", "compat/vision"),  # its names are those of another package
        ("runs/runner", "training/runner"),
    ],
)
def test_a_module_that_moves_re_runs_nothing(real, old, new):
    before = digests()
    real.move(old, new)
    old, new = (f"mpssl.{name.replace('/', '.')}" for name in (old, new))
    assert digests(old, new) == before


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("training/objectives/freematch", "1 / classes", "2 / classes", {"freematch"}),
        ("training/objectives/distances", "(weak - strong).abs()", "weak", {"scr", "mpssl"}),
        ("training/views", "RandomHorizontalFlip()", "RandomHorizontalFlip(p=0.4)", ALL),
        ("training/sources/uniform", "torch.randn(", "torch.rand(", {"scr"}),
        ("training/rng", "digest[:7]", "digest[:6]", ALL),
        ("training/rng", "size < 1", "size < 2", ALL),  # a condition in front of a raise
        ("training/meta_gradient", "-learning_rate * lambda_", "learning_rate", {"mpssl"}),
        ("models/latents", "nn.LeakyReLU()", "nn.ReLU()", {"mpssl"}),
    ],
)
def test_a_changed_number_re_runs_its_runs(real, name, old, new, expected):
    assert changed(real, name, old, new) == expected


def test_a_constant_of_the_configuration_that_a_network_reads_re_runs(real, known):
    before = digests()
    real.edit("config/architectures", '"resnet8": 1', '"resnet8": 2')
    known.clear()
    after = digests()
    assert all(after[run] != before[run] for run in RUNS)
    real.restore()
    real.edit(
        "config/architectures", "  # residual blocks a stage", "  # residual blocks in a stage"
    )
    known.clear()
    assert digests() == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("training/objectives/freematch", {"freematch"}),
        ("training/objectives/base", ALL - {"base"}),
        ("training/sources/lmo", {"mpssl"}),
        ("training/second_order", {"mpssl"}),
        ("training/sources/real", {"freematch"}),
        ("models/classifier", ALL),
        ("data/batches", ALL),
        ("training/train", ALL),
        ("config/training", set()),
        ("plan/plan", set()),  # the settings that it gives are compared themselves
        ("shipped/__init__", set()),
        ("common/errors", set()),
        ("common/code_digest", set()),
        ("machine/preemption", set()),
        ("runs/heartbeat", set()),
        ("results/tables", set()),
        ("tools/status", set()),
        ("cli/main", set()),
        ("foundation/jobs", set()),
    ],
)
def test_an_edit_re_runs_what_depends_on_it(real, name, expected):
    assert changed(real, name, "\nCHANGED = 1\n") == expected


def test_reading_a_data_set_depends_on_the_readers(real):
    before = code_digest("mpssl.data.adapters")
    real.append("data/folder", "\nCHANGED = 1\n")
    assert code_digest("mpssl.data.adapters") != before


def test_the_modules_outside_are_there():
    for name in OUTSIDE:
        assert module._path(name).exists(), name


def test_imports_say_which_module_they_take():
    """An import of all names, or from the room that a module is in, would not be understood."""
    for path in PACKAGE.rglob("*.py"):
        assert not re.search(r"^\s*from \.|import \*", path.read_text(), re.M), path


def test_no_module_takes_a_private_name_of_another(real):
    """A private function that only texts for people use does not count."""
    for modules in RUNS.values():
        for name, texts in module.reached(*modules).items():
            assert not re.search(r"[0-9a-f]{16}\._\w+", "\n".join(texts)), name

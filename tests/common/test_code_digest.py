"""The digest of the code that a step depends on."""

import shutil

import pytest

from mpssl.common import code_digest as module
from mpssl.common.code_digest import code_digest

TOP = '''"""Top."""
from mpssl import near

def f():
    """Say."""
    return near.g()
'''
NEAR = """
def g():
    from mpssl.deep.far import h

    return h()
"""
FAR = '''
class C:
    """A class."""

    x = 1

def h():
    return C.x
'''
SMALL = {
    "top": TOP,
    "near": NEAR,
    "deep/__init__": "",
    "deep/far": FAR,
    "other": "x = 1\n",  # not imported by top
    "config": "x = 1\n",
}


def forget():
    for cached in (
        module.code_digest,
        module._tree,
        module._imports,
        module._meaning,
    ):
        cached.cache_clear()


class Copy:
    """A package in a folder of its own, to be edited."""

    def __init__(self, folder):
        self.folder = folder

    def edit(self, module, old, new):
        path = self.folder / f"{module}.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        forget()

    def append(self, module, text):
        path = self.folder / f"{module}.py"
        path.write_text(path.read_text() + text)
        forget()


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Makes copies: of the small package above, or of mpssl itself."""
    folder = tmp_path / "mpssl"

    def make(real):
        if real:
            shutil.copytree(module.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            for name, text in SMALL.items():
                path = folder / f"{name}.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        monkeypatch.setattr(module, "PACKAGE", folder)
        forget()
        return Copy(folder)

    yield make
    forget()


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("top", '"""Top."""', '"""Other words."""'),
        ("top", '    """Say."""\n', ""),
        ("top", "    return near.g()", "    # why\n    return (\n        near.g()\n    )"),
        ("deep/far", '"""A class."""', '"""Another text."""'),
        ("other", "x = 1", "x = 2"),
    ],
)
def test_what_does_not_count(copy, module, old, new):
    package = copy(real=False)
    before = code_digest("mpssl.top")
    package.edit(module, old, new)
    assert code_digest("mpssl.top") == before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("top", "near.g()", "near.g() + 1"),
        ("near", "return h()", "return -h()"),
        ("deep/far", "x = 1", "x = 2"),  # reached through an import inside a function
        ("deep/far", "return C.x", 'return "C.x"'),
    ],
)
def test_what_counts(copy, module, old, new):
    package = copy(real=False)
    before = code_digest("mpssl.top")
    package.edit(module, old, new)
    assert code_digest("mpssl.top") != before


def test_configuration_does_not_count(copy):
    package = copy(real=False)
    package.append("top", "\nimport mpssl.config.experiment\n")
    before = code_digest("mpssl.top")
    package.append("config", "\nx = 2\n")
    assert code_digest("mpssl.top") == before


def test_order_of_modules_does_not_count(copy):
    copy(real=False)
    assert code_digest("mpssl.top", "mpssl.other") == code_digest("mpssl.other", "mpssl.top")
    assert code_digest("mpssl.top", "mpssl.other") != code_digest("mpssl.top")


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


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("training/objectives/freematch", {"freematch"}),
        ("training/objectives/distances", {"scr", "mpssl"}),
        ("training/objectives/base", set(RUNS)),
        ("training/sources/lmo", {"mpssl"}),
        ("training/meta_gradient", {"mpssl"}),
        ("training/sources/real", {"freematch"}),
        ("models/classifier", set(RUNS)),
        ("data/batches", set(RUNS)),
        ("training/views", set(RUNS)),
        ("training/rng", set(RUNS)),
        ("training/train", set(RUNS)),
        ("plan/plan", set()),  # the settings that it gives are compared themselves
        ("cli/main", set()),
        ("foundation/jobs", set()),
    ],
)
def test_an_edit_re_runs_what_depends_on_it(copy, module, expected):
    package = copy(real=True)
    before = {name: code_digest(*modules) for name, modules in RUNS.items()}
    package.append(module, "\n# a comment\n")
    assert {name: code_digest(*modules) for name, modules in RUNS.items()} == before
    package.append(module, "\nCHANGED = 1\n")
    after = {name: code_digest(*modules) for name, modules in RUNS.items()}
    assert {name for name in RUNS if after[name] != before[name]} == expected


def test_reading_a_data_set_depends_on_the_readers(copy):
    package = copy(real=True)
    before = code_digest("mpssl.data.adapters")
    package.append("data/folder", "\nCHANGED = 1\n")
    assert code_digest("mpssl.data.adapters") != before

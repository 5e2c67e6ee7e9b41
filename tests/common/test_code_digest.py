"""The digest of the code that a step depends on: of a small made package, and of this one."""

import ast
import re
import shutil

import pytest

from mpssl.common import code_digest as module
from mpssl.common.code_digest import OUTSIDE, PACKAGE, code_digest

SMALL = {
    "top": '''"""Top."""
import logging

from tqdm import tqdm

from mpssl import near
from mpssl.common.errors import UserError
from mpssl.config import shapes
from mpssl.config.shapes import WIDTH, Shape
from mpssl.deep.kinds import Kind
from mpssl.deep.rows import ROWS

_WHERE = "there"
_HINT = f"look again {_WHERE}"

def f(x: int, kind: Kind = None) -> Shape:
    """Say."""
    total: float = 0
    remedy = f"try {x}"
    if x < 0:
        raise UserError(f"{x} is wrong; {remedy}; {_HINT}") from None
    assert x < 100, "too large"
    print(_line(x))
    logging.info("at %s", x)
    with tqdm(total=x, desc="bar") as bar:
        for row in tqdm(ROWS, desc="rows"):
            total += near.g(row) * WIDTH
            bar.set_postfix(total=total)
            if bar.disable:
                print(row)
    return total

def _line(x):
    return f"x is {x}"

class Field:
    x: int = 1
    """A field."""
''',
    "__init__": "",
    "near": """
def g(x):
    from mpssl.deep.far import h

    return h() + x
""",
    "deep/__init__": "",
    "deep/far": '''
class C:
    """A class."""

    x = 1

def h():
    if C.x < 0:
        raise ValueError("negative")
    return C.x
''',
    "deep/kinds": "class Kind:\n    x = 1\n",  # top takes no more from it than an annotation
    "deep/rows": "from mpssl.other import ROWS\n",
    "deep/table": """
TABLE = {
    "one": ("mpssl.deep.one:One", "a"),
    "two": ("mpssl.deep.two:Two", "b"),
    "three": 3,
}
""",
    "deep/one": "class One:\n    x = 1\n",
    "deep/two": "class Two:\n    x = 1\n",
    "other": "ROWS = [1]\n",
    "unused": "x = 1\n",
    "no_texts": """
import warnings

LIMIT = "public"

class Thing:
    kind = "a"
    one = "class"

    def __init__(self):
        self.mode = "fast"
        first, second = "xy"
        one = both = "text"
        self.parts = [first, second, both]
        if len(self.parts) > 5:
            raise ValueError(f"{one} {LIMIT} {self.mode} {self.kind}")

def register(function):
    return function

@register
def _told():
    return 1

def note(warnings):
    warnings.append(1)
    if warnings.pop():
        print(_told())
""",
    "common/errors": "class UserError(Exception):\n    pass\n",
    "config/shapes": "WIDTH = 1\nDEPTH = 1\n\nclass Shape:\n    x = 1\n",
}


class Copy:
    """A package in a folder of its own, to be edited."""

    def __init__(self, folder):
        self.folder = folder
        self.before = {}

    def path(self, name):
        return self.folder / f"{name}.py"

    def write(self, name, text):
        """Replace a module's text, or remove the module for None."""
        path = self.path(name)
        self.before.setdefault(name, path.read_text() if path.exists() else None)
        self._put(name, text)
        forget()

    def _put(self, name, text):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink() if text is None else path.write_text(text)

    def edit(self, name, old, new):
        text = self.path(name).read_text()
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def append(self, name, text):
        self.write(name, self.path(name).read_text() + text)

    def move(self, old, new):
        """Rename a module, `room/name`, and update what imports it or names it in a text."""
        self.write(new, self.path(old).read_text())
        self.write(old, None)
        (room, name), (new_room, new_name) = (
            ("mpssl." + place.replace("/", ".")).rsplit(".", 1) for place in (old, new)
        )
        line = re.compile(rf"^( *)from {room} import (.*?)\b{name}\b( as \w+)?(.*)$", re.M)
        for path in self.folder.rglob("*.py"):
            text = path.read_text()
            updated = re.sub(rf"\b{room}\.{name}\b", f"{new_room}.{new_name}", text)
            if found := line.search(updated):
                indent, first, own, last = found.groups()
                others = (first + last.removeprefix(", ")).removesuffix(", ")
                lines = [f"{indent}from {new_room} import {new_name}{own or f' as {name}'}"]
                lines += [f"{indent}from {room} import {others}"] if others else []
                updated = updated.replace(found[0], "\n".join(lines))
            if updated != text:
                self.write(str(path.relative_to(self.folder).with_suffix("")), updated)

    def restore(self):
        for name, text in self.before.items():
            self._put(name, text)
        self.before = {}
        forget()


def forget():
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The small package above."""
    package = Copy(tmp_path / "mpssl")
    for name, text in SMALL.items():
        package.write(name, text)
    package.before = {}
    monkeypatch.setattr(module, "PACKAGE", package.folder)
    yield package
    forget()


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
    compute = module._code.__wrapped__

    def code(name):
        key = name, module._path(name).read_text()
        if key not in known:
            known[key] = compute(name)
        return known[key]

    forget()
    monkeypatch.setattr(module, "PACKAGE", copied.folder)
    monkeypatch.setattr(module, "_code", code)
    yield copied
    copied.restore()


# What the small package says


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("top", '"""Top."""', '"""Other words."""'),
        ("top", '    """Say."""\n', ""),
        ("top", '    """A field."""\n', ""),
        ("top", "    return total", "    # why\n    return (\n        total\n    )"),
        ("top", "is wrong", "is not right"),
        ("top", "{remedy}; {_HINT}", "{_HINT}: {remedy} {_line(x)}"),
        ("top", "try {x}", "try another {x}"),  # the text of a local variable
        ("top", "look again", "look"),
        ("top", '"there"', '"here"'),  # in a text of a text
        ("top", 'f"x is {x}"', 'f"now x is {x}"'),  # what a private function says
        ("top", ', "too large"', ""),
        ("top", "print(_line(x))", "print(_line(x), x, flush=True)"),
        ("top", '    logging.info("at %s", x)\n', '    logging.info("at")\n    print(x)\n'),
        ("top", '"at %s"', '"where: %s"'),
        ("top", 'desc="bar"', 'unit="row"'),
        ("top", 'tqdm(ROWS, desc="rows")', "ROWS"),
        ("top", "bar.set_postfix(total=total)", "bar.set_postfix(x=x)"),
        ("top", "            if bar.disable:\n                print(row)\n", ""),
        ("top", "x: int, kind: Kind = None", "x: float, kind: Kind | int = None"),
        ("top", "from mpssl.deep.kinds import Kind\n", ""),
        ("top", "total: float = 0", "total = 0"),
        ("top", "    x: int = 1", "    x: float = 1"),
        ("top", "from mpssl import near\n", "import mpssl.near as near\n"),
        ("deep/far", '"""A class."""', '"""Another text."""'),
        ("deep/far", "negative", "below 0"),
        ("deep/far", 'ValueError("negative")', "ValueError"),
        ("deep/kinds", "x = 1", "x = 2"),
        ("unused", "x = 1", "x = 2"),
        ("common/errors", "pass", "x = 1"),
        ("config/shapes", "DEPTH = 1", "DEPTH = 2"),
        ("config/shapes", "x = 1", "x = 2"),
    ],
)
def test_what_does_not_count(small, name, old, new):
    before = code_digest("mpssl.top")
    small.edit(name, old, new)
    assert code_digest("mpssl.top") == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("top", "total += near.g(row)", "total -= near.g(row)"),
        ("top", "if x < 0:", "if x < 1:"),  # whether the step goes on
        ("top", "raise UserError(", "raise ValueError("),
        ("top", "assert x < 100", "assert x < 10"),
        ("top", "tqdm(ROWS, ", "tqdm(ROWS[1:], "),
        ("top", "                print(row)", "                total += 1"),
        ("top", "    x: int = 1", "    x: int = 2"),
        ("top", "    x: int = 1\n", "    x: int = 1\n    y: int\n"),
        ("top", "import WIDTH", "import DEPTH as WIDTH"),
        ("top", "from mpssl import near", "from mpssl import unused as near"),
        ("near", "h() + x", "h() - x"),
        ("deep/far", "x = 1", "x = 2"),  # reached by an import inside a function
        ("deep/far", "return C.x", 'return "C.x"'),
        ("deep/far", "C.x < 0", "C.x < 1"),
        ("deep/rows", "import ROWS", "import ROWS, unused"),
        ("other", "[1]", "[2]"),  # by way of another module
        ("config/shapes", "WIDTH = 1", "WIDTH = 2"),  # a constant that top takes
    ],
)
def test_what_counts(small, name, old, new):
    before = code_digest("mpssl.top")
    small.edit(name, old, new)
    assert code_digest("mpssl.top") != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("public", "known"),  # to other modules
        ('kind = "a"', 'kind = "b"'),
        ('one = "class"', 'one = "kind"'),  # not the local variable `one`
        ("return 1", "return 2"),  # of a function that is registered
        ("fast", "slow"),
        ("xy", "xz"),
        ('"text"', '"texts"'),
        ("append(1)", "append(2)"),  # no call of the package `warnings`
        ("warnings.pop()", "warnings"),
    ],
)
def test_what_only_looks_like_a_text_counts(small, old, new):
    before = code_digest("mpssl.no_texts")
    small.edit("no_texts", old, new)
    assert code_digest("mpssl.no_texts") != before


@pytest.mark.parametrize(
    ("imported", "used"),
    [
        ("from mpssl.room.part import f", "f"),
        ("from mpssl.room.part import f as other", "other"),
        ("from mpssl.room import part", "part.f"),
        ("from mpssl.room import part as other", "other.f"),
        ("import mpssl.room.part", "mpssl.room.part.f"),
        ("import mpssl.room.part as other", "other.f"),
        ("from mpssl.place.piece import f", "f"),
        ("from mpssl.place import piece", "piece.f"),
        ("import mpssl.place.piece as other", "other.f"),
    ],
)
def test_the_form_of_an_import_does_not_count(small, imported, used):
    for name in ("room/__init__", "place/__init__"):
        small.write(name, "")
    for name in ("room/part", "place/piece"):
        small.write(name, "def f(x):\n    return x\n")
    small.write("user", "from mpssl.room.part import f\n\ny = f(1)\n")
    before = code_digest("mpssl.user")
    small.write("user", f"{imported}\n\ny = {used}(1)\n")
    assert code_digest("mpssl.user") == before
    small.write("user", f"def make():\n    {imported}\n\n    return {used}(1)\n")
    inside = code_digest("mpssl.user")
    for name in ("room/part", "place/piece"):
        small.write(name, "def f(x):\n    return -x\n")
    assert code_digest("mpssl.user") != inside


def test_a_local_name_is_not_the_import_of_that_name(small):
    text = """
from mpssl import near

def f(near):
    return near + 1

def g():
    return near.g(2)
"""
    small.write("user", text)
    before = code_digest("mpssl.user")
    small.move("near", "deep/far_away")
    small.write(
        "user",
        text.replace("from mpssl import near", "from mpssl.deep import far_away").replace(
            "near.g(", "far_away.g("
        ),
    )
    assert code_digest("mpssl.user") == before


def test_two_modules_that_only_differ_in_their_numbers_are_told_apart(small):
    small.write("one", "def f():\n    return 1\n")
    small.write("two", "def f():\n    return 2\n")
    small.write("user", "from mpssl import one, two\n\ny = one.f() - two.f()\n")
    before = code_digest("mpssl.user")
    small.write("user", "from mpssl import one, two\n\ny = two.f() - one.f()\n")
    assert code_digest("mpssl.user") != before


@pytest.mark.parametrize(
    "text",
    [
        "from mpssl.through import ROWS\n\nx = ROWS\n",  # which only annotates there
        "from mpssl import through\n\nx = through.ROWS\n",
        "try:\n    from mpssl.other import ROWS\nexcept OSError:\n    from x import ROWS\n\n"
        "y = ROWS\n",
        "from mpssl import other\n\ndef f(x):\n    return [other for other in x], other.ROWS\n",
        "from mpssl import other\n\ndef f(x):\n    return lambda other: other, other.ROWS\n",
        "from mpssl import other\n\ndef f(other=other.ROWS):\n    return other\n",
        "class C:\n    from mpssl import other\n\n    x = other.ROWS\n",
        "class C:\n    other = 1\n\n    def f(self):\n        import mpssl.other as other\n\n"
        "        return other.ROWS\n",
        "async def f():\n    from mpssl import other\n\n    return other.ROWS\n",
    ],
)
def test_an_import_that_is_used_counts_wherever_it_is(small, text):
    small.write("through", "from mpssl.other import ROWS\n\ndef f(x: ROWS):\n    return x\n")
    small.write("user", text)
    before = code_digest("mpssl.user")
    small.edit("other", "[1]", "[2]")
    assert code_digest("mpssl.user") != before


def test_an_import_for_its_effect_counts(small):
    small.append("top", "\nimport mpssl.unused\n")
    before = code_digest("mpssl.top")
    small.edit("unused", "x = 1", "x = 2")
    assert code_digest("mpssl.top") != before


def test_a_circle_of_imports_has_one_digest(small):
    small.write("a", "def f():\n    from mpssl.b import g\n\n    return g()\n")
    small.write("b", "from mpssl import a\n\ndef g():\n    return a.f\n")
    both = code_digest("mpssl.a"), code_digest("mpssl.b")
    forget()
    assert (code_digest("mpssl.b"), code_digest("mpssl.a")) == both[::-1]
    small.edit("b", "return a.f", "return 1")
    assert code_digest("mpssl.a") != both[0]


def test_order_of_modules_does_not_count(small):
    assert code_digest("mpssl.top", "mpssl.other") == code_digest("mpssl.other", "mpssl.top")
    assert code_digest("mpssl.top", "mpssl.near") == code_digest("mpssl.top")
    assert code_digest("mpssl.top", "mpssl.unused") != code_digest("mpssl.top")


def test_of_a_dictionary_that_names_modules_only_the_used_entries_count(small):
    def digests():
        named = ("mpssl.deep.one", "mpssl.deep.two")
        return [code_digest("mpssl.deep.table", name) for name in named]

    one, two = digests()
    small.edit("deep/two", "x = 1", "x = 2")
    assert digests()[0] == one and digests()[1] != two
    small.restore()
    small.edit("deep/table", '"b"', '"c"')
    assert digests()[0] == one and digests()[1] != two
    small.restore()
    small.edit("deep/table", '    "three"', '    "four": "mpssl.deep.one:Four",\n    "three"')
    assert digests()[0] != one and digests()[1] == two
    small.restore()
    small.edit("deep/table", '"three": 3', '"three": 4')
    assert digests()[0] != one and digests()[1] != two
    small.restore()
    small.move("deep/two", "zwei")
    assert code_digest("mpssl.deep.table", "mpssl.zwei") == two


def test_a_module_that_is_named_elsewhere_counts(small):
    small.append("top", '\nNAME = "mpssl.unused:x"\n')
    before = code_digest("mpssl.top")
    small.move("unused", "deep/used")
    assert code_digest("mpssl.top") == before
    small.edit("deep/used", "x = 1", "x = 2")
    assert code_digest("mpssl.top") != before


# The same for this package

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

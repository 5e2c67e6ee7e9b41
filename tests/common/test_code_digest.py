"""The digest of the code that a step depends on, of a small made package."""

import random
import sys

import pytest

from mpssl.common import code_digest as module
from mpssl.common.code_digest import code_digest
from tests.support.code_copy import SMALL, Copy, forget
from tests.support.fault_tools import damaged


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


# What is kept beside the byte code


@pytest.fixture
def found(monkeypatch):
    """The modules whose code was looked through since the fixture was made."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    find, found = module._find_code, []
    monkeypatch.setattr(module, "_find_code", lambda name: found.append(name) or find(name))
    return found


def kept(small):
    return list(small.folder.rglob("__pycache__/code_digest.*"))


def again(*modules):
    """The digest in a new process."""
    forget()
    return code_digest(*modules)


def test_what_counts_is_found_once(small, found):
    before = code_digest("mpssl.top"), code_digest("mpssl.deep.table", "mpssl.deep.one")
    assert sorted(set(found)) == sorted(found) and "mpssl.deep.one" in found
    found.clear()
    assert (again("mpssl.top"), again("mpssl.deep.table", "mpssl.deep.one")) == before
    assert found == [] and len(kept(small)) == 1


def test_what_is_kept_is_of_these_sources_and_this_python(small, found, monkeypatch):
    before = code_digest("mpssl.top")
    small.edit("near", "h() + x", "h() - x")
    assert code_digest("mpssl.top") != before
    found.clear()
    monkeypatch.setattr(sys, "version", "another")
    again("mpssl.top")
    assert "mpssl.top" in found


@pytest.mark.parametrize("kind", ["cut", "empty", "one bit"])
def test_what_is_damaged_is_found_again(small, found, kind):
    before = code_digest("mpssl.top")
    (file,) = kept(small)
    whole = file.read_bytes()
    for number in range(20):
        file.write_bytes(damaged(whole, kind, random.Random(number)))
        assert again("mpssl.top") == before
        assert file.read_bytes() == whole or kind == "one bit"


def test_nothing_is_kept_where_nothing_can_be_or_no_byte_code_is(small, found, monkeypatch):
    def refused(*_, **__):
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(module, "atomic", refused)
        before = code_digest("mpssl.top")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert again("mpssl.top") == before
    assert kept(small) == []

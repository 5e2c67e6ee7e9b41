"""A package in a folder of its own, whose modules a test edits and moves; a small one is SMALL."""

import re

from mpssl.common import code_digest as module

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

"""A digest of the code that a step depends on, as Snakemake does not see imported packages.

What can change a number counts, known by its content:

- A module counts as its syntax tree, in which an imported name is written as the content of the
  module that defines it and the name there. So no name or room of a module counts, nor the form of
  an import. A module is reached if code that counts uses a name of it, or imports it for an effect.
- A condition in front of a `raise` counts, and the class of what is raised.
- Of a dictionary that names modules in texts ("mpssl.room.module:Class"), only those entries count
  whose modules the caller names. Elsewhere, such a text is read as an import.

The rest does not count:

- Texts for people: comments, docstrings, the arguments of what is raised, the messages of `assert`,
  statements that call `print`, `warnings` or `logging`, tqdm's bars and what they are told. We take
  it that a text does nothing else: the effect of a call inside of it is not seen.
- What only such texts read: imports, private functions, literals in local or private variables.
- Annotations. It counts that a class has an annotated field.
- The modules `OUTSIDE`, but for the values of the CONSTANTS that counted code takes from them.

What a step is only handed is no import: whoever asks for a digest names the module that makes it.
"""

import ast
import contextlib
import gzip
import hashlib
import json
import sys
import zlib
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path

from mpssl.common.code_names import MODULE, Code, Place, bound_names, with_origins
from mpssl.common.code_texts import without_texts
from mpssl.common.files import atomic

PACKAGE = Path(__file__).resolve().parent.parent
OUTSIDE = (
    "mpssl.config",  # its values reach a step in its settings
    "mpssl.plan",  # it gives steps their settings, which are compared themselves, and their files
    "mpssl.shipped",  # it is read into the configuration
    "mpssl.common.code_digest",  # what it says is compared
    "mpssl.common.errors",  # texts
    "mpssl.machine.preemption",  # a run that is stopped goes on to the same numbers
    "mpssl.runs.heartbeat",  # progress
)


@cache
def code_digest(*modules: str) -> str:
    """Digest of the code of `modules` and of all that it reaches in this package, 16 hex digits.

    Sources and objectives, which dictionaries name, must be among the `modules` (dotted names).
    """
    contents = {text for texts in reached(*modules).values() for text in texts}
    return _hash("\n".join(sorted(contents)))


def reached(*modules: str) -> dict[str, list[str]]:
    """The modules that count for a step that runs `modules`, and what counts of each."""
    waiting, found = list(modules), {}
    for module in waiting:  # which grows
        code, entries = _code(module)
        texts = [code, *(text for named, text in entries if not set(modules).isdisjoint(named))]
        for used in MODULE.findall("\n".join(texts)):
            if used not in waiting and not _is_outside(used):
                waiting.append(used)
        found[module] = [MODULE.sub(lambda match: _own(match[1]), text) for text in texts]
    return found


@cache
def _own(module: str) -> str:
    """What stands for a module, wherever it is: a digest of its code, its imports left out."""
    return "" if _is_outside(module) else _hash(MODULE.sub("", _code(module)[0]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _code(module: str) -> Code:
    return _all_code()[module]


@cache
def _all_code() -> dict[str, Code]:
    """What counts of each module, kept beside Python's byte code: finding it takes a second.

    What is kept is of one version of Python and of the text of all modules.
    """
    texts = {_name(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
    of = _hash(json.dumps([sys.version, texts]))
    compiled = Path(cache_from_source(str(_path("mpssl.common.code_digest"))))
    kept = compiled.with_suffix(".json.gz")  # gzip knows if it is damaged
    with contextlib.suppress(OSError, EOFError, ValueError, zlib.error):
        kept_of, code = json.loads(gzip.decompress(kept.read_bytes()))
        if kept_of == of:
            return code
    code = {module: _find_code(module) for module in texts}
    if not sys.dont_write_bytecode:
        with contextlib.suppress(OSError), atomic(kept) as temporary:  # it may be read-only
            temporary.write_bytes(gzip.compress(json.dumps([of, code]).encode(), mtime=0))
    return code


def _find_code(module: str) -> Code:
    return with_origins(without_texts(_parse(module)), _origin)


@cache
def _bound(module: str) -> dict[str, Place | None]:
    return bound_names(_parse(module).body)


def _parse(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text())


def _path(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _name(path: Path) -> str:
    """The dotted name of the module in a file."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(["mpssl", *parts]).removesuffix(".__init__")


def _is_outside(module: str) -> bool:
    return f"{module}.".startswith(tuple(f"{name}." for name in OUTSIDE))


@cache
def _origin(module: str, name: str) -> str:
    """How a name in a module is written, or a module, for an empty name."""
    whole = f"{module}.{name}" if name else module
    if module.partition(".")[0] != "mpssl" or not _path(module).exists():
        return whole
    if _path(whole).exists():
        return f"«{whole}»"
    if _is_outside(module):
        return f"outside.{name}" + (_value(module, name) if name.isupper() else "")
    imported = _bound(module).get(name)
    return f"«{module}»." + (f"[{_origin(*imported)}]" if imported else name)


def _value(module: str, constant: str) -> str:
    """What a module assigns to a constant, as it is written there."""
    for statement in _parse(module).body:
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if constant in (getattr(target, "id", None) for target in targets):
            return f"({ast.unparse(statement.value)})"
    return ""

"""A digest of the code that a step depends on, as Snakemake does not see imported packages."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
# Their values reach a step in its settings, so a change of a default or a path is seen there.
CONFIGURATION = ("mpssl.config", "mpssl.plan", "mpssl.shipped")


@cache
def code_digest(*modules: str) -> str:
    """Digest of `modules` and of all that they import from this package.

    Comments, docstrings and layout do not count. Modules that a dictionary names (sources,
    objectives) are not imported by the loop: name them, and only the one that is used counts.
    """
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in seen and not module.startswith(CONFIGURATION):
            seen.add(module)
            waiting.extend(_imports(module))
    texts = "\n".join(f"{module} {_meaning(module)}" for module in sorted(seen))
    return hashlib.sha256(texts.encode()).hexdigest()[:16]


def _path(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text())


@cache
def _imports(module: str) -> frozenset[str]:
    """Modules of this package that `module` imports anywhere in its code."""
    names = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(n for n in names if n.startswith("mpssl.") and _path(n).exists())


@cache
def _meaning(module: str) -> str:
    """The code as text in one layout, without comments and docstrings."""
    tree = ast.parse(_path(module).read_text())
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            kept = [statement for statement in body if not _is_docstring(statement)]
            body[:] = kept or [ast.Pass()]
    return ast.unparse(tree)


def _is_docstring(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return False
    return isinstance(node.value.value, str)

"""The names in a module's syntax tree: what they are bound to, and imported ones as what they mean.

By the rules of `mpssl.common.code_digest`.
"""

import ast
import re
from collections.abc import Callable

MODULE = re.compile(r"«(mpssl[\w.]*)»")
"""A module of this package, as `with_origins` has it written."""
NAMED = re.compile(r"(mpssl[\w.]*)\.(\w+)(:\w+)?")
Place = tuple[str, str]
"""A module and a name in it; an empty name for the module itself."""
Code = tuple[str, list[tuple[list[str], str]]]
"""A module's code, without the entries of dictionaries that name modules; and these entries, each
with the modules that it names."""


def with_origins(tree: ast.Module, origin: Callable[[str, str], str]) -> Code:
    """Write a module's code with the origins of names in place of imports.

    Args:
        tree: of the module; it is changed.
        origin: how a place is written.
    """
    transformer = _WithOrigins(tree, origin)
    return ast.unparse(transformer.visit(tree)), transformer.entries


def bound_names(body: list[ast.stmt]) -> dict[str, Place | None]:
    """The names that a scope binds: imported ones with their place, others with None."""
    bound: dict[str, Place | None] = {}
    waiting: list[ast.AST] = list(body)
    for node in waiting:  # which grows, but not into other scopes
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= dict(_binding(node, alias) for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.setdefault(node.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.setdefault(node.id)
        elif not isinstance(node, ast.Lambda | ast.comprehension):
            waiting += ast.iter_child_nodes(node)
    return bound


def read_names(tree: ast.AST) -> set[str]:
    """The names that are read anywhere in a tree."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Load)}


def _binding(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> tuple[str, Place]:
    if isinstance(node, ast.ImportFrom):
        return alias.asname or alias.name, (node.module, alias.name)
    whole = alias.name if alias.asname else alias.name.partition(".")[0]
    return alias.asname or whole, (whole, "")


class _WithOrigins(ast.NodeTransformer):
    def __init__(self, tree: ast.Module, origin: Callable[[str, str], str]) -> None:
        self.origin = origin
        self.read = read_names(tree)
        self.scopes = [bound_names(tree.body)]
        self.entries: list[tuple[list[str], str]] = []

    def meaning(self, name: str) -> Place | None:
        """The place that a name stands for here; None if it is no imported one."""
        return next((scope[name] for scope in reversed(self.scopes) if name in scope), None)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        place = self.meaning(node.id) if isinstance(node.ctx, ast.Load) else None
        return ast.Name(self.origin(*place)) if place else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        module = MODULE.fullmatch(node.value.id) if isinstance(node.value, ast.Name) else None
        return ast.Name(self.origin(module[1], node.attr)) if module else node

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> list[ast.stmt]:
        """What no name stands for is kept, as it may be imported for its effect.

        So is what a class imports, as its names are not those of its methods.
        """
        kept = []
        for alias in node.names:
            own, place = _binding(node, alias)
            if own not in self.read or self.meaning(own) != place:
                kept.append(place if place[1] else (alias.name, ""))
        return [ast.Expr(ast.Name(self.origin(*place))) for place in kept]

    visit_ImportFrom = visit_Import

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        named = NAMED.fullmatch(node.value) if isinstance(node.value, str) else None
        origin = self.origin(named[1], named[2]) if named else ""
        return ast.Constant(origin + (named[3] or "")) if MODULE.fullmatch(origin) else node

    def visit_Dict(self, node: ast.Dict) -> ast.Dict:
        self.generic_visit(node)
        kept = ast.Dict([], [])
        for key, value in zip(node.keys, node.values, strict=True):
            texts = [str(n.value) for n in ast.walk(value) if isinstance(n, ast.Constant)]
            if named := set(MODULE.findall(" ".join(texts))):
                self.entries.append((sorted(named), ast.unparse(ast.Dict([key], [value]))))
            else:
                kept.keys.append(key)
                kept.values.append(value)
        return kept

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        body, node.body = node.body, []
        self.generic_visit(node)  # decorators and defaults belong to the scope around
        parameters = [n.arg for n in ast.iter_child_nodes(node.args) if isinstance(n, ast.arg)]
        self.scopes.append(dict.fromkeys(parameters) | bound_names(body))
        node.body = self.generic_visit(ast.Module(body, [])).body
        self.scopes.pop()
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

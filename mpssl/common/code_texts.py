"""A module's syntax tree without what is only for people, by the rules of `common.code_digest`."""

import ast

from mpssl.common.code_names import bound_names, read_names

BAR = "a bar of tqdm"
ACTING = ast.Call | ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom


def without_texts(tree: ast.Module) -> ast.Module:
    """The tree, changed: without texts for people, annotations, and what only these read."""
    before = read_names(tree)
    tree = _WithoutTexts(tree).visit(tree)
    gone: set[str] = set()
    while more := before - read_names(tree) - gone:
        gone |= more
        tree = _WithoutNames(gone).visit(tree)
    return tree


class _InPlaces(ast.NodeTransformer):
    """Knows whether it is in a module's, a class's or a function's own statements."""

    place: type = ast.Module

    def visit_FunctionDef(self, node):
        return self.within(node)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def within(self, node: ast.stmt) -> ast.stmt:
        """What is left of a class or function."""
        before, self.place = self.place, type(node)
        node = self.generic_visit(node)
        self.place = before
        return node


class _WithoutTexts(_InPlaces):
    def __init__(self, tree: ast.Module) -> None:
        places = {name: place[0] for name, place in bound_names(tree.body).items() if place}
        self.tqdm = {name for name, module in places.items() if module.split(".")[0] == "tqdm"}
        spoken = {name for name, module in places.items() if module in ("logging", "warnings")}
        self.silent = {"print", *self.tqdm, *spoken}
        """First names of calls that are no more than texts; those of bars join them."""

    def visit_FunctionDef(self, node):
        parameters = {n.arg for n in ast.iter_child_nodes(node.args) if isinstance(n, ast.arg)}
        outer = self.silent
        self.silent = outer - parameters - bound_names(node.body).keys()
        node.returns = None
        node = self.within(node)
        self.silent = outer
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node):
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node):
        if self.place is ast.ClassDef:
            node.annotation = ast.Name("_", ast.Store())
            return self.generic_visit(node)
        plain = ast.Assign([node.target], node.value)
        return self.visit(ast.copy_location(plain, node)) if node.value else None

    def visit_Raise(self, node):
        node.exc = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return self.generic_visit(node)

    def visit_Assert(self, node):
        return ast.Assert(self.visit(node.test))

    def visit_Pass(self, node):
        return None

    def visit_Expr(self, node):
        said = isinstance(node.value, ast.Constant) or _first_name(node.value) in self.silent
        return None if said else self.generic_visit(node)

    def visit_If(self, node):
        self.generic_visit(node)
        if node.body or node.orelse:
            return node
        acts = any(isinstance(part, ACTING) for part in ast.walk(node.test))
        return ast.Expr(node.test) if acts else None

    def visit_Call(self, node):
        self.generic_visit(node)
        if _first_name(node) not in self.tqdm:
            return node
        return node.args[0] if node.args else ast.Name(BAR, ast.Load())

    def visit_Assign(self, node):
        self.generic_visit(node)
        return None if self.is_bar(node.value, node.targets[0]) else node

    def visit_With(self, node):
        items = [self.visit(item) for item in node.items]
        node.items = [i for i in items if not self.is_bar(i.context_expr, i.optional_vars)]
        node.body = self.generic_visit(ast.Module(node.body, [])).body
        return node if node.items else node.body

    def is_bar(self, value: ast.expr, target: ast.expr | None) -> bool:
        """Whether a value is a bar without rows of its own; its name is then silent."""
        found = isinstance(value, ast.Name) and value.id == BAR
        if found and isinstance(target, ast.Name):
            self.silent.add(target.id)
        return found


class _WithoutNames(_InPlaces):
    """Drops imports, private functions and literal texts whose names nothing reads any more."""

    def __init__(self, gone: set[str]) -> None:
        self.gone = gone

    def visit_FunctionDef(self, node):
        hidden = node.name.startswith("_") and self.place is not ast.ClassDef
        dropped = hidden and node.name in self.gone and not node.decorator_list
        return None if dropped else self.within(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Assign(self, node):
        names = [getattr(target, "id", "") for target in node.targets]
        if not self.gone.issuperset(names) or self.place is ast.ClassDef:
            return node
        hidden = self.place is not ast.Module or all(name.startswith("_") for name in names)
        return None if hidden and isinstance(node.value, ast.Constant | ast.JoinedStr) else node

    def visit_Import(self, node):
        node.names = [n for n in node.names if (n.asname or n.name.split(".")[0]) not in self.gone]
        return node if node.names else None

    visit_ImportFrom = visit_Import


def _first_name(node: ast.expr) -> str:
    """The first name of a call; empty for what is none."""
    node = node.func if isinstance(node, ast.Call) else None
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""

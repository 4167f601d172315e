"""The text of functions that a program calls as a whole, with all that they refer to.

Those are the library's own. A user's function is not printed: what it refers to may change, and a
text would not notice. What is printed of a module are the statements at its top that a function
needs: functions, constants, and what is done to them there. Docstrings are left out, and so are
decorators.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from tinygrad_bp.registry import implementation_of

__all__ = ["Opaque"]

_LIBRARY = __name__.partition(".")[0]


class _Unreachable(Exception):  # noqa: N818  (it never leaves this file)
    """Something that a text cannot contain."""


class Opaque:
    """Functions as text: each is written once, after what it refers to."""

    def __init__(self) -> None:
        self._from: dict[str, str] = {}
        """The module that each name in the text has its meaning from, or the import."""
        self._texts: dict[str, list[str]] = {}
        self._imports: dict[str, None] = {}

    def name_of(self, function: Any) -> str | None:
        """Return the name of a function in the text, None if it cannot be written."""
        function = implementation_of(function) or function
        if not isinstance(function, FunctionType) or function.__closure__:
            return None
        if function.__module__.partition(".")[0] != _LIBRARY:
            return None
        module = sys.modules.get(function.__module__)
        if module is None or "." in function.__qualname__ or "<" in function.__qualname__:
            return None
        before = dict(self._from), dict(self._texts), dict(self._imports)
        try:
            self._include(module, function.__name__)
        except (_Unreachable, OSError, TypeError, SyntaxError):
            self._from, self._texts, self._imports = before
            return None
        return function.__name__

    @property
    def names(self) -> set[str]:
        """All names that the texts give a meaning to."""
        return set(self._from)

    def lines(self) -> Iterator[str]:
        """Yield the lines: imports, then statements in their order."""
        yield from self._imports
        for text in self._texts.values():
            yield from ("", *text)

    def _include(self, module: ModuleType, name: str) -> None:
        """Write what gives a name of a module its meaning, unless it is there."""
        statements = _top(module).get(name)
        if not statements:
            raise _Unreachable
        first = statements[0]
        if isinstance(first, ast.ImportFrom) and (first.module or "").startswith(_LIBRARY):
            self._include(sys.modules[str(first.module)], _imported_as(first, name))
            if _imported_as(first, name) != name:
                raise _Unreachable
            return
        imported = isinstance(first, ast.Import | ast.ImportFrom)
        meaning = _import_of(first, name) if imported else module.__name__
        if self._from.setdefault(name, meaning) != meaning or (not imported and hasattr(np, name)):
            raise _Unreachable  # two modules mean different things by one name
        if imported:
            self._imports[meaning] = None
            return
        if name in self._texts:
            return
        self._texts[name] = []  # a function may call itself
        written = [_cleaned(statement) for statement in statements]
        for statement in written:
            for used in _names_in(statement):
                if used in _top(module) and used != name:
                    self._include(module, used)
        del self._texts[name]
        self._texts[name] = [line for s in written for line in ast.unparse(s).split("\n")]


@functools.cache
def _top(module: ModuleType) -> dict[str, list[ast.stmt]]:
    """The statements at the top of a module by the names that they give a meaning to.

    Calls of methods go with what they are methods of.
    """
    found: dict[str, list[ast.stmt]] = {}
    for statement in ast.parse(inspect.getsource(module)).body:
        for name in _made_by(statement):
            if not _is_call_of(statement):
                found[name] = [statement]
            elif name in found and isinstance(found[name][0], ast.Assign):
                found[name].append(statement)
    return found


def _is_call_of(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr)


def _made_by(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [(a.asname or a.name).partition(".")[0] for a in statement.names]
    if isinstance(statement, ast.Assign):
        return [t.id for t in statement.targets if isinstance(t, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    if (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Attribute)
        and isinstance(statement.value.func.value, ast.Name)
    ):
        return [statement.value.func.value.id]
    return []


def _imported_as(statement: ast.ImportFrom, name: str) -> str:
    return next(a.name for a in statement.names if (a.asname or a.name) == name)


def _import_of(statement: Any, name: str) -> str:
    """One name's part of an import."""
    (alias,) = [a for a in statement.names if (a.asname or a.name).partition(".")[0] == name]
    if isinstance(statement, ast.Import):
        return ast.unparse(ast.Import([alias]))
    return ast.unparse(ast.ImportFrom(statement.module, [alias], statement.level))


class _Cleaner(ast.NodeTransformer):
    """Leaves out annotations, decorators of the library and docstrings."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = [d for d in node.decorator_list if _is_built_in(d)]
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def _without_docstring(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        node.body = [s for s in node.body if not _is_docstring(s)] or [ast.Pass()]
        return node  # type: ignore[no-any-return]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return None if node.value is None else ast.Assign([node.target], node.value, lineno=0)


def _is_built_in(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and hasattr(builtins, decorator.id)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _cleaned(statement: ast.stmt) -> ast.stmt:
    fresh = ast.parse(ast.unparse(statement)).body[0]
    cleaned = _Cleaner().visit(fresh)
    if cleaned is None:
        raise _Unreachable
    return ast.fix_missing_locations(cleaned)  # type: ignore[no-any-return]


def _names_in(statement: ast.stmt) -> list[str]:
    """The names that a statement reads, in their order."""
    found = (
        n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    )
    return list(dict.fromkeys(found))

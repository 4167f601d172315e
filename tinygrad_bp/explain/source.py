"""Where an op stands in the user's source: its line, its expression, the name it was given.

An instruction of compiled Python knows the lines and columns of its expression. Looking the
expression up in the syntax tree tells what it is assigned to and what its operands are called,
so that an explanation can speak of `z = w * a + b` and not of node 7.
"""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from tinygrad_bp.engine import Site

__all__ = ["Source", "lines_of", "locate"]

Span: TypeAlias = tuple[
    int, int, int, int
]  # line and column of the start, of the end; columns in bytes


@dataclass(frozen=True, slots=True)
class Source:
    """The expression that recorded an op.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor(2.0, requires_grad=True)
    >>> z = 3 * w + 1
    >>> source = locate(z.op.site)
    >>> source.code, source.segment, source.target, source.operands
    ('z = 3 * w + 1', '3 * w + 1', 'z', (None, None))
    """

    path: str
    line: int
    end_line: int
    column: int  # in characters, from 0
    end_column: int
    function: str  # the one it stands in
    code: str  # the line, without its indentation
    segment: str  # the expression, on one line
    target: str | None  # the name that it is assigned to
    unpacked: tuple[str | None, ...]  # the names, if it is unpacked into several
    called: str | None  # the last part of the name that it calls: `tanh` of `np.tanh(x)`;
    # empty for a call of something that has no name, None for anything but a call
    receiver: str | None  # what stands before that: `np`
    operands: tuple[str | None, ...]  # the names of operands or arguments, None for expressions


def locate(site: Site) -> Source | None:
    """Return the expression at a site, None if there is no source to read (as for `python -c`)."""
    return _locate(site.code.co_filename, site.code.co_qualname, _span(site))


def lines_of(path: str) -> list[str]:
    """Return the lines of a file, cell or doctest, without their ends."""
    return [line.rstrip("\n") for line in linecache.getlines(path)]


def _span(site: Site) -> Span | None:
    line, end_line, column, end_column = _positions(site)
    if line is None or end_line is None or column is None or end_column is None:
        return None  # compiled with -X no_debug_ranges
    return line, column, end_line, end_column


def _positions(site: Site) -> tuple[int | None, int | None, int | None, int | None]:
    return _all_positions(site.code)[site.instruction // 2]


@lru_cache(maxsize=256)
def _all_positions(
    code: object,
) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())  # type: ignore[attr-defined]


@lru_cache(maxsize=4096)
def _locate(path: str, function: str, span: Span | None) -> Source | None:
    if span is None:
        return None
    lines = tuple(lines_of(path))
    line, column, end_line, end_column = span
    if end_line > len(lines):
        return None
    start, end = _characters(lines[line - 1], column), _characters(lines[end_line - 1], end_column)
    expression, target, unpacked = _expressions(lines).get(span) or _ending_at(lines, span)
    called, receiver, operands = _parts(expression)
    return Source(
        path=path,
        line=line,
        end_line=end_line,
        column=start,
        end_column=end,
        function=function,
        code=lines[line - 1].strip(),
        segment=_segment(lines[line - 1 : end_line], start, end),
        target=target,
        unpacked=unpacked,
        called=called,
        receiver=receiver,
        operands=operands,
    )


def _characters(line: str, bytes_: int) -> int:
    return len(line.encode()[:bytes_].decode(errors="replace"))


def _segment(lines: tuple[str, ...], start: int, end: int) -> str:
    if len(lines) == 1:
        return lines[0][start:end]
    return " ".join(" ".join([lines[0][start:], *lines[1:-1], lines[-1][:end]]).split())


Found: TypeAlias = tuple[ast.AST | None, str | None, tuple[str | None, ...]]
"""An expression, the name that it is assigned to, and the names that it is unpacked into."""


@lru_cache(maxsize=64)
def _expressions(lines: tuple[str, ...]) -> dict[Span, Found]:
    """Every expression of a file by its span, with what it is assigned to."""
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:  # a notebook cell with magic in it
        return {}
    found: dict[Span, Found] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.AugAssign):
            found.setdefault(_span_of(node), (node, None, ()))
    for node in ast.walk(tree):
        for target, value in _assignments(node):
            if isinstance(target, ast.Tuple | ast.List):
                found[_span_of(value)] = value, None, tuple(map(_name, target.elts))
            elif (name := _name(target)) is not None:
                found[_span_of(value)] = value, name, ()
    return found


def _ending_at(lines: tuple[str, ...], span: Span) -> Found:
    """A call in a chain of methods is said to start at the line of its own name."""
    for (_, _, *end), found in _expressions(lines).items():
        if tuple(end) == span[2:] and isinstance(found[0], ast.Call):
            return found
    return None, None, ()


def _span_of(node: ast.expr | ast.AugAssign) -> Span:
    return node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0


def _assignments(node: ast.AST) -> list[tuple[ast.expr, ast.expr | ast.AugAssign]]:
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)) if len(
            targets
        ) == len(values):
            return list(zip(targets, values, strict=True))
        case ast.Assign(targets=[target], value=value):
            return [(target, value)]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            return [(target, value)]
        case ast.NamedExpr(target=target, value=value):
            return [(target, value)]
        case ast.AugAssign(target=target):
            return [(target, node)]
    return []


def _name(node: ast.AST) -> str | None:
    """The name of a variable or attribute, None for any other expression."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            owner = _name(value)
            return attribute if owner == "self" else owner and f"{owner}.{attribute}"
    return None


def _parts(node: ast.AST | None) -> tuple[str | None, str | None, tuple[str | None, ...]]:
    """What an expression calls, what that belongs to, and the names of its operands."""
    match node:
        case (
            ast.BinOp(left=left, right=right)
            | ast.Compare(left=left, comparators=[right])
            | ast.AugAssign(target=left, value=right)
        ):
            return None, None, (_name(left), _name(right))
        case ast.UnaryOp(operand=value) | ast.Subscript(value=value) | ast.Attribute(value=value):
            return None, None, (_name(value),)
        case ast.Call(func=ast.Attribute(value=owner, attr=called), args=args):
            return called, _name(owner), tuple(map(_name, args))
        case ast.Call(func=function, args=args):
            return _name(function) or "", None, tuple(map(_name, args))
    return None, None, ()

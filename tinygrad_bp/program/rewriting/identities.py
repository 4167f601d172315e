"""Calls that change nothing: products with 1, reshapes to the same shape. The same bits.

What is left of them are views, which cost as much as arithmetic on small arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Function, Listing, Statement, Value, subscript
from tinygrad_bp.program.rewriting.drafts import (
    Draft,
    Rule,
    equals,
    rewrite_each,
    root,
)
from tinygrad_bp.program.strides import is_contiguous

__all__ = ["without_identities"]


def without_identities(listing: Listing) -> Listing:
    """Return a listing without calls whose result is one of their arguments."""
    return rewrite_each(listing, _RULES)


def _same(draft: Draft, statement: Statement, item: Any) -> Value | None:
    """Return an argument that can stand for the output, if shape and dtype are the same."""
    output = statement.output
    if not isinstance(item, Value) or item.is_number:
        return None
    if item.shape != output.shape or item.dtype != output.dtype:
        return None
    return item if draft.may_be(output, item) else None


def _product(draft: Draft, statement: Statement) -> Value | None:
    """1 · x and x · 1 are x."""
    a, b = statement.args
    if equals(b, 1):
        return _same(draft, statement, a)
    return _same(draft, statement, b) if equals(a, 1) else None


def _quotient(draft: Draft, statement: Statement) -> Value | None:
    """A quotient by 1: x / 1 is x."""
    a, b = statement.args
    return _same(draft, statement, a) if equals(b, 1) else None


def _sum(draft: Draft, statement: Statement) -> Value | None:
    """0 + d · d is d · d, which is no -0."""
    a, b = statement.args
    product = draft.made(b, np.dot, np.vdot)
    if equals(a, 0) and product is not None and product.args[0] is product.args[1]:
        return _same(draft, statement, b)
    return None


def _reshape(draft: Draft, statement: Statement) -> Value | None:
    """A reshape to the same shape is nothing, and a second one makes the first needless."""
    if len(statement.args) != 2 or statement.kwargs:
        return None
    a, shape = statement.args
    if (same := _same(draft, statement, a)) is not None:
        return same
    inner = _unshaped(draft, a)
    if inner is None or statement.output.base is None:
        return None
    if inner.shape == statement.output.shape:
        return _same(draft, statement, inner)
    return draft.call(statement, np.reshape, inner, shape, view_of=inner)


def _unshaped(draft: Draft, a: Value) -> Value | None:
    """What a view shows in another shape."""
    first = draft.made(a, np.reshape)
    if first is None or len(first.args) != 2 or first.kwargs:
        return None
    inner: Value = first.args[0]
    return inner if is_contiguous(inner) and root(inner) is root(a) else None


def _transpose(draft: Draft, statement: Statement) -> Value | None:
    """The transpose of a transpose is what was there first."""
    if len(statement.args) != 1 or statement.kwargs:
        return None
    first = draft.made(statement.args[0], np.transpose)
    if first is None or len(first.args) != 1 or first.kwargs:
        return None
    return _same(draft, statement, first.args[0])


def _part(draft: Draft, statement: Statement) -> Value | None:
    """x[:] is x, x[..., None][..., 0] too, and so is what was joined before."""
    a, key = statement.args
    if key == (Ellipsis, 0) and key[1] is not False:
        first = draft.made(a, np.reshape)
        return None if first is None else _same(draft, statement, first.args[0])
    if not isinstance(key, tuple) or not all(isinstance(k, slice) for k in key):
        return None
    if all(_forward(k) for k in key) and (same := _same(draft, statement, a)) is not None:
        return same
    joined = draft.made(a, np.concatenate)
    if joined is None or len(key) != 1 or joined.kwargs or len(joined.args) != 1:
        return None
    return _joined_part(draft, statement, joined.args[0], key[0])


def _forward(key: slice) -> bool:
    return key.step in (None, 1) and not isinstance(key.start, Value)


def _joined_part(draft: Draft, statement: Statement, parts: Any, key: slice) -> Value | None:
    start = 0
    for part in parts:
        if not _forward(key) or part.shape != (part.size,):
            return None
        if (start, start + part.size) == (key.start or 0, key.stop):
            return _same(draft, statement, part)
        start += part.size
    return None


_RULES: Mapping[Function, Rule] = {
    np.multiply: _product,
    np.divide: _quotient,
    np.add: _sum,
    np.reshape: _reshape,
    np.transpose: _transpose,
    subscript: _part,
}

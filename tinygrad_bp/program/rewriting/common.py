"""Common subexpressions: what is calculated twice is calculated once. The same bits.

The backward pass of a softmax begins as the loss does, and a sigmoid's slope reads what the forward
pass has: both go through the same rules, so the same calls are there twice.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Function, Listing, Statement, Value
from tinygrad_bp.program.rewriting.drafts import Draft

__all__ = ["is_pure", "without_repetition"]

_PURE = ("numpy", "tinygrad_bp", "operator", "_operator", "math")


def without_repetition(listing: Listing) -> Listing:
    """Return a listing in which no function is called twice with the same arguments.

    Arrays that the step returns or that objects hold stay their own: a user may write into them.
    """
    draft = Draft(listing)
    known: dict[Hashable, Statement] = {}
    for old in listing.statements:
        statement = draft.statement(old)
        if not is_pure(statement):
            draft.keep(statement)
            continue
        first = known.setdefault(_key(statement), statement)
        pairs = [*zip(old.outputs, first.outputs, strict=True)]
        if first is statement or not all(draft.may_be(a, b) for a, b in pairs):
            draft.keep(statement)
            known[_key(statement)] = draft.statements[-1]
            continue
        for a, b in pairs:
            draft.replace(a, b)
    return draft.finished()


def is_pure(statement: Statement) -> bool:
    """Whether a call can be left out or shared: a function of the user's own may do anything."""
    return not statement.draws and _is_known(statement.function)


def _is_known(function: Function) -> bool:
    if isinstance(function, np.ufunc):
        return True
    module = getattr(function, "__module__", None) or ""
    if not module:  # a method of an array, or of a ufunc
        owner = getattr(function, "__objclass__", None) or type(getattr(function, "__self__", None))
        module = owner.__module__
    return module.partition(".")[0] in _PURE


def _key(statement: Statement) -> Hashable:
    return (
        statement.function,
        statement.quiet,
        _hashable(statement.args),
        _hashable(statement.kwargs),
    )


def _hashable(item: Any) -> Hashable:
    """What tells arguments apart: 1, 1.0 and True are three, and so are 0.0 and -0.0."""
    if isinstance(item, Value):
        return item
    if isinstance(item, slice):
        item = [slice, item.start, item.stop, item.step]
    if isinstance(item, dict):
        item = [*item.items()]
    if isinstance(item, list | tuple):
        return type(item), tuple([_hashable(part) for part in item])
    if isinstance(item, float):
        return float, item.hex()
    if isinstance(item, bool | int | str | np.dtype | type):
        return type(item), item
    return type(item), id(item)

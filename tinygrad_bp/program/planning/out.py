"""Results are written into memory of the program's own, made once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Listing, Statement, Value
from tinygrad_bp.program.planning.memory import Memory, kept, new_room
from tinygrad_bp.program.strides import is_dense

__all__ = ["takes_out", "with_rooms"]

_TAKE_OUT: frozenset[Callable[..., Any]] = frozenset(
    {
        np.all,
        np.any,
        np.clip,
        np.concatenate,
        np.cumprod,
        np.cumsum,
        np.dot,
        np.einsum,
        np.max,
        np.mean,
        np.min,
        np.outer,
        np.prod,
        np.stack,
        np.std,
        np.sum,
        np.var,
    }
)
"""Functions beside ufuncs that take `out`."""

_DRAW_OUT = ("random", "standard_exponential", "standard_normal")
"""Methods of random generators that do."""


def with_rooms(listing: Listing) -> Listing:
    """Return a listing in which a result has a room, unless it is handed out.

    A result without axes is a number of NumPy's, which is made faster than it is written. Rooms are
    laid out as the results were, so that what was a view of one is a view of the other.
    """
    memory = Memory(listing)
    handed_out = set(map(memory.owner, kept(listing)))
    statements, rooms = [], []
    for statement in listing.statements:
        if takes_out(statement) and statement.output not in handed_out:
            rooms.append(new_room(statement.output))
            statement = dataclasses.replace(statement, out=rooms[-1])  # noqa: PLW2901
        statements.append(statement)
    return dataclasses.replace(listing, statements=statements, sources=[*listing.sources, *rooms])


def takes_out(statement: Statement) -> bool:
    """Whether a statement makes an array that it could write into memory given to it."""
    function = statement.function
    if statement.out is not None or statement.when != "run" or statement.several:
        return False
    if isinstance(function, np.ufunc):
        return function.nout == 1 and _fits(statement.output)
    return _knows_out(statement) and _fits(statement.output)


def _knows_out(statement: Statement) -> bool:
    """Whether a function that is no ufunc takes `out`."""
    if statement.draws:
        return getattr(statement.function, "__name__", "") in _DRAW_OUT
    if statement.function is np.take:  # it copies once more, unless an index cannot be wrong
        return statement.kwargs.get("mode") in ("clip", "wrap")
    return statement.function in _TAKE_OUT


def _fits(output: Value) -> bool:
    return (
        output.base is None
        and output.dtype is not None
        and output.dtype.kind in "biufc"
        and output.shape != ()
        and output.size > 0
        and is_dense(output)
    )

"""Whose memory each value of a listing shows, and how long that is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Listing, Room, Statement, Value, subscript, values_in
from tinygrad_bp.rules.indexing import getitem

__all__ = ["VIEWS", "Memory", "kept", "new_room"]

VIEWS: frozenset[Callable[..., Any]] = frozenset(
    {
        getitem,
        subscript,
        np.transpose,
        np.matrix_transpose,
        np.reshape,
        np.ravel,
        np.squeeze,
        np.expand_dims,
        np.swapaxes,
        np.moveaxis,
        np.broadcast_to,
        np.flip,
        np.real,
        np.imag,
        np.diagonal,
        np.asarray,
        np.astype,
        np.ascontiguousarray,
        np.atleast_1d,
        np.atleast_2d,
        np.split,
    }
)
"""Functions whose results may show the memory of what they are given."""

END = math.inf


class Memory:
    """The memory of a listing's values: its owners, and the last position at which it is read.

    Positions are those of the statements, then of the checks, the updates and the writes.
    """

    def __init__(self, listing: Listing) -> None:
        self._owners: dict[Value, Value] = {}
        self.first: dict[Value, int] = {}
        """Where each owner's memory is first written."""
        self.last: dict[Value, float] = {}
        """Where each owner's memory is last read."""
        for i, statement in enumerate(listing.statements):
            self._add(i, statement)
        self.end = len(listing.statements)
        self._read(self.end, (check.condition for check in listing.checks))
        for j, update in enumerate(listing.updates, start=self.end + 1):
            self._add(j, update)
        self._read(END, values_in([write.value for write in listing.writes]))
        self._read(END, kept(listing))

    def owner(self, value: Value) -> Value:
        """Return the value that the memory belongs to."""
        found = self._owners.get(value)
        return found if found is not None else value.base or value

    def _add(self, position: int, statement: Statement) -> None:
        for output in statement.outputs:
            self._owners[output] = self._owner_of_result(statement, output)
        if statement.when == "once":
            return
        self._read(position, statement.inputs())
        for owner in map(self._owners.__getitem__, statement.outputs):
            self.first.setdefault(owner, position)
            self.last[owner] = max(self.last.get(owner, 0), position)

    def _owner_of_result(self, statement: Statement, output: Value) -> Value:
        if statement.out is not None:
            return self.owner(statement.out)
        if output.base is not None:
            return self.owner(output.base)
        if statement.function in VIEWS:  # it may be a view after all, in other memory
            return next(map(self.owner, statement.inputs()), output)
        return output

    def _read(self, position: float, values: Iterable[Value]) -> None:
        for value in values:
            owner = self.owner(value)
            self.last[owner] = max(self.last.get(owner, 0), position)


def kept(listing: Listing) -> Iterator[Value]:
    """Yield what is handed out: it is new in every run, in memory of its own."""
    yield from listing.after
    yield from values_in(listing.results)


def new_room(like: Value, *, lasting: bool = False) -> Value:
    """Return a value in memory of the program's own, laid out like another."""
    dtype = np.dtype(float) if like.dtype is None else like.dtype
    room = Room(like.shape, dtype, like.strides, lasting=lasting)
    return Value(like.shape, dtype, like.strides, room)

"""An elementwise result is written over an input that nobody reads any more."""

from __future__ import annotations

import dataclasses

import numpy as np

from tinygrad_bp.program.listing import Listing, Room, Statement, Value
from tinygrad_bp.program.planning.memory import Memory

__all__ = ["in_place", "is_elementwise"]


def in_place(listing: Listing) -> Listing:
    """Return a listing in which rooms of inputs that die are those of results."""
    over = _Over(listing)
    statements = [over.changed(i, s) for i, s in enumerate(listing.statements)]
    return dataclasses.replace(listing, statements=statements)


class _Over:
    """Which room each value stands in by now."""

    def __init__(self, listing: Listing) -> None:
        self._memory = Memory(listing)
        self._last = self._memory.last
        self._room: dict[Value, Value] = {
            v: v for v in listing.sources if isinstance(v.source, Room) and not v.source.lasting
        }
        self._instead: dict[Value, Value] = {}

    def changed(self, position: int, statement: Statement) -> Statement:
        """Return a statement that writes over one of its inputs, if it can."""
        out = statement.out
        if out is None or statement.when != "run":
            return statement
        if out.base is None and is_elementwise(statement):
            for value in statement.args:
                if isinstance(value, Value) and self._dies(value, position, statement):
                    found = self._room[value]
                    self._instead[out] = found
                    self._last[found] = self._last[out]
                    statement = dataclasses.replace(statement, out=found)
                    break
        self._room[statement.output] = statement.out or out
        return statement

    def _dies(self, value: Value, position: int, statement: Statement) -> bool:
        room, out = self._room.get(value), statement.out
        if room is None or out is None or room.base is not None:
            return False
        return (
            self._last[room] <= position
            and _laid_out(room) == _laid_out(out)
            and all(v is value or self._standing(v) is not room for v in statement.inputs())
        )

    def _standing(self, value: Value) -> Value:
        owner = self._memory.owner(value)
        while owner in self._instead:
            owner = self._instead[owner]
        return owner


def is_elementwise(statement: Statement) -> bool:
    """Whether each element of the result depends on the same element of the inputs alone."""
    function = statement.function
    return (
        isinstance(function, np.ufunc)
        and function.signature is None
        and function.nin == len(statement.args)
    )


def _laid_out(value: Value) -> tuple[object, ...]:
    return value.shape, value.dtype, value.strides

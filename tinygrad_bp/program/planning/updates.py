"""Parameters are moved where they are, after all checks, and nothing is lost on the way there.

A step of an optimiser ends with p - s for all parameters. To write that into p at once, it must be
known to be finite before it is calculated. It is, if p and the squares of s are: whatever is
subtracted then is smaller than the root of the largest number, and changes a number close to that
by less than its last digit.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Cell, Home, Input, Listing, Statement, Value, Write
from tinygrad_bp.program.planning.memory import Memory, kept
from tinygrad_bp.program.planning.replacing import replaced

__all__ = ["moved_in_place", "with_copies"]

_SQUARES = (np.dot, np.vdot)
_SUMS = (np.add, operator.add)
_FINITE = (np.isfinite, math.isfinite)
_DTYPES = (np.float32, np.float64)  # of float16, the root is 256, and the last digit 32


def moved_in_place(listing: Listing) -> Listing:
    """Return a listing in which the last subtraction of a step writes into its home.

    What was a check of the result is one of what is subtracted.
    """
    readers = _Readers(listing)
    writes = {write.value: write for write in listing.writes if readers.moves(write)}
    if not writes:
        return listing
    moves = {s.output: s for s in listing.statements if s.outputs and s.outputs[0] in writes}
    rest = [s for s in listing.statements if not s.outputs or s.outputs[0] not in moves]
    others = dataclasses.replace(
        listing, writes=[w for w in listing.writes if w not in writes.values()]
    )
    new = replaced(others, rest, {value: move.args[1] for value, move in moves.items()})
    updates = [dataclasses.replace(moves[v], out=write.target) for v, write in writes.items()]
    return dataclasses.replace(
        new,
        updates=[*new.updates, *updates],
        finite=[*new.finite, *(write.target for write in writes.values())],
    )


class _Readers:
    """Who reads each value of a listing, or a view of it."""

    def __init__(self, listing: Listing) -> None:
        self._made = {v: s for s in listing.statements for v in s.outputs}
        self._readers: dict[Value, list[Statement]] = {}
        for statement in listing.statements:
            for value in dict.fromkeys(statement.inputs()):
                self._readers.setdefault(value, []).append(statement)
        self._kept = set(kept(listing))
        self._written = [write.value for write in listing.writes]
        self._checked = {check.condition for check in listing.checks if check.expected}
        self._otherwise = {check.condition for check in listing.checks if not check.expected}

    def moves(self, write: Write) -> bool:
        """Whether what is written can be subtracted in place."""
        made = self._made.get(write.value)
        return (
            made is not None
            and made.function is np.subtract
            and not made.kwargs
            and made.args[0] is write.target
            and all(_alike(v, write.target) for v in (made.args[1], write.value))
            and self._written.count(write.value) == 1
            and self._only_squared(write.value)
        )

    def _only_squared(self, value: Value) -> bool:
        """Whether a value is read for nothing but to see that it is finite."""
        if value in self._kept or value.dtype not in _DTYPES:
            return False
        readers = self._readers.get(value, [])
        return bool(readers) and all(map(self._looks_if_finite, readers))

    def _looks_if_finite(self, statement: Statement) -> bool:
        """Whether all that comes of a statement is the sum of squares in a check."""
        (output,) = statement.outputs
        if output in self._kept or output in self._otherwise:
            return False
        if statement.function in _FINITE:
            return output in self._checked and not self._readers.get(output)
        if statement.function not in (np.reshape, *_SQUARES, *_SUMS):
            return False
        if statement.function in _SQUARES and not self._is_square(statement):
            return False
        readers = self._readers.get(output, [])
        return bool(readers) and all(map(self._looks_if_finite, readers))

    def _is_square(self, statement: Statement) -> bool:
        a, b = map(self._whole, statement.args)
        return a is b

    def _whole(self, value: Any) -> Any:
        made = self._made.get(value)
        return made.args[0] if made is not None and made.function is np.reshape else value


def with_copies(listing: Listing) -> Listing:
    """Return a listing in which nothing is written that another write may change before.

    Such is the content of a home, or an argument: it is copied before.
    """
    memory = Memory(listing)
    statements, writes = list(listing.statements), []
    for write in listing.writes:
        value = write.value
        if isinstance(value, Value) and isinstance(memory.owner(value).source, Home | Input | Cell):
            copied = Value(value.shape, value.dtype)
            statements.append(Statement(np.copy, (value,), {}, (copied,)))
            value = copied
        writes.append(Write(write.target, value))
    return dataclasses.replace(listing, statements=statements, writes=writes)


def _alike(one: Any, other: Value) -> bool:
    return isinstance(one, Value) and (one.shape, one.dtype) == (other.shape, other.dtype)

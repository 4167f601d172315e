"""Parameters are moved where they are, after all checks, and nothing is lost on the way there."""

from __future__ import annotations

import dataclasses

import numpy as np

from tinygrad_bp.program.listing import Cell, Home, Input, Listing, Statement, Value, Write
from tinygrad_bp.program.planning.memory import Memory, kept

__all__ = ["moved_in_place", "with_copies"]

_MOVES = (np.subtract, np.add)
"""What a parameter is moved by. In other calls, a tiny result may be an error if the user asks."""


def moved_in_place(listing: Listing) -> Listing:
    """Return a listing in which the last subtraction of a step writes into its home.

    It may do so where the checks make sure that the result is finite before it is there: the home
    is one of those that the listing relies on, and the result is read by no check any more.
    """
    movable = _movable(listing)
    statements, updates = [], list(listing.updates)
    done = {}
    for statement in listing.statements:
        write = movable.get(statement.outputs[0]) if statement.outputs else None
        if write is not None and _moves(statement, write):
            updates.append(dataclasses.replace(statement, out=write.target))
            done[write.target] = write
        else:
            statements.append(statement)
    writes = [write for write in listing.writes if write.target not in done]
    return dataclasses.replace(listing, statements=statements, updates=updates, writes=writes)


def _movable(listing: Listing) -> dict[Value, Write]:
    """Return the writes of what is read by them alone."""
    values = [write.value for write in listing.writes]
    memory = Memory(listing)
    read = {memory.owner(v) for s in listing.statements for v in s.inputs()}
    read.update(memory.owner(check.condition) for check in listing.checks)
    read.update(map(memory.owner, kept(listing)))
    return {
        write.value: write
        for write in listing.writes
        if write.target in listing.finite
        and write.value not in read
        and values.count(write.value) == 1
    }


def _moves(statement: Statement, write: Write) -> bool:
    """Whether a statement adds something to what it is assigned to, or subtracts it."""
    target = write.target
    result = statement.outputs[0]
    return (
        statement.function in _MOVES
        and not statement.kwargs
        and statement.out is None
        and any(arg is target for arg in statement.args)
        and (result.shape, result.dtype) == (target.shape, target.dtype)
    )


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

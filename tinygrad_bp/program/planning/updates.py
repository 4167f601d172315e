"""Parameters and velocities are written where they are, after all checks, and not copied there."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

import numpy as np

from tinygrad_bp.program.listing import Cell, Home, Input, Listing, Room, Statement, Value, Write
from tinygrad_bp.program.planning.memory import Memory, kept, new_room

__all__ = ["moved_in_place", "with_copies"]

_MOVES = (np.subtract, np.add)
"""What homes are moved by. In other calls, a tiny result may be an error if the user asks."""


def moved_in_place(listing: Listing) -> Listing:
    """Return a listing in which the last sums and differences of a step write into their homes.

    They may do so where the checks make sure that a result is finite before it is there: the home
    is one of those that the listing relies on, and the result is read by no check any more. What
    they add and subtract is calculated then, too, if it is a number times a velocity.
    """
    late = _Late(listing)
    for statement in reversed(listing.statements):
        late.consider(statement)
    return late.finished() if late.statements else listing


class _Late:
    """The statements that can wait until the checks are over, looked for from the last one on."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._owner = Memory(listing).owner
        self._made_by = listing.made_by()
        values = Counter(w.value for w in listing.writes if isinstance(w.value, Value))
        self._writes = {
            write.value: write
            for write in listing.writes
            if write.target in listing.limits and values[write.value] == 1
        }
        self._read = Counter(self._owners_read())
        """How many read each value, of what does not wait."""
        self._places: dict[Value, Value] = {}
        """Where the results of what waits are written."""
        self.statements: list[Statement] = []

    def _owners_read(self) -> Iterator[Value]:
        for statement in self._listing.statements:
            yield from {self._owner(v) for v in statement.inputs()}
        yield from (self._owner(check.condition) for check in self._listing.checks)
        yield from map(self._owner, kept(self._listing))

    def consider(self, statement: Statement) -> None:
        """Let a statement wait, if all that reads its result does."""
        if len(statement.outputs) != 1 or self._read[statement.output]:
            return
        if self._moves(statement):
            self._places[statement.output] = self._writes[statement.output].target
        elif self._multiplies(statement):
            dying = [v for v in statement.inputs() if self._dies(v, statement)]
            self._places[statement.output] = dying[0] if dying else new_room(statement.output)
        else:
            return
        self.statements.append(statement)
        self._read.subtract({self._owner(v) for v in statement.inputs()})

    def _moves(self, statement: Statement | None) -> bool:
        """Whether a statement makes a sum or difference that is assigned to a home."""
        write = self._writes.get(statement.output) if statement else None
        if statement is None or write is None:
            return False
        target, result = write.target, statement.output
        return (
            statement.function in _MOVES
            and not statement.kwargs
            and statement.out is None
            and _laid_out(result) == _laid_out(target)
            and all(self._stays(v) for v in statement.inputs() if v is not target)
        )

    def _multiplies(self, statement: Statement) -> bool:
        """Whether a statement multiplies what is made late, or is kept there, by a number."""
        if statement.function is not np.multiply or statement.kwargs or statement.out:
            return False
        if self._listing.after or not self._readers(statement.output):  # those are not quiet
            return False
        arrays = [v for v in statement.inputs() if self._waits(v) or self._dies(v, statement)]
        return (
            len(arrays) == 1
            and _laid_out(statement.output) == _laid_out(arrays[0])
            and all(self._stays(v) for v in statement.inputs() if v is not arrays[0])
        )

    def _waits(self, value: Value) -> bool:
        """Whether a value will be made in its home, and nothing else that waits reads it so far."""
        return self._read[value] == 1 and self._moves(self._made_by.get(value))

    def _dies(self, home: Value, statement: Statement) -> bool:
        """Whether all that is made of what a home holds is what it will hold then."""
        if any(home in waiting.inputs() for waiting in self.statements):
            return False
        return [home] == [self._places[s.output] for s in self._readers(statement.output)]

    def _readers(self, value: Value) -> list[Statement]:
        return [statement for statement in self.statements if value in statement.inputs()]

    def _stays(self, value: Value) -> bool:
        """Whether it is in memory that no other statement that waits can write."""
        return not isinstance(self._owner(value).source, Home | Input | Cell)

    def finished(self) -> Listing:
        """Return the listing with those statements after the checks."""
        waiting = set(self.statements)
        rooms = [place for place in self._places.values() if isinstance(place.source, Room)]
        return dataclasses.replace(
            self._listing,
            statements=[s for s in self._listing.statements if s not in waiting],
            updates=[*self._listing.updates, *map(self._late, reversed(self.statements))],
            writes=[w for w in self._listing.writes if w.value not in self._places],
            sources=[*self._listing.sources, *rooms],
        )

    def _late(self, statement: Statement) -> Statement:
        """Return a statement with places for its result, and for those that it reads."""
        # A tiny product is no error here: something may be written already.
        quiet = statement.quiet if statement.output in self._writes else ("under",)
        return dataclasses.replace(
            statement.with_values(self._places), out=self._places[statement.output], quiet=quiet
        )


def _laid_out(value: Value) -> tuple[object, ...]:
    return value.shape, value.dtype


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

"""Parameters are parts of one vector, and so are gradients: an update is a call for all of them.

The update of an optimiser works on vectors that are joined from arrays of all parameters, and what
it finds is cut into parts again. Here the joining and the cutting go: homes that are joined are
laid out as one vector, and what is joined otherwise is written into its place in one at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Home, Listing, Move, Statement, Value, subscript
from tinygrad_bp.program.planning.memory import Memory, kept, new_room
from tinygrad_bp.program.planning.out import takes_out
from tinygrad_bp.program.planning.replacing import replaced
from tinygrad_bp.program.planning.vectors import before_reshape, joined_vectors
from tinygrad_bp.program.strides import is_usual, new_value
from tinygrad_bp.state import laid_out, vector_of

__all__ = ["flat_results", "flat_state"]


# --- homes ----------------------------------------------------------------------------------


def flat_state(listing: Listing) -> Listing:
    """Return a listing in which homes that are joined are parts of one home, a vector."""
    layout = _Layout()
    statements = [s for s in listing.statements if not layout.joins(s)]
    if not layout.change:
        return listing
    new = replaced(listing, statements, layout.change)
    return dataclasses.replace(
        new, sources=[*layout.vectors, *new.sources], moves=[*listing.moves, *layout.moves]
    )


class _Layout:
    """Which homes become parts of which vectors."""

    def __init__(self) -> None:
        self.change: dict[Value, Value] = {}
        self.vectors: list[Value] = []
        self.moves: list[Move] = []
        self._made_by: dict[Value, Statement] = {}

    def joins(self, statement: Statement) -> bool:
        """Whether a statement joins homes that are one vector now."""
        if statement.function is not np.concatenate:
            for output in statement.outputs:
                self._made_by[output] = statement
            return False
        homes = [before_reshape(part, self._made_by) for part in joined_vectors(statement)]
        if not homes or not all(isinstance(home.source, Home) for home in homes):
            return False
        found = [self.change.get(home, home) for home in homes]
        laid = _laid_out([home.source for home in found if isinstance(home.source, Home)])
        if laid is None:
            return False
        self._lay_out(homes, *laid, statement.output)
        return True

    def _lay_out(
        self, homes: Sequence[Value], vector: Any, parts: Sequence[Any], joined: Value
    ) -> None:
        source = Home(vector, " and ".join(sorted({home.name for home in homes})[:2]))
        whole = Value(vector.shape, vector.dtype, vector.strides, source, name=joined.name)
        self.vectors.append(whole)
        self.change[joined] = whole
        for home, new in zip(homes, parts, strict=True):
            old: Any = self.change.get(home, home).source
            if new is not old.array:
                self.moves.append(Move(old.array, new))
                old = Home(new, old.name, alone=False)
            self.change[home] = dataclasses.replace(home, source=old, base=whole)


def _laid_out(homes: Sequence[Home]) -> tuple[Any, list[Any]] | None:
    """Return a vector and its parts, where arrays are or will be; None if they stay apart.

    An array that somebody else holds, or that is a part of another vector, stays where it is.
    """
    arrays = [home.array for home in homes]
    dtypes = {array.dtype for array in arrays}
    if len(dtypes) > 1 or not all(a.flags.c_contiguous and a.flags.writeable for a in arrays):
        return None
    if (vector := vector_of(arrays)) is not None:
        return vector, arrays
    if len({*map(id, arrays)}) < len(arrays):
        return None
    if not all(home.alone and home.array.base is None for home in homes):
        return None
    return laid_out(arrays)


# --- what else is joined --------------------------------------------------------------------


def flat_results(listing: Listing) -> Listing:
    """Return a listing in which what is joined is written into its place in a vector at once."""
    places = _Places(listing)
    statements = []
    for statement in listing.statements:
        statements += places.copies(statement) if places.fits(statement) else [statement]
    if not places.vectors:
        return listing
    statements = [places.written_there(statement) for statement in statements]
    new = replaced(listing, [*places.views, *statements], places.vectors)
    return dataclasses.replace(new, sources=[*places.vectors.values(), *new.sources])


class _Places:
    """Where in vectors results are written."""

    def __init__(self, listing: Listing) -> None:
        self.vectors: dict[Value, Value] = {}
        """What stands for what was joined."""
        self.views: list[Statement] = []
        """Statements that make the parts of vectors."""
        memory = Memory(listing)
        self._handed_out = set(map(memory.owner, kept(listing)))
        self._made_by = listing.made_by()
        self._out: dict[Value, Value] = {}

    def fits(self, statement: Statement) -> bool:
        """Whether a statement joins something that could be written into a vector instead."""
        output = statement.outputs[0]
        return (
            any(
                self._can_be_written(before_reshape(p, self._made_by))
                for p in joined_vectors(statement)
            )
            and output not in self._handed_out
            and output.dtype is not None
            and output.dtype.kind in "iufc"
            and all(part.dtype == output.dtype for part in joined_vectors(statement))
        )

    def copies(self, join: Statement) -> list[Statement]:
        """Let parts be written into a vector; return copies of those that cannot be made there."""
        vector = self.vectors[join.output] = new_room(join.output)
        vector.name = join.output.name
        copies = []
        ends = accumulate((part.size for part in joined_vectors(join)), initial=0)
        for part, (start, end) in zip(joined_vectors(join), pairwise(ends), strict=True):
            whole = before_reshape(part, self._made_by)
            place = self._place(join, vector, slice(start, end), whole)
            if self._can_be_written(whole):
                self._out[whole] = place
            else:
                copied = Value(whole.shape, whole.dtype, place.strides)
                copies.append(
                    Statement(np.copyto, (whole,), {}, (copied,), place=join.place, out=place)
                )
        return copies

    def _can_be_written(self, value: Value) -> bool:
        made = self._made_by.get(value)
        return (
            made is not None
            and value not in self._out
            and value not in self._handed_out
            and takes_out(made)
            and is_usual(value)
        )

    def _place(self, join: Statement, vector: Value, where: slice, like: Value) -> Value:
        """Return a part of a vector, in the shape of what is written there."""
        piece = self._view(join, vector, (where.stop - where.start,), subscript, vector, where)
        if like.shape == piece.shape:
            return piece
        return self._view(join, vector, like.shape, np.reshape, piece, like.shape)

    def _view(
        self, join: Statement, vector: Value, shape: tuple[int, ...], function: Any, *args: Any
    ) -> Value:
        made = new_value(shape, vector.dtype, base=vector)
        self.views.append(Statement(function, args, {}, (made,), place=join.place, when="once"))
        return made

    def written_there(self, statement: Statement) -> Statement:
        """Return a statement that writes its result into its place."""
        place = self._out.get(statement.outputs[0]) if statement.outputs else None
        return statement if place is None else dataclasses.replace(statement, out=place)

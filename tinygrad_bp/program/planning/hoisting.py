"""What is the same in every run happens once, and what options decide, when one changes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import (
    Constant,
    Home,
    Listing,
    Option,
    Room,
    Statement,
    Value,
    mapped,
)
from tinygrad_bp.program.planning.memory import VIEWS, kept, new_room
from tinygrad_bp.state import owner_of

__all__ = ["options_apart", "views_once"]


# --- views ----------------------------------------------------------------------------------


def views_once(listing: Listing) -> Listing:
    """Return a listing in which views of memory that stays are made once.

    They are made here, too: what turns out to be a copy stays where it is.
    """
    fixed = _Fixed(listing)
    handed_out = set(kept(listing))
    statements = []
    for statement in listing.statements:
        if statement.when == "run" and not handed_out.intersection(statement.outputs):
            statement = fixed.changed(statement)  # noqa: PLW2901
        statements.append(statement)
    return dataclasses.replace(listing, statements=statements)


class _Fixed:
    """The values that stand in the same memory in every run, and their arrays."""

    def __init__(self, listing: Listing) -> None:
        self._place: dict[Value, Value] = {}
        self._array: dict[Value, Any] = {}
        for value in listing.sources:
            if isinstance(value.source, Home | Room):
                self._array[value] = value.source.array
            elif isinstance(value.source, Constant):
                self._array[value] = value.source.value

    def changed(self, statement: Statement) -> Statement:
        """Return a statement as one that happens once, if it can, and note what it makes."""
        if statement.out is not None:
            self._place[statement.output] = self._place.get(statement.out, statement.out)
            return statement
        at_once = statement.with_values(self._place)
        read = [*at_once.inputs()]
        if statement.draws or statement.several or len(read) != 1 or read[0] not in self._array:
            return statement  # an index that is calculated makes a copy
        if statement.function in VIEWS or statement.output.base is not None:
            return self._viewed(statement, at_once)
        return statement

    def _viewed(self, statement: Statement, at_once: Statement) -> Statement:
        args = mapped(at_once.args, self._array.__getitem__)
        with np.errstate(all="ignore"):  # of a copy of what is in memory by chance
            made = statement.function(*args, **mapped(at_once.kwargs, self._array.__getitem__))
        first = self._array[next(at_once.inputs())]
        if not isinstance(made, np.ndarray) or owner_of(made) is not owner_of(first):
            return statement
        self._array[statement.output] = made
        return dataclasses.replace(at_once, when="once")


# --- options --------------------------------------------------------------------------------


def options_apart(listing: Listing) -> Listing:
    """Return a listing in which what depends on options alone is calculated when one changes."""
    decided = _Decided(listing)
    statements = []
    for statement in listing.statements:
        statements += decided.changed(statement)
    return dataclasses.replace(
        listing, statements=statements, sources=[*listing.sources, *decided.rooms]
    )


class _Decided:
    """The values that options decide, and what calculates those that are numbers of Python's."""

    def __init__(self, listing: Listing) -> None:
        self.rooms: list[Value] = []
        self._kept = set(kept(listing))
        self._numbers: dict[Value, list[Statement]] = {
            v: [] for v in listing.sources if isinstance(v.source, Option)
        }

    def changed(self, statement: Statement) -> list[Statement]:
        """Return what becomes of a statement."""
        in_a_run = dataclasses.replace(statement, when="run")
        read = [v for v in statement.inputs() if not isinstance(v.source, Constant)]
        if not read or statement.draws or not all(v in self._numbers for v in read):
            return [in_a_run]
        before = list(dict.fromkeys(s for v in read for s in self._numbers[v]))
        if all(output.is_number for output in statement.outputs):
            for output in statement.outputs:
                self._numbers[output] = [*before, statement]
            return [in_a_run]
        if not self._can_last(statement):
            return [in_a_run]
        self.rooms.append(new_room(statement.output, lasting=True))
        self._numbers[statement.output] = []  # what reads it may be decided, too
        earlier = [dataclasses.replace(s, when="options") for s in before]
        return [*earlier, dataclasses.replace(statement, when="options", out=self.rooms[-1])]

    def _can_last(self, statement: Statement) -> bool:
        return (
            not statement.several
            and statement.output.base is None
            and statement.output not in self._kept
            and (not statement.output.shape or statement.when == "options")
        )

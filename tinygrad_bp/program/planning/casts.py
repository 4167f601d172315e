"""A comparison whose result is wanted as floats is written as floats at once: a mask of 0 and 1."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from tinygrad_bp.program.listing import Listing, Statement, Value
from tinygrad_bp.program.planning.memory import kept, new_room
from tinygrad_bp.program.planning.out import takes_out
from tinygrad_bp.program.strides import is_dense

__all__ = ["without_casts"]


def without_casts(listing: Listing) -> Listing:
    """Return a listing in which truth values that are only cast are made in the other dtype."""
    count = Counter(listing.needed())
    for statement in (*listing.statements, *listing.updates):
        count.update(statement.inputs())
    handed_out = set(kept(listing))
    made: dict[Value, Statement] = {}
    instead: dict[Statement, Statement | None] = {}
    rooms = []
    for statement in listing.statements:
        output = statement.outputs[0] if statement.outputs else None
        test = made.get(statement.args[0]) if _is_cast(statement) else None
        if test is None or output is None:
            made.update((output, statement) for output in statement.outputs)
        elif (
            count[test.output] == 1
            and isinstance(test.function, np.ufunc)
            and takes_out(test)
            and output not in handed_out
            and is_dense(output)
        ):
            rooms.append(new_room(output))
            instead[statement] = None
            instead[test] = dataclasses.replace(test, outputs=(output,), out=rooms[-1])
    statements = [instead.get(statement, statement) for statement in listing.statements]
    return dataclasses.replace(
        listing,
        statements=[statement for statement in statements if statement is not None],
        sources=[*listing.sources, *rooms],
    )


def _is_cast(statement: Statement) -> bool:
    """Whether a statement makes floats of truth values."""
    value = statement.args[0] if statement.args else None
    output = statement.outputs[0] if statement.outputs else None
    return (
        statement.function is np.astype
        and statement.out is None
        and isinstance(value, Value)
        and value.dtype == np.bool_
        and output is not None
        and output.dtype is not None
        and output.dtype.kind == "f"
    )

"""What stands where it is read, in no line of its own: views, numbers, conditions of checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from tinygrad_bp.program.listing import Listing, Statement, Value
from tinygrad_bp.program.writing.expressions import is_view
from tinygrad_bp.program.writing.imports import INFIX

__all__ = ["inlined_in"]


def inlined_in(listing: Listing) -> dict[Value, Statement]:
    """Return what is read once, and stands there: views, numbers, conditions of checks."""
    statements = listing.statements
    reads = Counter(v for s in (*statements, *listing.updates) for v in s.inputs())
    reads.update(listing.needed())
    outs = {s.out for s in (*statements, *listing.updates)}
    readers = {v: s for s in statements for v in s.inputs()}
    conditions = _conditions(listing)
    found: dict[Value, Statement] = {}
    for statement in statements:
        output = statement.outputs[0]
        if statement.several or reads[output] != 1 or output in outs:
            continue
        reader = readers.get(output)
        if output in conditions and (reader is None or reader.function is np.logical_not):
            stands = statement.out is None and not statement.quiet
        else:
            stands = (
                reader is not None
                and reader.when == statement.when
                and _may_stand(statement, found)
            )
        if stands:
            found[output] = statement
    return found


def _conditions(listing: Listing) -> set[Value]:
    """The conditions of checks, and what they are the opposite of."""
    found = {check.condition for check in listing.checks}
    for statement in reversed(listing.statements):
        if statement.function is np.logical_not and found.intersection(statement.outputs):
            found.update(statement.inputs())
    return found


def _may_stand(statement: Statement, inlined: Mapping[Value, Statement]) -> bool:
    """Whether a statement may stand in another one: a view, or a short formula of numbers."""
    if is_view(statement):
        return True
    if statement.function not in INFIX or not statement.output.is_number:
        return False
    inner = [inlined[value] for value in statement.inputs() if value in inlined]
    return not any(value in inlined for s in inner for value in s.inputs())

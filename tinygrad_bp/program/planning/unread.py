"""Views, numbers and sources that nothing reads any more are left out."""

from __future__ import annotations

import dataclasses

from tinygrad_bp.program.listing import Listing, Statement, Value
from tinygrad_bp.program.planning.memory import VIEWS
from tinygrad_bp.program.stand_in import of_python

__all__ = ["without_unread"]

_PURE = VIEWS.union(of_python.values())


def without_unread(listing: Listing) -> Listing:
    """Return a listing without the views, numbers and sources that nothing reads."""
    read = {*listing.needed(), *listing.limits}
    before: set[Value] = set()  # what is read when an option changes
    for update in listing.updates:
        read.update(_needs(update))
    statements = []
    for statement in reversed(listing.statements):
        in_a_run = statement.when == "run"
        readers = read if in_a_run else read | before
        if statement.function not in _PURE or not readers.isdisjoint(statement.outputs):
            (read if in_a_run else before).update(_needs(statement))
            statements.append(statement)
    statements.reverse()
    sources = [value for value in listing.sources if value in read or value in before]
    return dataclasses.replace(listing, statements=statements, sources=sources)


def _needs(statement: Statement) -> set[Value]:
    needed = set(statement.inputs())
    if statement.out is not None:
        needed.add(statement.out)
    return needed

"""Views and sources that nothing reads any more are left out."""

from __future__ import annotations

import dataclasses

from tinygrad_bp.program.listing import Listing, Statement, Value
from tinygrad_bp.program.planning.memory import VIEWS

__all__ = ["without_unread"]


def without_unread(listing: Listing) -> Listing:
    """Return a listing without the views and sources, and so parameters, that nothing reads."""
    read = {*listing.needed(), *listing.finite}
    for update in listing.updates:
        read.update(_needs(update))
    statements = []
    for statement in reversed(listing.statements):
        if statement.function not in VIEWS or not read.isdisjoint(statement.outputs):
            read.update(_needs(statement))
            statements.append(statement)
    statements.reverse()
    sources = [value for value in listing.sources if value in read]
    return dataclasses.replace(listing, statements=statements, sources=sources)


def _needs(statement: Statement) -> set[Value]:
    needed = set(statement.inputs())
    if statement.out is not None:
        needed.add(statement.out)
    return needed

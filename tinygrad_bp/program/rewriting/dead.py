"""Dead statements: what nothing needs is not calculated. The same bits.

The gradients of a step by the images, or a loss that is not returned, are such.
"""

from __future__ import annotations

import dataclasses

from tinygrad_bp.program.listing import Constant, Home, Listing, Value
from tinygrad_bp.program.rewriting.common import is_pure

__all__ = ["without_dead"]


def without_dead(listing: Listing) -> Listing:
    """Return a listing of what checks, writes and results need, and of what draws.

    Functions of the user's own stay: they may do more than return something.
    """
    needed: set[Value] = set(listing.needed()) | set(listing.limits)
    for update in listing.updates:
        needed.update(update.inputs())
    kept = []
    for statement in reversed(listing.statements):
        if not is_pure(statement) or not needed.isdisjoint(statement.outputs):
            needed.update(statement.inputs())
            kept.append(statement)
    kept.reverse()
    bases = {value.base for value in needed if value.base is not None}
    sources = [
        value
        for value in listing.sources
        if value in needed or value in bases or not isinstance(value.source, Constant | Home)
    ]
    return dataclasses.replace(listing, statements=kept, sources=sources)

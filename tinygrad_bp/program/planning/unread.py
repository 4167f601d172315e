"""Sources that nothing reads any more are left out."""

from __future__ import annotations

import dataclasses

from tinygrad_bp.program.listing import Listing

__all__ = ["without_unread"]


def without_unread(listing: Listing) -> Listing:
    """Return a listing without the sources, and so without the parameters, that nothing reads."""
    read = set(listing.needed())
    for statement in (*listing.statements, *listing.updates):
        read.update(statement.inputs())
        if statement.out is not None:
            read.add(statement.out)
    return dataclasses.replace(listing, sources=[v for v in listing.sources if v in read])

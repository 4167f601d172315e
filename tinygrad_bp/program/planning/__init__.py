"""Planning: where in memory every value of a listing stands, and when it is calculated."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_bp.program.listing import Listing

__all__ = ["PASSES", "planned"]

PASSES: tuple[Callable[[Listing], Listing], ...] = ()
"""The passes, in their order."""


def planned(listing: Listing) -> Listing:
    """Return a listing with memory for what it calculates."""
    for plan in PASSES:
        listing = plan(listing)
    return listing

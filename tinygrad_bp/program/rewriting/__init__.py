"""Rewrites: passes from a listing to a listing that calculates the same with less work."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_bp.program.listing import Listing

__all__ = ["PASSES", "rewritten"]

PASSES: tuple[Callable[[Listing], Listing], ...] = ()
"""The passes, in their order."""


def rewritten(listing: Listing) -> Listing:
    """Return a listing as all passes leave it."""
    for rewrite in PASSES:
        listing = rewrite(listing)
    return listing

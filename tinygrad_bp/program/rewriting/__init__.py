"""Rewrites: passes from a listing to a listing that calculates the same with less work."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_bp.program.listing import Listing
from tinygrad_bp.program.rewriting.common import without_repetition
from tinygrad_bp.program.rewriting.dead import without_dead

__all__ = ["PASSES", "rewritten"]

PASSES: tuple[Callable[[Listing], Listing], ...] = (without_repetition, without_dead)
"""The passes, in their order."""


def rewritten(listing: Listing) -> Listing:
    """Return a listing as all passes leave it."""
    for rewrite in PASSES:
        listing = rewrite(listing)
    return listing

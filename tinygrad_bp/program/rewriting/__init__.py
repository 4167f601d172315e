"""Rewrites: passes from a listing to a listing that calculates the same with less work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tinygrad_bp.program.listing import Listing

__all__ = ["PASSES", "rewritten"]

Pass: TypeAlias = Callable[[Listing], Listing]

EXACT: frozenset[Pass] = frozenset()
"""The passes that leave every bit of the results as it is."""

PASSES: tuple[Pass, ...] = ()
"""The passes, in their order."""


def rewritten(listing: Listing, *, exact: bool = False) -> Listing:
    """Return a listing as all passes leave it, or those that change no bit."""
    for rewrite in PASSES:
        if rewrite in EXACT or not exact:
            listing = rewrite(listing)
    return listing

"""Planning: where in memory every value of a listing stands, and when it is calculated."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_bp.program.listing import Listing
from tinygrad_bp.program.planning.casts import without_casts
from tinygrad_bp.program.planning.flat import flat_results, flat_state, one_write
from tinygrad_bp.program.planning.hoisting import options_apart, views_once
from tinygrad_bp.program.planning.in_place import in_place
from tinygrad_bp.program.planning.numbers import as_arrays
from tinygrad_bp.program.planning.out import with_rooms
from tinygrad_bp.program.planning.sharing import shared
from tinygrad_bp.program.planning.unread import without_unread
from tinygrad_bp.program.planning.updates import moved_in_place, with_copies

__all__ = ["PASSES", "planned"]

PASSES: tuple[Callable[[Listing], Listing], ...] = (
    as_arrays,
    options_apart,
    flat_state,
    one_write,
    without_unread,
    flat_results,
    moved_in_place,
    with_copies,
    without_casts,
    with_rooms,
    in_place,
    without_unread,
    shared,
    views_once,
)
"""The passes, in their order."""


def planned(listing: Listing) -> Listing:
    """Return a listing with memory for what it calculates."""
    for plan in PASSES:
        listing = plan(listing)
    return listing

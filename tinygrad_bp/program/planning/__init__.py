"""Planning: where in memory every value of a listing stands, and when it is calculated.

No pass changes a bit of what a program calculates. What each is worth, one after the other: the
time of a step over that of the step by hand, one core, 784-16-16-10, for batches of 10 and 100.

                                            squares        cross-entropy    momentum
    rewritten, but not planned              .91   .94      .87   .85        1.13  1.04
    numbers     arrays without axes         .82   .89      .82   .81        1.03   .98
    out         into rooms                  .76   .86      .77   .79         .99   .95
    in_place    over what dies              .73   .83      .75   .76         .92   .91
    sharing     rooms in the same memory    .73   .81      .74   .76         .93   .90
    hoisting    views made once             .67   .79      .68   .73         .83   .86
    flat        vectors; updates in place   .52   .70      .56   .66         .65   .77

`casts` saves memory: with it, a step of 784-512-512-10 with cross-entropy and a batch of 8192 takes
51 MiB beyond its inputs instead of 87. With squares it takes 67 MiB; without `sharing`, 99.
"""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_bp.program.listing import Listing
from tinygrad_bp.program.planning.casts import without_casts
from tinygrad_bp.program.planning.flat import flat_results, flat_state
from tinygrad_bp.program.planning.hoisting import options_apart, views_once
from tinygrad_bp.program.planning.in_place import in_place
from tinygrad_bp.program.planning.numbers import as_arrays
from tinygrad_bp.program.planning.out import with_rooms
from tinygrad_bp.program.planning.sharing import shared
from tinygrad_bp.program.planning.stacked import stacked
from tinygrad_bp.program.planning.unread import without_unread
from tinygrad_bp.program.planning.updates import moved_in_place, with_copies
from tinygrad_bp.program.planning.writes import one_write

__all__ = ["PASSES", "planned"]

PASSES: tuple[Callable[[Listing], Listing], ...] = (
    as_arrays,
    options_apart,
    flat_state,
    one_write,
    without_unread,
    stacked,
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

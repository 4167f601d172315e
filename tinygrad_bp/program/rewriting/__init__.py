"""Rewrites: passes from a listing to a listing that calculates the same with less work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tinygrad_bp.program.listing import Listing
from tinygrad_bp.program.rewriting.common import without_repetition
from tinygrad_bp.program.rewriting.constants import with_one_factor, with_single_numbers
from tinygrad_bp.program.rewriting.dead import without_dead
from tinygrad_bp.program.rewriting.finite import with_short_checks
from tinygrad_bp.program.rewriting.identities import without_identities
from tinygrad_bp.program.rewriting.labels import with_labels_in_range
from tinygrad_bp.program.rewriting.masks import with_masks
from tinygrad_bp.program.rewriting.products import with_products
from tinygrad_bp.program.rewriting.quiet import with_less_quiet
from tinygrad_bp.program.rewriting.scalars import with_operators
from tinygrad_bp.program.rewriting.scale import with_common_scale
from tinygrad_bp.program.rewriting.softmax import with_one_maximum

__all__ = ["INEXACT", "PASSES", "rewritten"]

Pass: TypeAlias = Callable[[Listing], Listing]

PASSES: tuple[Pass, ...] = (
    without_repetition,
    with_single_numbers,
    without_identities,
    with_short_checks,
    with_labels_in_range,
    with_one_maximum,
    with_masks,
    with_products,
    without_identities,
    with_one_factor,
    with_common_scale,
    with_operators,
    with_less_quiet,
    without_repetition,
    without_dead,
)
"""The passes, in their order."""

INEXACT: frozenset[Pass] = frozenset(
    {with_one_maximum, with_masks, with_products, with_one_factor, with_common_scale}
)
"""The passes that may change the last bits of results, or the sign of a zero."""


def rewritten(listing: Listing, *, exact: bool = False) -> Listing:
    """Return a listing as all passes leave it, or those that change no bit."""
    for rewrite in PASSES:
        if not (exact and rewrite in INEXACT):
            listing = rewrite(listing)
    return listing

"""Rewrites: passes from a listing to a listing that calculates the same with less work."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_bp.program.listing import Listing
from tinygrad_bp.program.rewriting.common import without_repetition
from tinygrad_bp.program.rewriting.dead import without_dead
from tinygrad_bp.program.rewriting.finite import with_short_checks
from tinygrad_bp.program.rewriting.identities import without_identities
from tinygrad_bp.program.rewriting.labels import with_labels_in_range
from tinygrad_bp.program.rewriting.masks import with_masks
from tinygrad_bp.program.rewriting.products import with_products
from tinygrad_bp.program.rewriting.scalars import with_operators
from tinygrad_bp.program.rewriting.scale import with_common_scale

__all__ = ["PASSES", "rewritten"]

PASSES: tuple[Callable[[Listing], Listing], ...] = (
    without_repetition,
    without_identities,
    with_short_checks,
    with_labels_in_range,
    with_masks,
    with_products,
    without_identities,
    with_common_scale,
    with_operators,
    without_repetition,
    without_dead,
)
"""The passes, in their order."""


def rewritten(listing: Listing) -> Listing:
    """Return a listing as all passes leave it."""
    for rewrite in PASSES:
        listing = rewrite(listing)
    return listing

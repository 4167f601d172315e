"""Rewrites: passes from a listing to a listing that calculates the same with less work.

Their worth, one added to the other, as the time of a step of 784-16-16-10 over that of the step
by hand: float32, one core, all planning done, the median of 300 rounds, interleaved. A difference
of .01 is noise. Sigmoids and a mean square, then ReLUs and cross-entropy, at batch 10 and 100:

    the trace alone, planned     .71   .82  1.10  1.11
    dead.without_dead            .73   .81  1.03  1.08
    common.without_repetition    .70   .80   .94   .97
    constants, identities        .71   .80   .91   .96
    scalars.with_operators       .66   .79   .91   .96
    quiet.with_less_quiet        .68   .78   .91   .96
    finite.with_short_checks     .67   .79   .90   .95
    labels.with_labels_in_range  .65   .78   .81   .90
    products.with_products       .61   .72   .66   .78
    masks.with_masks             .61   .73   .63   .74
    softmax.with_one_maximum     .62   .72   .62   .70
    constants.with_one_factor    .59   .72   .61   .69
    scale.with_common_scale      .59   .71   .60   .69

With momentum, over the step by hand without it: .84 and .91 at first, .68 and .79 in the end, but
for velocities.with_bounded_velocities, with which updates are planned where they stay. That takes
.72 and .85 to .68 and .82, and at a batch of 128 1.04 to 1.01 for 784-128-10 and 1.06 to 1.03 for
784-512-512-10 (each contestant in a process of its own, the median of 200 rounds).
"""

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
from tinygrad_bp.program.rewriting.velocities import with_bounded_velocities

__all__ = ["INEXACT", "PASSES", "rewritten", "shortened"]

Pass: TypeAlias = Callable[[Listing], Listing]

PASSES: tuple[Pass, ...] = (
    without_repetition,
    without_dead,
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
    with_bounded_velocities,
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


def shortened(listing: Listing) -> Listing:
    """Return a listing without what it does twice, and what nobody reads.

    That holds for arrays of any library. The other passes know what is quick on NumPy's.
    """
    return without_dead(without_repetition(listing))

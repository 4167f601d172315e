"""Masks as products with 0 and 1, where NumPy's `where` takes up to 40 times as long.

0 · inf is nan, so this is right only where what is masked is finite: another check shows that, or a
new one; a step that is not so runs eagerly. What is masked out may be -0 where `where` has 0.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import numpy as np

from tinygrad_bp.program.listing import Listing, Statement, Value
from tinygrad_bp.program.rewriting.drafts import Draft, equals, is_real, rewrite_each
from tinygrad_bp.program.rewriting.witnesses import noticed_in, require_finite

__all__ = ["with_masks"]

LEAST = 1024  # elements from which on a check of its own pays


def with_masks(listing: Listing) -> Listing:
    """Return a listing in which `where(mask, x, 0)` is a product."""
    where = partial(_where, noticed=noticed_in(listing))
    return rewrite_each(listing, {np.where: where, np.greater: _Outputs(listing)})


def _where(draft: Draft, statement: Statement, *, noticed: Collection[Value]) -> Value | None:
    mask, x, other = statement.args
    if not equals(other, 0) or not is_real(x) or x.dtype != statement.output.dtype:
        return None
    if not isinstance(mask, Value) or mask.dtype != np.bool_ or not mask.shape:
        return None
    if x.shape != statement.output.shape:
        return None
    if _guards_infinities(draft, mask, x):
        shown = draft.may_be(statement.output, x) and (
            x in noticed or require_finite(draft, statement, x)
        )
        return x if shown else None
    shown = statement.output in noticed or x in noticed
    if not shown and not (x.size >= LEAST and require_finite(draft, statement, x)):
        return None
    factor = draft.call(statement, np.astype, mask, x.dtype, shape=mask.shape, dtype=x.dtype)
    return draft.call(statement, np.multiply, x, factor)


def _guards_infinities(draft: Draft, mask: Value, x: Value) -> bool:
    """Whether it is `where(isfinite(x), x, 0)`: x, of which a check shows that it is finite."""
    test = draft.made(mask, np.isfinite)
    return test is not None and test.args[0] is x


class _Outputs:
    """Comparisons of z with 0 as such of max(z, 0), where that is there: z is not needed then."""

    def __init__(self, listing: Listing) -> None:
        self._cut = {
            s.args[0]: s.output
            for s in reversed(listing.statements)
            if s.function is np.maximum and len(s.args) == 2 and equals(s.args[1], 0)
        }

    def __call__(self, draft: Draft, statement: Statement) -> Value | None:
        """Return the comparison of the output."""
        z, other = statement.args
        cut = self._cut.get(z)
        if cut is None or cut not in draft.made_by or not equals(other, 0) or statement.kwargs:
            return None
        return draft.call(statement, np.greater, cut, other)

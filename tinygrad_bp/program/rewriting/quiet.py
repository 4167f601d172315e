"""Calls that cannot overflow are not made in a context that ignores overflow. The same bits.

A sigmoid is four calls in such a context, and entering it takes half of what one of them does. Only
the exponential can overflow: 1 + e is finite for each finite e, and 1 / d is at most 1 where d is
1 + e, with e an exponential. What is infinite already is no overflow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from tinygrad_bp.program.listing import Function, Listing, Statement, Value
from tinygrad_bp.program.rewriting.drafts import Draft, Rule, constant_of, rewrite_each

__all__ = ["with_less_quiet"]

_NEVER = frozenset({"over", "under"})  # what is not met by choosing, comparing, changing signs


def with_less_quiet(listing: Listing) -> Listing:
    """Return a listing in which calls ignore no floating-point errors that they cannot meet."""
    if not any(statement.quiet for statement in listing.statements):
        return listing
    return rewrite_each(listing, _RULES)


def _without(kinds: frozenset[str]) -> Rule:
    """The rule that a function never meets some errors."""

    def rule(draft: Draft, statement: Statement) -> Value | None:
        quiet = tuple([kind for kind in statement.quiet if kind not in kinds])
        draft.keep(dataclasses.replace(statement, quiet=quiet))
        return statement.output

    return rule


def _add(draft: Draft, statement: Statement) -> Value | None:
    """A number of at most 1 in size is less than half the gap below the largest finite one."""
    if not any(_is_number(a) and abs(constant_of(a)) <= 1 for a in statement.args):
        return None
    return _without(_NEVER)(draft, statement)


def _divide(draft: Draft, statement: Statement) -> Value | None:
    """1 / (1 + e) is at most 1; it may be too small for a normal number."""
    one, d = statement.args
    added = draft.made(d, np.add)
    if not _is_one(one) or added is None or not _is_one(added.args[0]):
        return None
    if draft.made(added.args[1], np.exp, np.square) is None:
        return None
    return _without(frozenset({"over"}))(draft, statement)


def _is_number(item: object) -> bool:
    return isinstance(item, int | float)


def _is_one(item: object) -> bool:
    return _is_number(item) and item == 1


_RULES: Mapping[Function, Rule] = {
    **dict.fromkeys(
        (np.negative, np.absolute, np.fabs, np.maximum, np.minimum, np.where, np.isfinite,
         np.max, np.min, np.transpose, np.reshape, np.squeeze),
        _without(_NEVER),
    ),
    np.add: _add,
    np.divide: _divide,
}  # fmt: skip

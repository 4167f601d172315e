"""Softmax with one maximum for all rows, and one check for all of its divisions.

A softmax subtracts the maximum of each row, so that no exponential overflows. Any other number does
as well that is not far from it, and the maximum of all rows is found in a fifth of the time:

    e = exp(z - M),   s = Σ e over a row,   p = e · 1 / s,   M = max z

No exponential is above 1. Those of a row far below M would be lost, so the squares of all 1 / s
must have a finite sum: then s > 2⁻⁶⁴ in float32 (2⁻⁵¹² in float64), and what is lost below the
smallest normal number, 2⁻¹²⁶ (2⁻¹⁰²²), is less than 2⁻⁶⁰ of a probability's 1. A step in which rows
are further apart, or M is not finite, runs eagerly.

z - M is rounded in its last place, so a probability differs by |z - M| roundings, as if z itself
had been rounded once more; and by two more of its own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinygrad_bp.program.listing import Function, Listing, Statement, Value
from tinygrad_bp.program.rewriting.drafts import (
    Draft,
    Rule,
    equals,
    is_real,
    rewrite_each,
)
from tinygrad_bp.program.strides import is_contiguous

__all__ = ["with_one_maximum"]


_QUIET = ("divide", "over", "invalid")  # where there is reason to warn, the check fails as well


class _Softmax(NamedTuple):
    """What a softmax over the rows of a matrix is made of."""

    logits: Value
    shift: Value
    """The maximum of each row, or 0 where that is not finite."""
    exponentials: Value
    total: Value
    """The sum of each row's exponentials."""


def with_one_maximum(listing: Listing) -> Listing:
    """Return a listing whose softmaxes over rows subtract one maximum."""
    found = [*_softmaxes(listing)]
    if not found:
        return listing
    shifts = {each.shift: each for each in found}
    totals = {each.total: each for each in found}
    quotients = {(each.exponentials, each.total) for each in found}
    inverses: dict[Value, Value] = {}

    def where(draft: Draft, statement: Statement) -> Value | None:
        each = shifts.get(statement.output)
        if each is None:
            return None
        return draft.call(statement, np.max, draft.current(each.logits), shape=(), axis=None)

    def total(draft: Draft, statement: Statement) -> Value | None:
        if statement.output not in totals:
            return None
        draft.keep(statement)
        inverses[statement.output] = _checked_inverse(draft, statement)
        return statement.output

    def divide(draft: Draft, statement: Statement) -> Value | None:
        if tuple(statement.args) not in quotients:
            return None
        e, s = statement.args
        return draft.call(statement, np.multiply, e, inverses[s], quiet=_QUIET)

    def log(draft: Draft, statement: Statement) -> Value | None:
        if statement.args[0] not in totals:
            return None
        draft.keep(dataclasses.replace(statement, quiet=_QUIET))
        return statement.output

    rules: dict[Function, Rule] = {np.where: where, np.sum: total, np.divide: divide, np.log: log}
    return rewrite_each(listing, rules)


def _checked_inverse(draft: Draft, statement: Statement) -> Value:
    """1 / s, of which a check shows that it is not too large."""
    s = statement.output
    inverse = draft.call(statement, np.divide, 1, s, quiet=_QUIET)
    flat = draft.reshape(statement, inverse, (s.size,))
    squares = draft.call(statement, np.dot, flat, flat, shape=(), quiet=_QUIET)
    draft.require(
        statement, draft.call(statement, math.isfinite, squares, shape=(), dtype=np.bool_)
    )
    return inverse


# --- finding them -----------------------------------------------------------------------------


def _softmaxes(listing: Listing) -> Iterator[_Softmax]:
    """Yield the softmaxes of whose parts nothing else is made."""
    uses = _Uses(listing)
    for statement in listing.statements:
        if statement.function is not np.where or len(statement.args) != 3:
            continue
        finite, top, zero = statement.args
        test, maximum = uses.made_by.get(finite), uses.made_by.get(top)
        if test is None or maximum is None or not equals(zero, 0):
            continue
        if test.function is np.isfinite and test.args[0] is top and _is_of_rows(maximum, np.max):
            found = uses.softmax(maximum.args[0], statement.output)
            if found is not None:
                yield found


class _Uses:
    """Which statement makes each value, and which ones read it."""

    def __init__(self, listing: Listing) -> None:
        self.made_by = listing.made_by()
        self.needed = set(listing.needed())
        self.of: dict[Value, list[Statement]] = {}
        for statement in listing.statements:
            for value in statement.inputs():
                self.of.setdefault(value, []).append(statement)

    def softmax(self, z: Value, shift: Value) -> _Softmax | None:
        """What is made of logits and the maxima of their rows, if it does not depend on these."""
        differences = [s for s in self._all(shift) if s.function is np.subtract]
        if len(differences) != 1 or differences[0].args != (z, shift) or not is_contiguous(z):
            return None
        powers = self._all(differences[0].output)
        if len(powers) != 1 or powers[0].function is not np.exp:
            return None
        e = powers[0].output
        sums = [s for s in self._all(e) if _is_of_rows(s, np.sum)]
        if len(sums) != 1 or not self._cancels(shift, e, sums[0].output):
            return None
        return _Softmax(z, shift, e, sums[0].output)

    def _all(self, value: Value) -> list[Statement]:
        """All that read a value; none if it is a result too."""
        return [] if value in self.needed else self.of.get(value, [])

    def _cancels(self, shift: Value, e: Value, s: Value) -> bool:
        """Whether all that comes of it is e / s and M + log s, which are the same for any M."""
        quotients = [q for q in self._all(e) if q.function is np.divide and q.args == (e, s)]
        logarithms = [q for q in self._all(s) if q.function is np.log]
        sums = [q for each in logarithms for q in self._all(each.output)]
        added = all(q.function is np.add and q.args[0] is shift for q in sums)
        return (
            added
            and all(map(self._all, [each.output for each in logarithms]))
            and len(self._all(e)) == len(quotients) + 1
            and len(self._all(s)) == len(quotients) + len(logarithms)
            and len(self._all(shift)) == 1 + len(sums)
        )


def _is_of_rows(statement: Statement, function: object) -> bool:
    """Whether a function is applied to each row of a matrix."""
    if statement.function is not function or statement.kwargs != {"axis": -1, "keepdims": True}:
        return False
    return (
        len(statement.args) == 1 and is_real(statement.output) and len(statement.output.shape) == 2
    )

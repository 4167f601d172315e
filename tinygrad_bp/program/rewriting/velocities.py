"""Velocities are known to be finite before they are calculated, so they are made where they stay.

A velocity is v' = m v + g, and a parameter moves by r v', with a momentum m and a rate r. If it is
r v' that is looked at before anything is written, v' has to be copied to its home later. Here it is
g. If Σ gᵢ² is finite, as rounded, then |g| is at most about G = √M, and for |m| ≤ 0.9999 and
|r| ≤ 2²⁰:

- |v| ≤ B = 2¹⁶ G entails |v'| ≤ 0.9999 B + G = B - 5.5 G, and rounding takes less than 0.1 G.
- |r v'| ≤ 2²⁰ B, which is 2¹⁰⁰ for float32 and 2⁵⁴⁸ for float64, and so far below ulp(M) / 2 that
  the parameter stays finite, as in `finite`.

That |v| ≤ B holds is for the one who runs the program to make sure of, once, and that m and r are
not larger. The check may fail where eager mode's would not: the step is run eagerly then.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from tinygrad_bp.program.guards import most_of
from tinygrad_bp.program.listing import Listing, Option, Statement, Value
from tinygrad_bp.program.rewriting.drafts import Draft, is_real, rewrite_each, root
from tinygrad_bp.program.rewriting.finite import homes_of, sum_of_squares, terms_of

__all__ = ["with_bounded_velocities"]


class _Velocity(NamedTuple):
    """A new velocity, what it takes up, and where it is kept."""

    value: Value
    gradient: Value
    homes: list[Value]


def with_bounded_velocities(listing: Listing) -> Listing:
    """Return a listing whose checks look at what velocities take up, and not at velocities."""
    made_by = listing.made_by()
    conditions = {check.condition for check in listing.checks if check.expected}
    kept = _kept_values(listing)
    limits = dict(listing.limits)

    def isfinite(draft: Draft, statement: Statement) -> Value | None:
        if statement.output not in conditions:
            return None
        terms = terms_of(statement.args[0], made_by)
        found = {term: each for term in terms if (each := _velocity_in(term, made_by, kept))}
        if not found:
            return None
        for home in (home for each in found.values() for home in each.homes):
            limits[home] = _largest(home)
        left = [found[term].gradient if term in found else term for term in terms]
        total = sum_of_squares(draft, statement, [*dict.fromkeys(left)])
        return draft.call(statement, statement.function, total)

    new = rewrite_each(listing, {np.isfinite: isfinite, math.isfinite: isfinite})
    return dataclasses.replace(new, limits=limits) if limits != listing.limits else listing


def _kept_values(listing: Listing) -> dict[Value, Value]:
    """The whole arrays of which parts are written into homes, by those."""
    return {w.target: root(w.value) for w in listing.writes if isinstance(w.value, Value)}


def _velocity_in(
    move: Value, made_by: Mapping[Value, Statement], kept: Mapping[Value, Value]
) -> _Velocity | None:
    """Return the velocity of which a move is a multiple, if its homes are those of the last one."""
    for rate, velocity in _products(move, made_by):
        found = _velocity(velocity, made_by) if _most(rate, made_by) is not None else None
        if found and all(kept.get(home) is found.value for home in found.homes):
            return found
    return None


def _velocity(value: Value, made_by: Mapping[Value, Statement]) -> _Velocity | None:
    statement = made_by.get(value)
    if statement is None or statement.function is not np.add or statement.kwargs:
        return None
    for last, gradient in (statement.args, statement.args[::-1]):
        if not is_real(gradient) or (gradient.shape, gradient.dtype) != (value.shape, value.dtype):
            continue
        for momentum, before in _products(last, made_by):
            homes = [*homes_of(before, made_by)]
            if homes and None not in homes and (_most(momentum, made_by) or 1) < 1:
                return _Velocity(value, gradient, [home for home in homes if home])
    return None


def _products(value: Value, made_by: Mapping[Value, Statement]) -> Iterator[tuple[Value, Value]]:
    """Yield the factors of a product, both ways round, if all is of one dtype."""
    statement = made_by.get(value)
    if statement is None or statement.function is not np.multiply or statement.kwargs:
        return
    one, other = statement.args
    if is_real(one) and is_real(other) and one.dtype == other.dtype == value.dtype:
        yield from ((one, other), (other, one))


def _most(value: Value, made_by: Mapping[Value, Statement]) -> float | None:
    """How large a number can be that is an option of an optimiser; None if it is anything else."""
    statement = made_by.get(value)
    if value.shape or statement is None or statement.function is not np.asarray:
        return None
    option = getattr(statement.args[0], "source", None)
    if not isinstance(option, Option):
        return None
    most = most_of(option.name)
    return most if abs(option.read()) <= most else None


def _largest(home: Value) -> float:
    """How large a velocity may be."""
    return float(2**16 * math.sqrt(np.finfo(home.dtype).max)) if home.dtype else math.inf

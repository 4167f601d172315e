"""One sum that shows that all new values and moments are finite, instead of one for each of them.

Let M be the largest finite number of a dtype, and ulp(M) the gap below it.

- If Σ sᵢ² is finite, as rounded, then so is each sᵢ², and |sᵢ| < √M (1 + ε). That is far below
  ulp(M) / 2: 2⁶⁴ against 2¹⁰³ for float32, 2⁵¹² against 2⁹⁷⁰ for float64. So for a finite p, the
  exact p - s is less than M + ulp(M) / 2 in size, and all such numbers are rounded to finite ones:
  p - s is finite. That p is finite is for the one who runs the program to make sure of, once.
- What s is made of by sums, products and quotients (as a numerator) is finite if s is: an infinity
  or a nan that comes in cannot become a number again. So a velocity needs no sum of its own where s
  is the learning rate times that velocity.

What has no such reason keeps its sum, such as Adam's second moment, by which s is divided. The
condition is no weaker than what it stands for, and fails a little earlier than M: at 2⁶⁴ where a
parameter would move by more than that.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np

from tinygrad_bp.program.listing import Home, Listing, Statement, Value
from tinygrad_bp.program.rewriting.drafts import Draft, is_real, rewrite_each
from tinygrad_bp.program.rewriting.witnesses import speaks_for

__all__ = ["homes_of", "sum_of_squares", "terms_of", "with_short_checks"]


def with_short_checks(listing: Listing) -> Listing:
    """Return a listing whose checks of new values sum as little as they can."""
    made_by = listing.made_by()
    conditions = {check.condition for check in listing.checks if check.expected}
    limits = dict(listing.limits)

    def isfinite(draft: Draft, statement: Statement) -> Value | None:
        if statement.output not in conditions:
            return None
        terms = terms_of(statement.args[0], made_by)
        if not terms:
            return None
        moved = [_move(term, made_by) for term in terms]
        for home in (home for _, homes in moved for home in homes):
            limits.setdefault(home, _largest(home))
        left = _without_implied([term for term, _ in moved], made_by)
        if left == terms:
            return None
        total = sum_of_squares(draft, statement, left)
        return draft.call(statement, statement.function, total)

    new = rewrite_each(listing, {np.isfinite: isfinite, math.isfinite: isfinite})
    return dataclasses.replace(new, limits=limits)


def terms_of(total: Value, made_by: Mapping[Value, Statement]) -> list[Value]:
    """Return the arrays whose squares a value is the sum of; none if it is anything else."""
    terms: list[Value] = []
    waiting = [total]
    while waiting:
        statement = made_by.get(waiting.pop())
        if statement is None:
            return []
        parts = [a for a in statement.args if isinstance(a, Value)]
        if statement.function is np.add and (len(parts) == 2 or 0 in statement.args):
            waiting.extend(parts)
        elif statement.function is np.dot and parts[0] is parts[-1] and is_real(parts[0]):
            terms.append(_unshaped(parts[0], made_by))
        else:
            return []
    return terms


def _unshaped(value: Value, made_by: Mapping[Value, Statement]) -> Value:
    statement = made_by.get(value)
    if statement is None or statement.function is not np.reshape:
        return value
    return _unshaped(statement.args[0], made_by)


def _move(term: Value, made_by: Mapping[Value, Statement]) -> tuple[Value, list[Value]]:
    """By how much parameters move that a term holds, and where they are; else the term itself."""
    statement = made_by.get(term)
    if statement is None or statement.function not in (np.subtract, np.add):
        return term, []
    before, move = statement.args
    homes = [*homes_of(before, made_by)]
    fits = isinstance(move, Value) and is_real(move) and move.shape == term.shape
    if not homes or None in homes or not fits or move.dtype != term.dtype:
        return term, []
    return move, [home for home in homes if home is not None]


def _largest(home: Value) -> float:
    """The largest finite number of a home's dtype."""
    is_float = home.dtype is not None and home.dtype.kind == "f"
    return float(np.finfo(home.dtype).max) if is_float else math.inf


def homes_of(value: Value, made_by: Mapping[Value, Statement]) -> Iterator[Value | None]:
    """Yield the homes that a value shows or joins, and None for anything else."""
    if isinstance(value, Value) and isinstance(value.source, Home) and not value.source.outside:
        yield value
        return
    statement = made_by.get(value)
    if statement is not None and statement.function is np.reshape:
        yield from homes_of(statement.args[0], made_by)
    elif statement is not None and statement.function is np.concatenate:
        for part in statement.args[0]:
            yield from homes_of(part, made_by)
    else:
        yield None


def _without_implied(terms: list[Value], made_by: Mapping[Value, Statement]) -> list[Value]:
    """Leave out terms that are finite if another one is."""
    terms = [*dict.fromkeys(terms)]
    for term in list(terms):
        others = [other for other in terms if other is not term]
        if others and term in _spoken_for(others, made_by):
            terms = others
    return terms


def _spoken_for(terms: list[Value], made_by: Mapping[Value, Statement]) -> set[Value]:
    """All that must be finite for some values to be so."""
    found: set[Value] = set()
    waiting = list(terms)
    while waiting:
        statement = made_by.get(waiting.pop())
        if statement is not None:
            new = [v for v in speaks_for(statement) if v not in found]
            found.update(new)
            waiting.extend(new)
    return found


def sum_of_squares(draft: Draft, statement: Statement, terms: list[Value]) -> Value:
    """Return the sum of the squares of all elements of some arrays."""
    total, *others = [_square(draft, statement, draft.current(term)) for term in terms]
    for other in others:
        dtype = np.result_type(total.dtype, other.dtype)
        total = draft.call(statement, np.add, total, other, shape=(), dtype=dtype)
    return total


def _square(draft: Draft, statement: Statement, term: Value) -> Value:
    flat = draft.reshape(statement, term, (term.size,))
    return draft.call(statement, np.dot, flat, flat, shape=(), dtype=term.dtype)

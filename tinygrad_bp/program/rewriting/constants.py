"""Products with constants: one number instead of an array of them, and one product instead of two.

A loss by hand, ((a - y) ** 2).mean(), has its slope multiplied by 2 and by an array full of 1 / n.
An array all of whose elements are equal is as good as one of them, to the bit. Two products with
numbers are one, which is rounded once less: by at most one unit in the last place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Constant, Function, Listing, Statement, Value
from tinygrad_bp.program.rewriting.drafts import (
    Draft,
    Rule,
    constant_factor,
    constant_of,
    rewrite_each,
)

__all__ = ["with_one_factor", "with_single_numbers"]


def with_single_numbers(listing: Listing) -> Listing:
    """Return a listing in which no constant array is full of one number, beside another array."""
    return rewrite_each(listing, _SINGLE)


def _single(draft: Draft, statement: Statement) -> Value | None:
    """The call with a number in the place of a constant array."""
    if statement.kwargs or statement.quiet or len(statement.args) != 2:
        return None
    a, b = statement.args
    for constant, other, left in ((a, b, True), (b, a, False)):
        number = _number_of(draft, constant)
        if (
            number is not None
            and isinstance(other, Value)
            and other.shape == statement.output.shape
        ):
            args = (number, other) if left else (other, number)
            return draft.call(statement, statement.function, *args)
    return None


def _number_of(draft: Draft, item: Any) -> Value | None:
    """What all elements of a constant array are, as an array without axes."""
    if not isinstance(item, Value) or not isinstance(item.source, Constant) or not item.shape:
        return None
    array = item.source.value
    if not array.size or array.dtype.kind not in "fiu":
        return None
    first = array.flat[0]
    same = array.tobytes() == np.full(array.shape, first).tobytes()  # 0 and -0 are two
    return draft.constant(np.asarray(first, array.dtype)) if same else None


_SINGLE: Mapping[Function, Rule] = dict.fromkeys(
    (np.add, np.subtract, np.multiply, np.divide), _single
)


def with_one_factor(listing: Listing) -> Listing:
    """Return a listing in which no array is multiplied by one number after another."""
    return rewrite_each(listing, {np.multiply: _multiply})


def _multiply(draft: Draft, statement: Statement) -> Value | None:
    """The product of two numbers and an array; what it was before is left for who needs it."""
    outer = constant_factor(statement)
    product = None if outer is None else draft.made(outer[1], np.multiply)
    inner = None if product is None else constant_factor(product)
    if outer is None or inner is None:
        return None
    x = inner[1]
    both = np.multiply(constant_of(outer[0]), constant_of(inner[0]), dtype=x.dtype)
    if not np.finfo(x.dtype).tiny <= abs(both) < np.inf:  # nan is no number either
        return None
    return draft.call(statement, np.multiply, draft.constant(both), x)

"""What shows that numbers are finite, without a look at each of them.

A sum with an infinity or a nan in it is no finite number, and neither is such a product, whatever
the other factor is: 0 · inf is nan. So a check of one number at the end speaks for all that it was
summed from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tinygrad_bp.program.listing import Listing, Statement, Value, values_in
from tinygrad_bp.program.rewriting.drafts import (
    Draft,
    constant_of,
    is_real,
)
from tinygrad_bp.program.strides import is_contiguous

__all__ = ["noticed_in", "require_finite", "speaks_for"]

_IS_FINITE = (np.isfinite, math.isfinite)
_OF_FIRST = {
    np.reshape, np.transpose, np.negative, np.divide, np.sqrt, np.squeeze, np.astype,
    np.sum, np.mean, np.log,
}  # fmt: skip
_OF_BOTH = {np.add, np.subtract, np.multiply, np.vdot}


def speaks_for(statement: Statement) -> Iterator[Value]:
    """Yield what is finite in every element if all that a statement makes is finite.

    Products of matrices are not looked through unless a factor is constant and has no zero: a
    routine of BLAS may leave out what it would multiply by 0.
    """
    function, args = statement.function, statement.args
    output = statement.outputs[0]
    if (
        output.dtype is None
        or output.dtype.kind != "f"
        or not output.size
        or "where" in statement.kwargs
    ):
        return
    if function in _OF_FIRST:
        yield from values_in(args[:1])
    elif function in _OF_BOTH or (function is np.dot and _are_vectors(statement)):
        yield from values_in(args)
    elif function is np.concatenate:
        yield from values_in(args[0])
    elif function is np.dot and _has_no_zero(args[0]):
        yield from values_in(args[1:])
    elif function is np.dot and _has_no_zero(args[1]):
        yield from values_in(args[:1])


def _are_vectors(statement: Statement) -> bool:
    return statement.output.shape == ()


def _has_no_zero(item: object) -> bool:
    value = constant_of(item)
    return isinstance(value, np.ndarray) and bool(np.all(value))


def noticed_in(listing: Listing) -> set[Value]:
    """Return the values that are finite in every run whose checks all hold."""
    found: set[Value] = set()
    conditions = {check.condition for check in listing.checks if check.expected}
    for statement in reversed(listing.statements):
        output = statement.outputs[0]
        if output in conditions and statement.function in _IS_FINITE and not output.shape:
            found.update(statement.inputs())
        elif output in found:
            found.update(speaks_for(statement))
    return found


def require_finite(draft: Draft, like: Statement, value: Value) -> bool:
    """Check in every run that all elements are finite; False if that takes too much."""
    if not is_real(value) or not is_contiguous(value):
        return False
    flat = draft.reshape(like, value, (value.size,))
    zeros = draft.constant(np.zeros(value.size, value.dtype))
    nothing = draft.call(like, np.dot, zeros, flat, shape=(), dtype=value.dtype)
    draft.require(like, draft.call(like, math.isfinite, nothing, shape=(), dtype=np.bool_))
    return True

"""Sums and means as products with constants, squares as dot products: what BLAS does faster.

Sums are rounded in another order. For n terms, either differs from the exact sum by at most n - 1
units in the last place of the sum of their sizes; a mean has one rounding more, that of 1 / n.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Function, Listing, Statement, Value
from tinygrad_bp.program.rewriting.drafts import (
    Draft,
    Rule,
    is_real,
    rewrite_each,
)
from tinygrad_bp.program.strides import is_contiguous

__all__ = ["with_products"]

MOST = 1 << 16  # constants of ones take memory


def with_products(listing: Listing) -> Listing:
    """Return a listing whose sums, means and products of matrices are calls of `np.dot`."""
    return rewrite_each(listing, _RULES)


def _sum(draft: Draft, statement: Statement) -> Value | None:
    """Σ x is 1 · x, and Σ d² is d · d."""
    if (squared := _square(draft, statement)) is not None:
        return squared
    return _weighted(draft, statement, 1.0)


def _mean(draft: Draft, statement: Statement) -> Value | None:
    """The mean of x is w · x, where all of w is 1 / n."""
    x, out = statement.args[0], statement.output
    return _weighted(draft, statement, out.size / x.size) if x.size and out.size else None


def _square(draft: Draft, statement: Statement) -> Value | None:
    """The sum of the squares of all elements as a product of two vectors."""
    squares = draft.made(statement.args[0], np.square, np.multiply)
    if squares is None or _axes(statement) is None or statement.output.shape != ():
        return None
    d = squares.args[0]
    if squares.args[-1] is not d or not _can_be_flat(d, statement):
        return None
    flat = draft.reshape(statement, d, (d.size,))
    return draft.call(statement, np.dot, flat, flat)


def _weighted(draft: Draft, statement: Statement, weight: float) -> Value | None:
    """Sum over the first axes or the last ones, with a weight."""
    x, out = statement.args[0], statement.output
    axes = _axes(statement)
    if axes is None or not _can_be_flat(x, statement):
        return None
    n, ndim = len(axes), len(x.shape)

    def weights(shape: Any) -> Value:
        return draft.constant(np.full(shape, weight, x.dtype))

    first, last = axes == (*range(n),), axes == (*range(ndim - n, ndim),)
    count = x.size // max(out.size, 1)
    if not n or not (first or last) or not 0 < count <= MOST:
        return None
    if n == ndim:
        args = weights(count), draft.reshape(statement, x, (count,))
        shape: tuple[int, ...] = ()
    elif first:
        args = weights(count), draft.reshape(statement, x, (count, out.size))
        shape = (out.size,)
    else:
        column = out.shape == (out.size, 1)
        rows = draft.reshape(statement, x, (out.size, count))
        args = rows, weights((count, 1) if column else count)
        shape = out.shape if column else (out.size,)
    product = draft.call(statement, np.dot, *args, shape=shape)
    if out.shape == shape:
        return product
    return draft.call(statement, np.reshape, product, out.shape, view_of=product)


def _can_be_flat(x: object, statement: Statement) -> bool:
    return (
        isinstance(x, Value)
        and is_real(x)
        and is_contiguous(x)
        and x.dtype == statement.output.dtype
    )


def _axes(statement: Statement) -> tuple[int, ...] | None:
    """Over which axes a function sums, in order; None if it does anything else besides."""
    options = dict(zip(("axis",), statement.args[1:2], strict=False)) | statement.kwargs
    if len(statement.args) > 2 or not options.keys() <= {"axis", "keepdims"}:
        return None
    ndim, axis = len(statement.args[0].shape), options.get("axis")
    if axis is None:
        return (*range(ndim),)
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(a % ndim for a in axes))


def _matmul(draft: Draft, statement: Statement) -> Value | None:
    """The product of two matrices by `dot`, which is called faster. The same bits."""
    a, b = statement.args
    if statement.kwargs or not (is_real(a) and is_real(b) and a.dtype == b.dtype):
        return None
    if len(a.shape) != 2 or len(b.shape) != 2:
        return None
    return draft.call(statement, np.dot, a, b)


_RULES: Mapping[Function, Rule] = {np.sum: _sum, np.mean: _mean, np.matmul: _matmul}

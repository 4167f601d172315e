"""Running totals: of sums, of products, and the recurrence that differentiates both."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, composite, general, linear, primitive, rule, why
from tinygrad_bp.rules.reductions import converted, kept

__all__ = ["recurrence"]


@primitive
def recurrence(a: Array, b: Array) -> Array:
    """Return the s with s[i] = a[i] s[i-1] + b[i] along the last axis, starting from 0.

    Two steps make one, with a product and a sum; the recurrence of half the length is solved, and
    the steps between follow. So it takes a few calls of NumPy, linear time and linear memory.

    >>> recurrence(np.array([9.0, 2.0, 2.0, 0.0]), np.array([1.0, 1.0, 1.0, 1.0]))
    array([1., 3., 7., 1.])
    """
    if np.shape(a) != np.shape(b):
        raise ValueError(f"a and b must have one shape, not {np.shape(a)} and {np.shape(b)}")
    return _recurrence(a, b)


def _recurrence(a: Array, b: Array) -> Array:
    n = a.shape[-1]
    if n <= 1:
        return np.positive(b)
    even, odd = slice(0, n - 1, 2), slice(1, n, 2)
    at_odd = _recurrence(a[..., odd] * a[..., even], a[..., odd] * b[..., even] + b[..., odd])
    at_even = a[..., 2::2] * at_odd[..., : (n - 1) // 2] + b[..., 2::2]
    at_even = np.concatenate([b[..., :1], at_even], axis=-1)
    if n % 2:
        at_odd = np.concatenate([at_odd, np.zeros_like(b[..., :1])], axis=-1)
    pairs = np.stack([at_even, at_odd], axis=-1)
    return np.reshape(pairs, (*pairs.shape[:-2], 2 * pairs.shape[-2]))[..., :n]


def _backward(a: Array, g: Array) -> Array:
    """The recurrence from the end: r[i] = g[i] + a[i+1] r[i+1], the transpose in b."""
    return np.flip(recurrence(np.flip(_later(a), -1), np.flip(g, -1)), -1)


def _earlier(s: Array, first: float) -> Array:
    """Each entry's predecessor along the last axis; the first one's is a number."""
    return np.concatenate([np.full_like(s[..., :1], first), s[..., :-1]], axis=-1)


def _later(s: Array) -> Array:
    """Each entry's successor along the last axis; the last one's is 0."""
    return np.concatenate([s[..., 1:], np.zeros_like(s[..., :1])], axis=-1)


rule(
    recurrence,
    vjp=(
        lambda g, y, a, b: _backward(a, g) * _earlier(y, 0),
        lambda g, y, a, b: _backward(a, g),
    ),
    jvp=(
        lambda t, y, a, b: recurrence(a, t * _earlier(y, 0)),
        lambda t, y, a, b: recurrence(a, t),
    ),
)


# --- sums and products ----------------------------------------------------------------------


def _last(x: Array, axis: int | None) -> Array:
    """The axis that a total runs along comes last; without one, all elements are in a row."""
    return np.reshape(x, (-1,)) if axis is None else np.moveaxis(x, axis, -1)


def _back(moved: Array, x: Array, axis: int | None) -> Array:
    """Undo `_last`, for an array with the shape of x."""
    return np.reshape(moved, x.shape) if axis is None else np.moveaxis(moved, -1, axis)


linear(
    np.cumsum,
    lambda g, y, x, *, axis: np.reshape(
        np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis), x.shape
    ),
)

# A factor multiplies everything before it, and what it makes is multiplied on by what comes after:
# no product is divided by a factor, so zeros are no trouble.
rule(
    np.cumprod,
    vjp=lambda g, y, x, *, axis: _back(
        _earlier(_last(y, axis), 1) * _backward(_last(x, axis), _last(g, axis)), x, axis
    ),
    jvp=lambda t, y, x, *, axis: _back(
        recurrence(_last(x, axis), _last(t, axis) * _earlier(_last(y, axis), 1)), y, axis
    ),
)

why("An element takes part in every later sum, so it receives all of their gradients.", np.cumsum)
why("A factor is multiplied by all before it, and takes part in every later product.", np.cumprod)
why("A term is carried on by every later factor; a factor carries the value before it.", recurrence)


def _of_kind(total: Any, instead: float) -> Any:
    """The total in the dtype asked for, with or without what it starts from."""

    def total_of(a: Array, *, axis: int | None, dtype: Any) -> Array:
        return total(converted(a, dtype), axis=axis)

    def cumulative(x: Array, *, axis: int | None, dtype: Any, include_initial: bool) -> Array:
        if axis is None and x.ndim != 1:
            raise ValueError("For arrays of more than one dimension, axis is required.")
        along = -1 if axis is None else axis
        y = total(converted(x, dtype), axis=along)
        if not include_initial:
            return y
        first = np.expand_dims(np.sum(np.zeros_like(y), axis=along), along) + instead
        return np.concatenate([first, y], axis=along)

    def of_numbers(a: Array, *, axis: int | None, dtype: Any) -> Array:
        return total(kept(a, np.logical_not(np.isnan(a)), instead, dtype), axis=axis)

    return total_of, cumulative, of_numbers


for _total, _name, _instead in ((np.cumsum, "sum", 0), (np.cumprod, "prod", 1)):
    _plain, _cumulative, _of_numbers = _of_kind(_total, _instead)
    general(_total, _plain)
    composite(getattr(np, f"nancum{_name}"), _of_numbers)
    if hasattr(np, f"cumulative_{_name}"):  # since NumPy 2.1
        composite(getattr(np, f"cumulative_{_name}"), _cumulative)

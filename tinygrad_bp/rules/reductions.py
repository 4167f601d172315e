"""Functions that combine the elements along axes: sums, means, extremes, lengths."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_bp.operands import is_foreign, violated
from tinygrad_bp.registry import (
    Array,
    composite,
    general,
    kink,
    linear,
    remedy,
    rule,
    why,
)
from tinygrad_bp.rules.elementwise import cast, only_where

__all__ = [
    "Axis",
    "axes_of",
    "converted",
    "count",
    "count_kept",
    "demand",
    "initially",
    "kept",
    "mean_kept",
    "spread",
    "sum_kept",
    "vector_length",
]

Axis: TypeAlias = int | tuple[int, ...] | None
"""Which axes a reduction removes; None stands for all."""


def axes_of(x: Array, axis: Axis) -> tuple[int, ...]:
    """Return the axes that a reduction removes, counted from 0.

    A number has none, and NumPy lets sums, products and extremes of it name its first or last one.
    """
    if x.ndim == 0 and axis in (0, -1):
        return ()
    return tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)


def vector_length(x: Array, axis: Axis, keepdims: bool) -> Array:
    """Return the root of the sum of squares along some axes.

    >>> float(vector_length(np.array([3.0, 4.0]), None, False))
    5.0
    """
    if not is_foreign(x):
        return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims)  # type: ignore[arg-type]
    axes = axes_of(x, axis)  # other libraries have `norm` alone, along one axis or two
    last = np.moveaxis(x, axes, range(x.ndim - len(axes), x.ndim))
    rest = last.shape[: x.ndim - len(axes)]
    y = np.linalg.norm(np.reshape(last, (*rest, math.prod(last.shape[len(rest) :]))), axis=-1)
    return np.expand_dims(y, axes) if keepdims else y


def count(x: Array, axis: Axis) -> int:
    """Return how many elements go into one result."""
    return math.prod(x.shape[a] for a in axes_of(x, axis))


def spread(g: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """Return a reduced array with the axes that it lost, each with length 1."""
    return g if keepdims or axis is None else np.expand_dims(g, axes_of(x, axis))


def _share(x: Array, y: Array, axis: Axis, keepdims: bool) -> Array:
    """How much of an extreme value each element has a share in: ties share evenly.

    An extreme that is nan has no winner: its shares are 0 / 0, and so is the gradient nan.
    """
    winners = only_where(np.ones_like(x), x == spread(y, x, axis, keepdims))
    return winners / np.sum(winners, axis=axis, keepdims=True)


linear(
    np.sum,
    lambda g, y, x, *, axis, keepdims: np.broadcast_to(spread(g, x, axis, keepdims), x.shape),
)


def demand(holds: Any, error: Exception) -> None:
    """Raise an error, as NumPy would, unless something holds for all elements."""
    if violated(np.any(np.logical_not(holds))):
        raise error


def converted(a: Array, dtype: Any) -> Array:
    """Return the elements in another dtype, if one is asked for."""
    return a if dtype is None else cast(a, dtype)


def initially(initial: Array, result: Array) -> Array:
    """Return an initial value in the dtype of the result, which it does not change."""
    value = initial if np.ndim(initial) == 0 else np.reshape(initial, ())
    same = getattr(value, "dtype", result.dtype) == result.dtype
    return value if same else cast(np.broadcast_to(value, ()), result.dtype)


def kept(a: Array, where: Array | bool, instead: float, dtype: Any = None) -> Array:
    """Return the elements that count, in the dtype asked for, and `instead` in the other places."""
    a = converted(a, dtype)
    return a if where is True else np.where(np.broadcast_to(where, np.shape(a)), a, instead)


def count_kept(x: Array, axis: Axis, keepdims: bool, where: Array | bool) -> Array:
    """Return how many elements count for each result; one number if all of them do."""
    if where is True:
        return count(x, axis)
    real = np.zeros((), x.dtype).real.dtype
    return np.sum(np.broadcast_to(where, x.shape), axis=axis, dtype=real, keepdims=keepdims)


def sum_kept(
    a: Array,
    *,
    axis: Axis,
    dtype: Any,
    keepdims: bool,
    initial: Array | None,
    where: Array | bool,
) -> Array:
    """Return the sum of the elements that count, on top of an initial value."""
    total = np.sum(kept(a, where, 0, dtype), axis=axis, keepdims=keepdims)
    return total if initial is None else total + initially(initial, total)


general(np.sum, sum_kept)

linear(
    np.mean,
    lambda g, y, x, *, axis, keepdims: np.broadcast_to(
        spread(g / count(x, axis), x, axis, keepdims), x.shape
    ),
)


def mean_kept(
    a: Array, *, axis: Axis, dtype: Any, keepdims: bool, where: Array | bool = True
) -> Array:
    """Return the mean of the elements that count."""
    chosen = kept(a, where, 0, dtype)
    if where is True:
        return np.mean(chosen, axis=axis, keepdims=keepdims)
    n = count_kept(chosen, axis, keepdims, where)
    return np.sum(chosen, axis=axis, keepdims=keepdims) / n


general(np.mean, mean_kept)

for _extreme in (np.max, np.min):
    rule(
        _extreme,
        vjp=lambda g, y, x, *, axis, keepdims: (
            spread(g, x, axis, keepdims) * _share(x, y, axis, keepdims)
        ),
        jvp=lambda t, y, x, *, axis, keepdims: np.sum(
            t * _share(x, y, axis, keepdims), axis=axis, keepdims=keepdims
        ),
    )


def _extreme_kept(extreme: Any, either: Any, instead: float) -> Any:
    """The extreme of the elements that count; then an initial value competes with it."""

    def kept_extreme(
        a: Array, *, axis: Axis, keepdims: bool, initial: Array | None, where: Array | bool
    ) -> Array:
        if initial is None:
            if where is not True:
                raise ValueError("an extreme with where= needs an initial value, as in NumPy")
            return extreme(a, axis=axis, keepdims=keepdims)
        if count(a, axis) == 0:
            nothing = np.sum(a, axis=axis, keepdims=keepdims)
            return nothing + initially(initial, nothing)
        found = extreme(kept(a, where, instead), axis=axis, keepdims=keepdims)
        return either(found, initially(initial, found))

    return kept_extreme


general(np.max, _extreme_kept(np.max, np.maximum, -math.inf))
general(np.min, _extreme_kept(np.min, np.minimum, math.inf))
composite(np.amax, _extreme_kept(np.max, np.maximum, -math.inf))
composite(np.amin, _extreme_kept(np.min, np.minimum, math.inf))


def _ptp(a: Array, *, axis: Axis, keepdims: bool) -> Array:
    highest, lowest = (f(a, axis=axis, keepdims=keepdims) for f in (np.max, np.min))
    return highest - lowest


composite(np.ptp, _ptp)

# --- why, kinks, remedies -------------------------------------------------------------------

# fmt: off

why("A sum changes by as much as any of its elements, so each receives the same gradient.", np.sum)
why("A mean changes by 1/n of what an element does, so each receives 1/n of the gradient.", np.mean)
why("Only the largest element moves the maximum; ties share evenly.", np.max)
why("Only the smallest element moves the minimum; ties share evenly.", np.min)


def _tied(x: Array, *, axis: Axis, keepdims: bool, extreme: Array) -> Array:
    """Which results more than one element reaches."""
    return np.sum(x == extreme(x, axis=axis, keepdims=True), axis=axis, keepdims=keepdims) > 1


for _extreme in (np.max, np.min):
    kink("a tie for the extreme, shared evenly",
         lambda x, f=_extreme, **options: _tied(x, extreme=f, **options), _extreme)

remedy("scale the inputs down, or lower the learning rate", np.sum, np.mean)

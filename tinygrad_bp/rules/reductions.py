"""Functions that combine the elements along axes: sums, means, extremes, products, norms."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_bp.registry import (
    Array,
    composite,
    general,
    kink,
    linear,
    primitive,
    remedy,
    rule,
    why,
)
from tinygrad_bp.rules.elementwise import cast, only_where, quotient

__all__ = ["products_of_others"]

Axis: TypeAlias = int | tuple[int, ...] | None


def _axes(x: Array, axis: Axis) -> tuple[int, ...]:
    """The axes that a reduction removes, counted from 0."""
    return tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)


def _count(x: Array, axis: Axis) -> int:
    """How many elements go into one result."""
    return math.prod(x.shape[a] for a in _axes(x, axis))


def _spread(g: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """Give a reduced array back the axes it lost, each with length 1."""
    return g if keepdims or axis is None else np.expand_dims(g, _axes(x, axis))


def _share(x: Array, y: Array, axis: Axis, keepdims: bool) -> Array:
    """How much of an extreme value each element has a share in: ties share evenly."""
    winners = only_where(np.ones_like(x), x == _spread(y, x, axis, keepdims))
    return winners / np.sum(winners, axis=axis, keepdims=True)


linear(
    np.sum,
    lambda g, y, x, *, axis, keepdims: np.broadcast_to(_spread(g, x, axis, keepdims), x.shape),
)


def _kept(a: Array, where: Array | bool, instead: float, dtype: Any = None) -> Array:
    """The elements that count, in the dtype asked for; `instead` stands in the other places."""
    chosen = a if where is True else np.where(where, a, instead)
    return chosen if dtype is None else cast(chosen, dtype)


def _sum(
    a: Array,
    *,
    axis: Axis,
    dtype: Any,
    keepdims: bool,
    initial: Array | None,
    where: Array | bool,
) -> Array:
    total = np.sum(_kept(a, where, 0, dtype), axis=axis, keepdims=keepdims)
    return total if initial is None else total + initial


general(np.sum, _sum)

linear(
    np.mean,
    lambda g, y, x, *, axis, keepdims: np.broadcast_to(
        _spread(g / _count(x, axis), x, axis, keepdims), x.shape
    ),
)

for _extreme in (np.max, np.min):
    rule(
        _extreme,
        vjp=lambda g, y, x, *, axis, keepdims: (
            _spread(g, x, axis, keepdims) * _share(x, y, axis, keepdims)
        ),
        jvp=lambda t, y, x, *, axis, keepdims: np.sum(
            t * _share(x, y, axis, keepdims), axis=axis, keepdims=keepdims
        ),
    )


@primitive
def products_of_others(x: Array) -> Array:
    """Return, for each entry, the product of all others along the last axis; zeros are no trouble.

    Pairs are multiplied, the problem of half the size is solved, and each entry takes what its
    pair lacks times its partner. (Dividing the whole product by each entry fails at zeros.)

    >>> products_of_others(np.array([2.0, 0.0, 5.0]))
    array([ 0., 10.,  0.])
    """
    return _products_of_others(x)


def _products_of_others(x: Array) -> Array:
    n = x.shape[-1]
    if n <= 1:
        return np.ones_like(x)
    if n % 2:
        padding = np.ones_like(x[..., :1])
        return _products_of_others(np.concatenate([x, padding], axis=-1))[..., :n]
    first, second = x[..., 0::2], x[..., 1::2]
    lacking = _products_of_others(first * second)
    pairs = np.stack([lacking * second, lacking * first], axis=-1)
    return np.reshape(pairs, x.shape)


composite(products_of_others, _products_of_others)


def _others(x: Array, axis: Axis) -> Array:
    """For each element, the product of all others that are multiplied with it."""
    axes = _axes(x, axis)
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    kept = moved.shape[: x.ndim - len(axes)]
    flat = np.reshape(moved, (*kept, _count(x, axis)))
    return np.moveaxis(np.reshape(products_of_others(flat), moved.shape), last, axes)


rule(
    np.prod,
    vjp=lambda g, y, x, *, axis, keepdims: _spread(g, x, axis, keepdims) * _others(x, axis),
    jvp=lambda t, y, x, *, axis, keepdims: np.sum(
        t * _others(x, axis), axis=axis, keepdims=keepdims
    ),
)

# The Euclidean length has no direction at 0; its gradient there is 0 (`quotient`).
for _length in (np.linalg.norm, np.linalg.vector_norm):
    rule(
        _length,
        vjp=lambda g, y, x, *, axis, keepdims: quotient(
            _spread(g, x, axis, keepdims) * x, _spread(y, x, axis, keepdims)
        ),
        jvp=lambda t, y, x, *, axis, keepdims: quotient(
            np.sum(t * x, axis=axis, keepdims=keepdims), y
        ),
    )


def _freedom(x: Array, axis: Axis, ddof: float, correction: float | None) -> float:
    """What squared deviations are divided by; NumPy lets it go down to 0, and no further."""
    return max(_count(x, axis) - (ddof if correction is None else correction), 0)


def _var(x: Array, *, axis: Axis, ddof: float, keepdims: bool, correction: float | None) -> Array:
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    squares = np.sum(np.square(deviation), axis=axis, keepdims=keepdims)
    return squares / _freedom(x, axis, ddof, correction)


def _std(x: Array, *, axis: Axis, ddof: float, keepdims: bool, correction: float | None) -> Array:
    """The length of the deviations, scaled: constant data get gradient 0 rather than 0 * inf."""
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    length = np.linalg.vector_norm(deviation, axis=axis, keepdims=keepdims)  # type: ignore[arg-type]
    return length / math.sqrt(_freedom(x, axis, ddof, correction))


composite(np.var, _var)
composite(np.std, _std)

linear(
    np.cumsum,
    lambda g, y, x, *, axis: np.reshape(
        np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis), x.shape
    ),
)


def _ptp(a: Array, *, axis: Axis, keepdims: bool) -> Array:
    highest, lowest = (f(a, axis=axis, keepdims=keepdims) for f in (np.max, np.min))
    return highest - lowest


composite(np.ptp, _ptp)
composite(np.amax, lambda a, *, axis, keepdims: np.max(a, axis=axis, keepdims=keepdims))
composite(np.amin, lambda a, *, axis, keepdims: np.min(a, axis=axis, keepdims=keepdims))

# --- why, kinks, remedies -------------------------------------------------------------------

# fmt: off

why("A sum changes by as much as any of its elements, so each receives the same gradient.", np.sum)
why("A mean changes by 1/n of what an element does, so each receives 1/n of the gradient.", np.mean)
why("Only the largest element moves the maximum; ties share evenly.", np.max)
why("Only the smallest element moves the minimum; ties share evenly.", np.min)
why("The slope of a product in each factor is the product of all the others.", np.prod)
why("A length changes by the part of a move that points along the vector.",
    np.linalg.norm, np.linalg.vector_norm)
why("An element takes part in every later sum, so it receives all of their gradients.", np.cumsum)


def _tied(x: Array, *, axis: Axis, keepdims: bool, extreme: Array) -> Array:
    """Which results more than one element reaches."""
    return np.sum(x == extreme(x, axis=axis, keepdims=True), axis=axis, keepdims=keepdims) > 1


for _extreme in (np.max, np.min):
    kink("a tie for the extreme, shared evenly",
         lambda x, f=_extreme, **options: _tied(x, extreme=f, **options), _extreme)
kink("the origin, where a length has no slope", lambda x, *, axis, keepdims: np.all(
    x == 0, axis=axis, keepdims=keepdims), np.linalg.norm, np.linalg.vector_norm)

remedy("scale the inputs down, or lower the learning rate", np.sum, np.mean, np.prod)

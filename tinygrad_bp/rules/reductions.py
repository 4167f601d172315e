"""Functions that combine the elements along axes: sums, means, extremes, products, norms."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from tinygrad_bp.primitives import products_of_others, quotient
from tinygrad_bp.registry import Array, composite, linear, rule

Axis: TypeAlias = int | tuple[int, ...] | None


def _axes(x: Array, axis: Axis) -> tuple[int, ...]:
    """The axes that a reduction removes, counted from 0."""
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def _count(x: Array, axis: Axis) -> int:
    """How many elements go into one result."""
    return math.prod(x.shape[a] for a in _axes(x, axis))


def _spread(g: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """Give a reduced array back the axes it lost, each with length 1."""
    return g if keepdims or axis is None else np.expand_dims(g, _axes(x, axis))


def _share(x: Array, y: Array, axis: Axis, keepdims: bool) -> Array:
    """How much of an extreme value each element has a share in: ties share evenly."""
    winners = np.where(x == _spread(y, x, axis, keepdims), np.ones_like(x), 0)
    return winners / np.sum(winners, axis=axis, keepdims=True)


linear(
    np.sum,
    lambda g, y, x, axis=None, *, keepdims=False: np.broadcast_to(
        _spread(g, x, axis, keepdims), x.shape
    ),
)
linear(
    np.mean,
    lambda g, y, x, axis=None, *, keepdims=False: np.broadcast_to(
        _spread(g / _count(x, axis), x, axis, keepdims), x.shape
    ),
)

for _extreme in (np.max, np.min):
    rule(
        _extreme,
        vjp=lambda g, y, x, axis=None, *, keepdims=False: (
            _spread(g, x, axis, keepdims) * _share(x, y, axis, keepdims)
        ),
        jvp=lambda t, y, x, axis=None, *, keepdims=False: np.sum(
            t * _share(x, y, axis, keepdims), axis=axis, keepdims=keepdims
        ),
    )


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
    vjp=lambda g, y, x, axis=None, *, keepdims=False: (
        _spread(g, x, axis, keepdims) * _others(x, axis)
    ),
    jvp=lambda t, y, x, axis=None, *, keepdims=False: np.sum(
        t * _others(x, axis), axis=axis, keepdims=keepdims
    ),
)

# The Euclidean length has no direction at 0; its gradient there is 0 (`quotient`).
for _length in (np.linalg.norm, np.linalg.vector_norm):
    rule(
        _length,
        vjp=lambda g, y, x, *, axis=None, keepdims=False: quotient(
            _spread(g, x, axis, keepdims) * x, _spread(y, x, axis, keepdims)
        ),
        jvp=lambda t, y, x, *, axis=None, keepdims=False: quotient(
            np.sum(t * x, axis=axis, keepdims=keepdims), y
        ),
    )


def _var(x: Array, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    freedom = _count(x, axis) - ddof
    return np.sum(np.square(deviation), axis=axis, keepdims=keepdims) / freedom


def _std(x: Array, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    """The length of the deviations, scaled: constant data get gradient 0 rather than 0 * inf."""
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    freedom = _count(x, axis) - ddof
    length = np.linalg.vector_norm(deviation, axis=axis, keepdims=keepdims)  # type: ignore[arg-type]
    return length / math.sqrt(freedom)


composite(np.var, _var)
composite(np.std, _std)

linear(
    np.cumsum,
    lambda g, y, x, axis=None: np.reshape(
        np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis), x.shape
    ),
)

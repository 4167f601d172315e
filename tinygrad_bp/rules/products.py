"""Products of the elements along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, composite, general, primitive, remedy, rule, why
from tinygrad_bp.rules.reductions import Axis, axes_of, count, initially, kept, spread

__all__ = ["prod_kept", "products_of_others"]


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
    axes = axes_of(x, axis)
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    kept = moved.shape[: x.ndim - len(axes)]
    flat = np.reshape(moved, (*kept, count(x, axis)))
    return np.moveaxis(np.reshape(products_of_others(flat), moved.shape), last, axes)


rule(
    np.prod,
    vjp=lambda g, y, x, *, axis, keepdims: spread(g, x, axis, keepdims) * _others(x, axis),
    jvp=lambda t, y, x, *, axis, keepdims: np.sum(
        t * _others(x, axis), axis=axis, keepdims=keepdims
    ),
)


def prod_kept(
    a: Array,
    *,
    axis: Axis,
    dtype: Any,
    keepdims: bool,
    initial: Array | None,
    where: Array | bool,
) -> Array:
    """Return the product of the elements that count, times an initial value."""
    product = np.prod(kept(a, where, 1, dtype), axis=axis, keepdims=keepdims)
    return product if initial is None else product * initially(initial, product)


general(np.prod, prod_kept)

why("The slope of a product in each factor is the product of all the others.", np.prod)
remedy("scale the inputs down, or lower the learning rate", np.prod)

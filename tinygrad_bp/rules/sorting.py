"""Functions that put elements in order.

They move elements about, and where each went is known by its rank. In `sort`, equal elements are
ranked as they stand: the first of them is taken for the first in the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, kink, rule, why


def _order(x: Array, axis: int | None, kind: Any = None) -> Array:
    """Where each element of the sorted array stands in x."""
    return np.argsort(x, axis=axis, kind=kind)


def _ranks(x: Array, axis: int | None, kind: Any = None) -> Array:
    """Where each element of x stands in the sorted array."""
    return _order(_order(x, axis, kind), -1 if axis is None else axis)


def _between(a: Array, b: Array, axis: int | None) -> Array:
    """Where each element of b stands in a, which has the same elements in another order."""
    return np.take_along_axis(_order(a, axis), _ranks(b, axis), axis)


def _moved(g: Array, positions: Array, axis: int | None, shape: tuple[int, ...]) -> Array:
    return np.reshape(np.take_along_axis(g, positions, axis), shape)


# fmt: off
rule(np.sort,
     vjp=lambda g, y, x, *, axis, kind, stable: (
         _moved(g, _ranks(x, axis, "stable"), axis, x.shape)),
     jvp=lambda t, y, x, *, axis, kind, stable: (
         _moved(t, _order(x, axis, "stable"), axis, y.shape)))

rule(np.partition,
     vjp=lambda g, y, x, *, kth, axis, kind: _moved(g, _between(y, x, axis), axis, x.shape),
     jvp=lambda t, y, x, *, kth, axis, kind: _moved(t, _between(x, y, axis), axis, y.shape))

why("Elements are put back where they came from.", np.sort, np.partition)


def _tied(x: Array, *, axis: int | None, **_: Any) -> Array:
    """Which neighbours in the sorted array are equal."""
    return np.diff(np.sort(x, axis), axis=-1 if axis is None else axis) == 0


kink("a tie, ranked in the order that equal elements stand in", _tied, np.sort)
kink("a tie, where equal elements may change places", _tied, np.partition)
# fmt: on

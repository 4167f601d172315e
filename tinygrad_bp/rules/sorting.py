"""Functions that put elements in order.

They move elements about, and where each went is known by its rank. In `sort`, equal elements are
ranked as they stand: the first of them is taken for the first in the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, kink, rule, why


def _order(x: Array, axis: int | None) -> Array:
    """Where each of the sorted elements was."""
    return np.argsort(x, axis=axis, kind="stable")


def _ranks(order: Array, axis: int | None) -> Array:
    """Where each element went, from where each of the sorted elements was."""
    return np.argsort(order, axis=-1 if axis is None else axis)


def _between(a: Array, b: Array, axis: int | None) -> Array:
    """Where each element of b stands in a, which has the same elements in another order."""
    ranks = _ranks(np.argsort(b, axis=axis), axis)
    return np.take_along_axis(np.argsort(a, axis=axis), ranks, axis)


def _moved(g: Array, positions: Array, axis: int | None, shape: tuple[int, ...]) -> Array:
    moved = np.take_along_axis(g, positions, axis)
    return np.reshape(moved, shape) if axis is None else moved


# fmt: off
rule(np.sort,
     vjp=lambda g, y, x, *, axis, kind, stable: (
         _moved(g, _ranks(_order(x, axis), axis), axis, x.shape)),
     jvp=lambda t, y, x, *, axis, kind, stable: _moved(t, _order(x, axis), axis, y.shape))

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

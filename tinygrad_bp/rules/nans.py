"""Reductions that leave out nan: each is the plain one, of the elements that are numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, composite
from tinygrad_bp.rules.products import prod_kept
from tinygrad_bp.rules.reductions import (
    Axis,
    converted,
    count_kept,
    kept,
    mean_kept,
    sum_kept,
)
from tinygrad_bp.rules.statistics import deviations, length, squared

__all__ = ["numbers"]

Where = Array | bool


def numbers(a: Array, where: Where) -> Array:
    """Return which elements count: those that are not nan, and are not left out either."""
    there = np.logical_not(np.isnan(a))
    return there if where is True else np.logical_and(there, where)


composite(np.nansum, lambda a, *, axis, dtype, keepdims, initial, where: sum_kept(
    a, axis=axis, dtype=dtype, keepdims=keepdims, initial=initial, where=numbers(a, where)
))  # fmt: skip
composite(np.nanprod, lambda a, *, axis, dtype, keepdims, initial, where: prod_kept(
    a, axis=axis, dtype=dtype, keepdims=keepdims, initial=initial, where=numbers(a, where)
))  # fmt: skip
composite(np.nanmean, lambda a, *, axis, dtype, keepdims, where: mean_kept(
    a, axis=axis, dtype=dtype, keepdims=keepdims, where=numbers(a, where)
))  # fmt: skip


def _extreme_of_numbers(extreme: Any, instead: float) -> Any:
    """The extreme of all numbers; of none at all it is nan, or the initial value."""

    def of_numbers(
        a: Array, *, axis: Axis, keepdims: bool, initial: Array | None, where: Where
    ) -> Array:
        there = numbers(a, where)
        chosen = kept(a, there, instead)
        if initial is not None or where is not True:
            return extreme(chosen, axis=axis, keepdims=keepdims, initial=initial, where=where)
        y = extreme(chosen, axis=axis, keepdims=keepdims)
        return np.where(np.any(there, axis=axis, keepdims=keepdims), y, math.nan)

    return of_numbers


composite(np.nanmax, _extreme_of_numbers(np.max, -math.inf))
composite(np.nanmin, _extreme_of_numbers(np.min, math.inf))


def _freedom(a: Array, axis: Axis, keepdims: bool, where: Where, ddof: float) -> Array:
    """What squared deviations are divided by; where too few numbers are left, the result is nan."""
    free = count_kept(a, axis, keepdims, where) - float(ddof)
    return np.where(free > 0, free, math.nan)


def _nanvar(
    a: Array,
    *,
    axis: Axis,
    dtype: Any,
    ddof: float,
    keepdims: bool,
    where: Where,
    mean: Array | None,
    correction: float | None,
) -> Array:
    x, there = converted(a, dtype), numbers(a, where)
    squares = np.sum(squared(deviations(x, axis, mean, there)), axis=axis, keepdims=keepdims)
    return squares / _freedom(x, axis, keepdims, there, ddof if correction is None else correction)


def _nanstd(
    a: Array,
    *,
    axis: Axis,
    dtype: Any,
    ddof: float,
    keepdims: bool,
    where: Where,
    mean: Array | None,
    correction: float | None,
) -> Array:
    x, there = converted(a, dtype), numbers(a, where)
    away = deviations(x, axis, mean, there)
    free = _freedom(x, axis, keepdims, there, ddof if correction is None else correction)
    return length(away, axis, keepdims) / np.sqrt(free)


composite(np.nanvar, _nanvar)
composite(np.nanstd, _nanstd)

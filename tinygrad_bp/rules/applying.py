"""Functions that apply a function of the user's to parts of an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_bp.registry import Array, composite
from tinygrad_bp.rules.indexing import getitem


def _apply_along_axis(
    arr: Array,
    *,
    func1d: Callable[..., Any],
    axis: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Array:
    """The axes of a result take the place of the axis that the function was applied to."""
    axis = normalize_axis_index(axis, arr.ndim)
    lines = np.moveaxis(arr, axis, -1)
    outer = lines.shape[:-1]
    if 0 in outer:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    results = [func1d(getitem(lines, at), *args, **kwargs) for at in np.ndindex(outer)]
    stacked = np.stack(results)
    inner = stacked.shape[1:]
    whole = np.reshape(stacked, (*outer, *inner))
    own = range(len(outer), len(outer) + len(inner))
    return np.moveaxis(whole, own, range(axis, axis + len(inner)))


def _apply_over_axes(
    a: Array, *, func: Callable[[Array, int], Array], axes: int | Sequence[int]
) -> Array:
    """An axis that a result lacks is put back, with length 1."""
    for axis in np.atleast_1d(axes).tolist():
        own = normalize_axis_index(axis, a.ndim)
        result = func(a, own)
        if result.ndim != a.ndim:
            result = np.expand_dims(result, own)
        if result.ndim != a.ndim:
            raise ValueError("function is not returning an array of the correct shape")
        a = result
    return a


composite(np.apply_along_axis, _apply_along_axis, arrays=("arr",))
composite(np.apply_over_axes, _apply_over_axes, arrays=("a",))

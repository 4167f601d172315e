"""Differences along an axis, and the slopes and areas made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_bp.registry import Array, composite
from tinygrad_bp.rules.elementwise import cast
from tinygrad_bp.rules.reductions import converted


def _part(a: Array, axis: int, part: Any) -> Array:
    """A part of an array along one axis, counted from 0."""
    return a[(*(slice(None),) * axis, part)]


def _along(a: Array, axis: int, ndim: int) -> Array:
    """A vector, lying along one of several axes."""
    return np.reshape(a, tuple(-1 if i == axis else 1 for i in range(ndim)))


# --- differences ----------------------------------------------------------------------------


def _diff(a: Array, prepend: Array, append: Array, *, n: int, axis: int) -> Array:
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if a.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    axis = normalize_axis_index(axis, a.ndim)
    if n == 0:
        return a
    ends = [_end(part, a, axis) for part in (prepend, append)]
    parts = [part for part in (ends[0], a, ends[1]) if part is not None]
    a = np.concatenate(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(n):
        a = _part(a, axis, slice(1, None)) - _part(a, axis, slice(None, -1))
    return a


def _end(part: Array, a: Array, axis: int) -> Array:
    """What is put before or after an array: a number stands for one of it in every row."""
    if part is None or np.ndim(part) > 0:
        return part
    return np.broadcast_to(part, (*a.shape[:axis], 1, *a.shape[axis + 1 :]))


def _ediff1d(ary: Array, *, to_end: Array | None, to_begin: Array | None) -> Array:
    """Differences of neighbours, in a row, between what is put before and after them."""
    inner = np.diff(np.ravel(ary))
    ends = [None if end is None else np.ravel(end) for end in (to_begin, to_end)]
    for end in ends:
        if end is not None and not np.can_cast(np.result_type(end), inner.dtype, "same_kind"):
            raise TypeError("dtype of `to_begin` and `to_end` must be compatible with input `ary`")
    before, after = ends
    parts = [part for part in (before, inner, after) if part is not None]
    return np.concatenate(parts, dtype=inner.dtype) if len(parts) > 1 else inner


composite(np.diff, _diff, arrays=("a", "prepend", "append"))
composite(np.ediff1d, _ediff1d)


# --- slopes ---------------------------------------------------------------------------------


def _gradient(*arrays: Array, axis: Any, edge_order: int) -> Any:
    """The slopes of the first array; the others give the spacing, or coordinates, of its axes."""
    f, *spacing = arrays
    axes = tuple(range(f.ndim)) if axis is None else normalize_axis_tuple(axis, f.ndim)
    if not spacing:
        spacing = [1.0] * len(axes)
    elif len(spacing) == 1 and np.ndim(spacing[0]) == 0:
        spacing = spacing * len(axes)
    elif len(spacing) != len(axes):
        raise TypeError("invalid number of arguments")
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    slopes = tuple(
        _slope(_floating(f), s, i, edge_order) for i, s in zip(axes, spacing, strict=True)
    )
    return slopes[0] if len(slopes) == 1 else slopes


def _floating(a: Array) -> Array:
    """Whole numbers become floats, or differences of unsigned ones would wrap."""
    return a if a.dtype.kind in "fc" else cast(a, np.float64)


def _slope(f: Array, spacing: Array, axis: int, edge_order: int) -> Array:
    """Central differences inside; at the ends, one difference or the parabola through 3 points.

    A parabola's slope rises evenly: at an end it is as far from the slope of the step beside it as
    that is from the slope at the step's other end.
    """
    if f.shape[axis] < edge_order + 1:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, "
            "at least (edge_order + 1) elements are required."
        )
    first, last, lower, upper = slice(0, 1), slice(-1, None), slice(None, -1), slice(1, None)
    steps = _part(f, axis, upper) - _part(f, axis, lower)
    if np.ndim(spacing) == 0:
        rises = steps / spacing
        two = _part(f, axis, slice(2, None)) - _part(f, axis, slice(None, -2))
        inside = two / (2.0 * spacing)
    else:
        width = _along(_widths(spacing, f.shape[axis]), axis, f.ndim)
        rises = steps / width
        before, after = _part(width, axis, lower), _part(width, axis, upper)
        left, right = _part(rises, axis, lower), _part(rises, axis, upper)
        inside = (after * left + before * right) / (before + after)
    ends = [_part(rises, axis, end) for end in (first, last)]
    if edge_order == 2:
        ends = [2 * ends[0] - _part(inside, axis, first), 2 * ends[1] - _part(inside, axis, last)]
    slope = np.concatenate([ends[0], inside, ends[1]], axis=axis)
    return converted(slope, None if slope.dtype == f.dtype else f.dtype)


def _widths(coordinates: Array, n: int) -> Array:
    """How far each of n points is from the next."""
    if np.ndim(coordinates) != 1:
        raise ValueError("distances must be either scalars or 1d")
    if coordinates.shape[0] != n:
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    return np.diff(_floating(coordinates))


composite(np.gradient, _gradient)


# --- areas ----------------------------------------------------------------------------------


def _trapezoid(y: Array, x: Array, dx: Array, *, axis: int) -> Array:
    width = dx
    at = normalize_axis_index(axis, np.ndim(y))
    if x is not None:
        width = _along(np.diff(x), at, np.ndim(y)) if np.ndim(x) == 1 else np.diff(x, axis=axis)
    heights = _part(y, at, slice(1, None)) + _part(y, at, slice(None, -1))
    return np.sum(width * heights / 2.0, axis=axis)


composite(np.trapezoid, _trapezoid, arrays=("y", "x", "dx"))
composite(np.astype, lambda x, *, dtype: cast(x, dtype=dtype))

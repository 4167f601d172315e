"""Functions that make arrays larger at their ends, and windows that slide over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.operands import beside, placed
from tinygrad_bp.registry import Array, general, linear, primitive, why
from tinygrad_bp.rules.elementwise import cast
from tinygrad_bp.rules.indexing import getitem
from tinygrad_bp.rules.joining import stacked

__all__ = ["overlap_add"]


# --- zeros ----------------------------------------------------------------------------------


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """How much is added before and after each axis, in all the ways that it can be said."""
    if isinstance(pad_width, dict):
        by_axis = {axis % ndim: width for axis, width in pad_width.items()}
        both = {axis: (w, w) if isinstance(w, int) else w for axis, w in by_axis.items()}
        pad_width = [both.get(axis, (0, 0)) for axis in range(ndim)]
    pairs = np.broadcast_to(np.asarray(pad_width), (ndim, 2))
    if pairs.dtype.kind != "i" and pairs.size:
        raise TypeError("`pad_width` must be of integral type.")
    if (pairs < 0).any():
        raise ValueError("index can't contain negative values")
    return [(before, after) for before, after in pairs.tolist()]


def _inside(g: Array, pad_width: Any) -> Array:
    """What is left of a padded array without its padding."""
    widths = zip(_widths(pad_width, g.ndim), g.shape, strict=True)
    return getitem(g, tuple([slice(before, n - after) for (before, after), n in widths]))


linear(np.pad, lambda g, y, x, *, pad_width: _inside(g, pad_width))

why("What was there before receives its gradient; the zeros around it receive none.", np.pad)


# --- other modes, one axis after the other ----------------------------------------------------


def _part(x: Array, axis: int, start: int | None, stop: int | None, step: int = 1) -> Array:
    return getitem(x, (slice(None),) * axis + (slice(start, stop, step),))


def _filled(value: Array, x: Array, axis: int, width: int) -> Array:
    """One value, or one for each line along the axis, as often as wanted."""
    filled = np.broadcast_to(placed(value, x), (*x.shape[:axis], width, *x.shape[axis + 1 :]))
    return filled if filled.dtype == x.dtype else cast(filled, dtype=x.dtype)


def _constant(x: Array, axis: int, before: int, after: int, values: Array) -> Array:
    first, last = _filled(values[0], x, axis, before), _filled(values[1], x, axis, after)
    return np.concatenate([first, x, last], axis=axis)


def _edge(x: Array, axis: int, before: int, after: int) -> Array:
    return _constant(x, axis, before, after, [_part(x, axis, 0, 1), _part(x, axis, -1, None)])


def _linear_ramp(x: Array, axis: int, before: int, after: int, values: Array) -> Array:
    """From a value that is reached to the edge, which is not."""

    def ramp(value: Array, edge: Array, width: int) -> Array:
        line = np.squeeze(edge, axis)
        return np.linspace(value, line, width, endpoint=False, dtype=x.dtype, axis=axis)

    first = ramp(values[0], _part(x, axis, 0, 1), before)
    last = _part(ramp(values[1], _part(x, axis, -1, None), after), axis, None, None, -1)
    return np.concatenate([first, x, last], axis=axis)


def _statistic(of: Any) -> Any:
    """A statistic of so many elements at each end, all of them by default."""

    def padded(x: Array, axis: int, before: int, after: int, lengths: Any) -> Array:
        n = x.shape[axis]
        left, right = (n if length is None else min(length, n) for length in lengths)
        first = of(_part(x, axis, 0, left), axis=axis, keepdims=True)
        last = of(_part(x, axis, n - right, n), axis=axis, keepdims=True)
        return _constant(x, axis, before, after, [first, last])

    return padded


def _mirrored(*, skipped: int) -> Any:
    """Go back from the edges, which are skipped or come again, as often as needed.

    In odd reflection, what was above the edge is as far below it.
    """

    def padded(x: Array, axis: int, before: int, after: int, reflect_type: str) -> Array:
        odd, period = reflect_type == "odd", x.shape[axis] - skipped
        if x.shape[axis] == 1:
            return _edge(x, axis, before, after)
        while before or after:
            whole = (x.shape[axis] - skipped) // period * period
            left, right, end = min(whole, before), min(whole, after), x.shape[axis] - skipped
            first = _part(_part(x, axis, skipped, skipped + left), axis, None, None, -1)
            last = _part(_part(x, axis, end - right, end), axis, None, None, -1)
            if odd:
                first, last = 2 * _part(x, axis, 0, 1) - first, 2 * _part(x, axis, -1, None) - last
            x = np.concatenate([first, x, last], axis=axis)
            before, after = before - left, after - right
        return x

    return padded


def _wrap(x: Array, axis: int, before: int, after: int) -> Array:
    """Copies of the array side by side, the outer ones cut to length."""
    n = x.shape[axis]
    copies = [x] * (before // n + 1 + after // n)
    first, last = _part(x, axis, n - before % n, n), _part(x, axis, 0, after % n)
    return np.concatenate([first, *copies, last], axis=axis)


_MODES: dict[str, tuple[Any, str]] = {  # each with the one option that it takes
    "constant": (_constant, "constant_values"),
    "edge": (_edge, ""),
    "linear_ramp": (_linear_ramp, "end_values"),
    "maximum": (_statistic(np.max), "stat_length"),
    "mean": (_statistic(np.mean), "stat_length"),
    "median": (_statistic(np.median), "stat_length"),
    "minimum": (_statistic(np.min), "stat_length"),
    "reflect": (_mirrored(skipped=1), "reflect_type"),
    "symmetric": (_mirrored(skipped=0), "reflect_type"),
    "wrap": (_wrap, ""),
}
_DEFAULTS = {
    "constant_values": 0, "end_values": 0, "stat_length": None, "reflect_type": "even",
}  # fmt: skip


def _for_each_axis(name: str, value: Any, ndim: int) -> Any:
    """Values at the two ends of each axis, of which some may be tensors."""
    if name == "stat_length" and value is None:
        return [(None, None)] * ndim
    if name == "stat_length":
        return np.broadcast_to(value, (ndim, 2)).tolist()
    return [value] * ndim if name == "reflect_type" else np.broadcast_to(stacked(value), (ndim, 2))


def _pad(
    array: Array,
    *,
    pad_width: Any,
    mode: Any,
    constant_values: Any,
    end_values: Any,
    stat_length: Any,
    reflect_type: str,
) -> Array:
    """Pad one axis after the other, so that corners are made of what is there by then."""
    if callable(mode) or mode == "empty":
        raise NotDifferentiableError(
            "pad with a function or with mode='empty' leaves it to others to fill an array, where "
            "a gradient would be lost; join parts with np.concatenate"
        )
    if mode not in _MODES:
        raise ValueError(f"mode {mode!r} is not supported")
    padded, option = _MODES[mode]
    stated = (constant_values, end_values, stat_length, reflect_type)
    given = dict(zip(_DEFAULTS, stated, strict=True))
    for name, default in _DEFAULTS.items():
        if name != option and given[name] is not default:
            raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {name}")
    widths = _widths(pad_width, array.ndim)
    if array.size == 0 and mode != "constant":
        if any(n == 0 and any(width) for n, width in zip(array.shape, widths, strict=True)):
            raise ValueError(f"an empty axis cannot be extended with mode {mode!r}")
        return np.pad(array, widths)
    values: list[tuple[Any, ...]] = [()] * array.ndim
    if option:
        values = [(v,) for v in _for_each_axis(option, given[option], array.ndim)]
    for axis, (before, after) in enumerate(widths):
        if before or after:
            array = padded(array, axis, before, after, *values[axis])
    return array


general(np.pad, _pad)


# --- windows --------------------------------------------------------------------------------

_windows = np.lib.stride_tricks.sliding_window_view


@primitive
def overlap_add(g: Array, shape: tuple[int, ...], window_shape: Any, axis: Any) -> Array:
    """Add windows where `np.lib.stride_tricks.sliding_window_view` takes them from.

    >>> overlap_add(np.array([[1.0, 2.0], [3.0, 4.0]]), (3,), 2, None)
    array([1., 5., 4.])
    """
    out = np.zeros(shape, dtype=g.dtype, like=beside(g))
    lengths = tuple(np.atleast_1d(window_shape).tolist())
    axes = tuple(range(len(shape))) if axis is None else normalize_axis_tuple(
        axis, len(shape), allow_duplicate=True
    )  # fmt: skip
    for offsets in np.ndindex(lengths):  # all windows at once, an element of each at a time
        starts = [
            sum(o for o, a in zip(offsets, axes, strict=True) if a == i) for i in range(len(shape))
        ]
        places = [slice(start, start + n) for start, n in zip(starts, g.shape, strict=False)]
        out[tuple(places)] += g[(..., *offsets)]
    return out


linear(
    _windows,
    lambda g, y, x, *, window_shape, axis: overlap_add(g, x.shape, window_shape, axis),
)
linear(
    overlap_add,
    lambda g, y, x, *, shape, window_shape, axis: _windows(g, window_shape, axis),
)

why("An element receives a gradient from every window that it is in.", _windows)
why("Each summand receives the gradient of the place it was added to.", overlap_add)

"""Signals: convolution, correlation, interpolation, phases."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_bp.registry import Array, bilinear, composite, why
from tinygrad_bp.rules.indexing import getitem, scatter_add
from tinygrad_bp.rules.reductions import demand

# --- convolution ----------------------------------------------------------------------------


def _uncut(g: Array, a: Array, v: Array, mode: str) -> Array:
    """The gradient of the whole convolution, 0 where the mode leaves something out."""
    shorter = min(np.size(a), np.size(v))
    start = {"full": 0, "same": (shorter - 1) // 2, "valid": shorter - 1}[mode]
    whole = np.size(a) + np.size(v) - 1
    return g if mode == "full" else scatter_add(g, slice(start, start + np.size(g)), (whole,))


def _correlated(g: Array, other: Array, x: Array) -> Array:
    """Each element of x met every element of the other array once."""
    met = np.convolve(g, np.flip(np.ravel(other), 0), mode="valid")
    return np.reshape(met, np.shape(x))


bilinear(
    np.convolve,
    lambda g, y, a, v, *, mode: _correlated(_uncut(g, a, v, mode), v, a),
    lambda g, y, a, v, *, mode: _correlated(_uncut(g, a, v, mode), a, v),
)
why("Every product of two elements is added to one place of the result: each receives the gradient "
    "from there, times the other.", np.convolve)  # fmt: skip


def _correlate(a: Array, v: Array, *, mode: Any) -> Array:
    """A convolution with the second array turned around; NumPy cuts the longer one out."""
    if np.size(a) >= np.size(v):
        return np.convolve(a, np.flip(_conjugate(v), 0), mode=mode)
    return np.flip(np.convolve(_conjugate(v), np.flip(a, 0), mode=mode), 0)


def _conjugate(a: Array) -> Array:
    return np.conjugate(a) if a.dtype.kind == "c" else a


composite(np.correlate, _correlate)


# --- interpolation --------------------------------------------------------------------------


def _double(a: Array) -> Array:
    """NumPy interpolates in double precision, whatever it is given."""
    return a if getattr(a, "dtype", None) in (np.float64, np.complex128) else a + np.zeros(())


def _interp(x: Array, xp: Array, fp: Array, *, left: Array, right: Array, period: Array) -> Array:
    """The line between two neighbours; at a point that is given, the one to its right."""
    x, xp, fp = _double(x), _double(xp), _double(fp)
    if np.ndim(xp) != 1 or np.shape(xp) != np.shape(fp):
        raise ValueError("xp and fp must be vectors of the same length")
    if period is not None:
        demand(np.not_equal(period, 0), ValueError("period must be a non-zero value"))
        length = np.abs(period)
        x, xp = np.remainder(x, length), np.remainder(xp, length)
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - length, xp, xp[:1] + length])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    below = fp[0] if left is None else left
    above = fp[-1] if right is None else right
    y = _between_points(x, xp, fp) if xp.shape[0] > 1 else fp[0]
    return np.where(x < xp[0], below, np.where(x > xp[-1], above, y))


def _between_points(x: Array, xp: Array, fp: Array) -> Array:
    at = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, xp.shape[0] - 2)
    x0, x1, y0, y1 = [getitem(points, at + i) for points in (xp, fp) for i in (0, 1)]
    return y0 + (x - x0) * ((y1 - y0) / (x1 - x0))


composite(np.interp, _interp)


# --- phases ---------------------------------------------------------------------------------


def _unwrap(p: Array, discont: Array, period: Array, *, axis: int) -> Array:
    """Whole periods are taken away, as many as jumps made until there: a number that is flat."""
    axis = normalize_axis_index(axis, p.ndim)
    steps, half = np.diff(p, axis=axis), period / 2
    turns = np.floor_divide(steps + half, period)
    rest = np.remainder(steps + half, period)
    turns = np.where(np.logical_and(rest == 0, steps > 0), turns - 1, turns)
    turns = np.where(np.abs(steps) < (half if discont is None else discont), 0, turns)
    before = (slice(None),) * axis
    first, later = p[(*before, slice(0, 1))], p[(*before, slice(1, None))]
    return np.concatenate([first, later - period * np.cumsum(turns, axis=axis)], axis=axis)


composite(np.unwrap, _unwrap, arrays=("p", "discont", "period"))

"""Products of vectors in space."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_bp.registry import Array, composite


def _cross(a: Array, b: Array, *, axisa: int, axisb: int, axisc: int, axis: int | None) -> Array:
    """Component by component, a missing third one being 0; of two in the plane, the third alone."""
    if axis is not None:
        axisa = axisb = axisc = axis
    u, v = _components(a, axisa), _components(b, axisb)
    if (len(u), len(v)) != (3, 3):  # NumPy's version says whether it takes these
        np.cross(np.ones(len(u)), np.ones(len(v)))
    third = u[0] * v[1] - u[1] * v[0]
    if len(u) == len(v) == 2:
        return third
    u, v = (w if len(w) == 3 else [*w, np.zeros_like(w[0])] for w in (u, v))
    first, second = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2]
    return np.stack([first, second, third], axis=axisc)


def _linalg_cross(x1: Array, x2: Array, *, axis: int) -> Array:
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError("Both input arrays must be (arrays of) 3-dimensional vectors")
    return np.cross(x1, x2, axis=axis)


def _components(a: Array, axis: int) -> list[Array]:
    before = (slice(None),) * normalize_axis_index(axis, a.ndim)
    return [a[(*before, i)] for i in range(a.shape[axis])]


composite(np.cross, _cross)
composite(np.linalg.cross, _linalg_cross)

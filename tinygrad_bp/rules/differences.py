"""Differences, and other names of functions that have a rule."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_bp.registry import Array, composite
from tinygrad_bp.rules.elementwise import cast


def _diff(a: Array, *, n: int, axis: int) -> Array:
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    before = (slice(None),) * normalize_axis_index(axis, a.ndim)
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]
    return a


composite(np.diff, _diff)
composite(np.astype, lambda x, *, dtype: cast(x, dtype=dtype))

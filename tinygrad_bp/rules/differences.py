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


composite(np.diff, _diff)
composite(np.ediff1d, _ediff1d)
composite(np.astype, lambda x, *, dtype: cast(x, dtype=dtype))
if hasattr(np, "cumulative_sum"):
    composite(np.cumulative_sum, lambda x, *, axis: np.cumsum(x, axis=axis))

"""Functions that choose elements. `t[index]` itself is the primitive `getitem`."""

import numpy as np

from tinygrad_bp.primitives import getitem
from tinygrad_bp.registry import Array, composite


def _take(a: Array, indices: Array, axis: int | None = None) -> Array:
    if axis is None:
        return getitem(np.ravel(a), np.asarray(indices))
    return getitem(a, (slice(None),) * (axis % a.ndim) + (np.asarray(indices),))


def _take_along_axis(arr: Array, indices: Array, axis: int | None = -1) -> Array:
    """Beside the axis chosen along, every other axis keeps its own position."""
    if axis is None:
        return getitem(np.ravel(arr), np.asarray(indices))
    own = np.indices(arr.shape, sparse=True)
    axis = axis % arr.ndim
    return getitem(arr, (*own[:axis], np.asarray(indices), *own[axis + 1 :]))


composite(np.take, _take)
composite(np.take_along_axis, _take_along_axis)
composite(np.diagonal, lambda a, offset=0, axis1=0, axis2=1: _diagonal(a, offset, axis1, axis2))
composite(np.trace, lambda a, offset=0, axis1=0, axis2=1: (
    np.sum(_diagonal(a, offset, axis1, axis2), axis=-1)
))  # fmt: skip


def _diagonal(a: Array, offset: int, axis1: int, axis2: int) -> Array:
    moved = np.moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = moved.shape[-2:]
    start_row, start_column = max(-offset, 0), max(offset, 0)
    length = np.arange(max(min(rows - start_row, columns - start_column), 0))
    return getitem(moved, (..., length + start_row, length + start_column))

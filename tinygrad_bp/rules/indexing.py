"""Functions that choose elements. `t[index]` itself is the primitive `getitem`."""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_bp.operands import beside, copied, is_foreign
from tinygrad_bp.registry import Array, composite, linear, primitive, why

__all__ = ["getitem", "listed", "plain_index", "scatter_add"]

_FEW = 500  # elements that are added before it pays to work out where they stand
_UNEVEN = 3  # times what there is to add: whole arrays of more elements take longer than a loop
_SMALL = 5_000  # elements: working on fewer at a time takes no less time


def plain_index(index: Any) -> Any:
    """Return an index with every list, range or foreign array in it as an ndarray of its own.

    The backward pass needs it, whatever becomes of the array that was given.

    >>> plain_index((slice(2), (0, 0)))
    (slice(None, 2, None), array([0, 0]))
    """
    if isinstance(index, tuple):
        return tuple([_plain_part(part) for part in index])
    return _plain_part(index)


def _plain_part(part: Any) -> Any:
    if part is None or part is ... or isinstance(part, int | slice):
        return part
    if not getattr(part, "known", True):  # it stands for the values of many runs
        return part
    if is_foreign(part):
        return copied(part)
    if hasattr(part, "__index__") and np.ndim(part) == 0 and not isinstance(part, np.bool_):
        return operator.index(part)
    return np.array(part, part.dtype if isinstance(part, np.ndarray) else _dtype_of(part))


def _dtype_of(part: Any) -> Any:
    """NumPy's choice, but for an empty list, which it would take for floats."""
    return None if np.size(part) else int


@primitive
def getitem(x: Array, index: Any) -> Array:
    """Return x[index], for basic and fancy indices.

    >>> getitem(np.array([1.0, 2.0, 3.0]), [0, 0, 2])
    array([1., 1., 3.])
    """
    axis, arrays = _before_arrays(index)
    if len(arrays) == 1 and arrays[0].ndim and arrays[0].dtype.kind == "i" and axis < x.ndim:
        return np.take(x, arrays[0], axis)  # x[index] would have other strides, and take longer
    return x[index]


def _before_arrays(index: Any) -> tuple[int, tuple[Array, ...]]:
    """Of an index that leaves whole axes and then has arrays of integers: how many, and these.

    >>> _before_arrays((slice(None), np.array([0, -1])))
    (1, (array([ 0, -1]),))
    >>> _before_arrays((slice(2), np.array([0, -1])))
    (0, ())
    """
    parts = index if isinstance(index, tuple) else (index,)
    whole = list(itertools.takewhile(lambda part: isinstance(part, slice), parts))
    arrays = parts[len(whole) :]
    if any(part != slice(None) for part in whole):
        return 0, ()
    if not all(isinstance(a, np.ndarray) and a.dtype.kind in "iu" for a in arrays):
        return 0, ()
    return len(whole), arrays


@primitive
def scatter_add(g: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Add g into zeros of a shape at an index; where the index repeats, contributions add up.

    >>> scatter_add(np.array([1.0, 2.0, 4.0]), [0, 0, 2], (3,))
    array([3., 0., 4.])
    """
    before, arrays = _before_arrays(index)
    if not _may_repeat(index, shape):
        out = np.zeros(shape, dtype=g.dtype, like=beside(g))
        out[index] = g
        return out
    if is_foreign(g):
        return _added_elsewhere(g, index, shape)
    if math.prod(np.shape(g)) < _FEW or len(shape) == 1 or not arrays:
        out = np.zeros(shape, dtype=g.dtype, like=beside(g))
        np.add.at(out, index, g)
        return out
    end = before + len(arrays)
    lengths = shape[before:end]
    places = np.ravel_multi_index([a.astype(np.intp) for a in arrays], lengths, mode="wrap")
    every = np.broadcast_to(g, (*shape[:before], *places.shape, *shape[end:]))
    front, n, rest = (math.prod(part) for part in (shape[:before], lengths, shape[end:]))
    flat = np.reshape(every, (front, places.size, rest))
    return np.reshape(_added(flat, np.ravel(places), n), shape)


def _added_elsewhere(g: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """The same on a GPU, say, where places are counted along one axis, and nobody looks at them."""
    n = math.prod(shape)
    places = np.reshape(np.arange(n, like=beside(g)), shape)[index]
    flat = np.zeros(n, dtype=g.dtype, like=beside(g))
    np.add.at(flat, np.ravel(places), np.ravel(np.broadcast_to(g, places.shape)))
    return np.reshape(flat, shape)


def _added(g: Array, places: Array, n: int) -> Array:
    """Add the second of three axes into n places, each of them named about equally often.

    All places receive what is first for them, then what is second: whole arrays at a time. If a few
    are named far more often than others, that would take longer than the loop of `np.add.at`, which
    is fast for arrays laid flat.

    >>> _added(np.array([[[1.0], [2.0], [4.0]]]), np.array([0, 1, 0]), 2).tolist()
    [[[5.0], [2.0]]]
    """
    front, _, rest = g.shape
    out = np.zeros((front, n, rest), dtype=g.dtype, like=beside(g))
    counts = np.bincount(places, minlength=n)
    most = int(np.max(counts))
    if most * max(out.size, _SMALL) > _UNEVEN * g.size:
        rows = np.arange(front).reshape(-1, 1, 1) * n + places.reshape(-1, 1)
        np.add.at(np.reshape(out, -1), np.ravel(rows * rest + np.arange(rest)), np.ravel(g))
        return out
    order = np.argsort(places, kind="stable")
    starts = np.cumsum(counts) - counts
    for k in range(most):
        none = counts <= k
        part = np.take(g, order[np.where(none, 0, starts + k)], axis=1)
        part[:, none] = 0
        out += part
    return out


def _may_repeat(index: Any, shape: tuple[int, ...]) -> bool:
    """Return whether an index can name an entry twice; if not, assignment is far faster.

    Of a vector's entries it is not, so nothing is looked for there.

    >>> [_may_repeat(i, (3, 3)) for i in (0, slice(2), [0, 0], [0, 2], [2, -1])]
    [False, False, True, False, True]
    """
    parts = index if isinstance(index, tuple) else (index,)
    lists = [i for i, part in enumerate(parts) if not _names_once(part)]
    if len(lists) != 1 or len(shape) == 1:
        return len(lists) > 0
    (i,) = lists
    if is_foreign(parts[i]):
        return True
    positions = np.asarray(parts[i])
    plain = all(type(part) in (int, slice) for part in parts[:i])  # then i is its axis
    if not plain or positions.dtype.kind not in "iu" or 8 * positions.size < shape[i]:
        return True
    counts = np.bincount(np.ravel(positions) % shape[i]) if positions.size else positions
    return bool(np.max(counts, initial=0) > 1)


def _names_once(part: Any) -> bool:
    return (
        part is None
        or part is ...
        or isinstance(part, bool | int | np.integer | slice)
        or (isinstance(part, np.ndarray) and (part.dtype.kind == "b" or part.ndim == 0))
    )


linear(getitem, lambda g, y, x, *, index: scatter_add(g, index, x.shape))
linear(scatter_add, lambda g, y, x, *, index, shape: getitem(g, index))

why("The gradient goes to the elements that were taken, 0 to all others; one that was taken twice "
    "receives both.", getitem)  # fmt: skip
why("Each summand receives the gradient of the place it was added to.", scatter_add)


# --- NumPy's own ----------------------------------------------------------------------------


def _take(a: Array, *, indices: Any, axis: int | None, mode: str) -> Array:
    """Positions, as NumPy counts them here: True is 1, not a mask."""
    x = np.ravel(a) if axis is None else a
    axis = normalize_axis_index(axis or 0, x.ndim)
    positions = listed(indices).astype("intp", casting="safe")
    if mode == "wrap":
        positions = np.remainder(positions, x.shape[axis])
    elif mode == "clip":
        positions = np.clip(positions, 0, x.shape[axis] - 1)
    return getitem(x, (slice(None),) * axis + (positions,))


def _take_along_axis(arr: Array, *, indices: Any, axis: int | None) -> Array:
    """Beside the axis chosen along, every other axis keeps its own position."""
    if axis is None:
        return getitem(np.ravel(arr), listed(indices))
    own = np.indices(arr.shape, sparse=True)
    axis = normalize_axis_index(axis, arr.ndim)
    return getitem(arr, (*own[:axis], listed(indices), *own[axis + 1 :]))


def listed(indices: Any) -> Any:
    """Positions as an array of their own; what stands for those of many runs, as it is."""
    if not getattr(indices, "known", True):
        return indices
    return copied(indices) if is_foreign(indices) else np.array(indices)


def _diagonal(a: Array, *, offset: int, axis1: int, axis2: int) -> Array:
    moved = np.moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = moved.shape[-2:]
    start_row, start_column = max(-offset, 0), max(offset, 0)
    length = np.arange(max(min(rows - start_row, columns - start_column), 0))
    return getitem(moved, (..., length + start_row, length + start_column))


def _trace(a: Array, *, offset: int, axis1: int, axis2: int, dtype: Any) -> Array:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


composite(np.take, _take)
composite(np.take_along_axis, _take_along_axis)
composite(np.diagonal, _diagonal)
composite(np.trace, _trace)
composite(np.linalg.diagonal, lambda x, *, offset: np.diagonal(x, offset, -2, -1))
composite(np.linalg.trace, lambda x, *, offset, dtype: np.trace(x, offset, -2, -1, dtype))

"""Rows of a table that are looked up, alone or in bags."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import LabelError, ShapeError
from tinygrad_bp.functional.inputs import floats, tensor_of
from tinygrad_bp.operands import certainly, in_dtype, is_foreign, violated
from tinygrad_bp.registry import Array
from tinygrad_bp.rules.indexing import getitem
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["embedding", "embedding_bag"]

Integers = np.ndarray[Any, np.dtype[np.intp]]


def embedding(indices: Any, weight: Array, padding_idx: int | None = None) -> Tensor:
    """Return rows of a table: (...) integers and (rows, features) to (..., features).

    The row `padding_idx` receives no gradient, which a gradient check does not take for right where
    that row is looked up. Raises `LabelError` for integers that are no rows.

    >>> embedding([1, 1, 0], np.array([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([[3., 4.],
            [3., 4.],
            [1., 2.]])
    """
    weight = tensor_of(weight)
    rows = _rows(indices, weight)
    found = weight[rows]
    padding = rows == _padding(padding_idx, weight)
    may_be = padding_idx is not None and is_foreign(rows)  # nobody looks
    if not may_be and not certainly(np.any(padding)):
        return found
    return np.where(np.expand_dims(padding, -1), found.detach(), found)


def embedding_bag(
    indices: Any,
    weight: Array,
    offsets: Any = None,
    *,
    mode: str = "mean",
    per_sample_weights: Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Return the sum, mean or maximum of bags of rows: (bags, features).

    Indices (bags, size); or all of them in one axis, with `offsets`, where each bag starts; with
    `include_last_offset` the last one is where the last bag ends. Of an empty bag it is 0. Entries
    equal to `padding_idx` do not count. `per_sample_weights`, in the shape of the indices, multiply
    the rows of a sum. Raises `ShapeError` or `ValueError` for bags that make no sense, `LabelError`
    for integers that are no rows.

    >>> table = np.array([[1.0], [10.0], [100.0]])
    >>> embedding_bag([0, 1, 2], table, [0, 2], mode="sum")
    Tensor([[ 11.],
            [100.]])
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode must be 'sum', 'mean' or 'max', not {mode!r}")
    weight = tensor_of(weight)
    rows = _rows(indices, weight)
    scale = _sample_weights(per_sample_weights, rows.shape, mode, weight)
    counts = None if padding_idx is None else rows != _padding(padding_idx, weight)
    if rows.ndim == 2 and offsets is None:
        return _of_equal_bags(weight[rows], counts, mode, scale)
    bags, count = _bags(rows, offsets, include_last_offset=include_last_offset)
    if counts is not None:
        rows, bags = rows[counts], getitem(bags, counts)
        scale = scale if scale is None else scale[counts]
    found = weight[rows]
    if mode == "max":
        return _largest(found, bags, count)
    if scale is not None:
        found = found * np.expand_dims(scale, -1)
    total = rules.scatter_add(found, bags, (count, weight.shape[1]))
    if mode == "sum":
        return total
    sizes = np.bincount(bags, minlength=count)
    return total / np.maximum(sizes, 1).reshape(-1, 1).astype(weight.dtype)


# --- what is looked up ----------------------------------------------------------------------


def _rows(indices: Any, weight: Any) -> Integers:
    """Indices as an array of positions, all of them rows of the table."""
    if weight.ndim != 2:
        raise ShapeError(f"embedding: a table is (rows, features), not of shape {weight.shape}")
    found = array_of(indices)
    if not found.size:
        return np.zeros(found.shape, np.intp)
    if found.dtype.kind not in "iu":
        raise LabelError(f"embedding: indices must be whole numbers, not {found.dtype}")
    rows: int = weight.shape[0]
    if violated(np.min(found) < 0) or violated(np.max(found) >= rows):
        wrong = tuple(map(int, np.argwhere((found < 0) | (found >= rows))[0]))
        position = wrong[0] if len(wrong) == 1 else wrong
        raise LabelError(
            f"embedding: index {found[wrong]} at position {position} is not one of the {rows} rows "
            f"0 to {rows - 1}"
        )
    return found if found.dtype == np.intp else in_dtype(found, np.intp)


def _padding(padding_idx: int | None, weight: Any) -> int:
    """The row that is padding, -1 for none."""
    if padding_idx is None:
        return -1
    rows: int = weight.shape[0]
    if not -rows <= padding_idx < rows:
        raise ValueError(f"embedding: padding_idx {padding_idx} is not one of {rows} rows")
    return padding_idx % rows


# --- bags -----------------------------------------------------------------------------------


def _of_equal_bags(found: Any, counts: Any, mode: str, scale: Any) -> Any:
    """Sums, means or maxima along axis 1 of those elements that count."""
    if mode == "max":
        reduce = np.max if found.shape[1] else np.sum  # which is 0 of nothing
        if counts is None:
            return reduce(found, axis=1)
        largest = reduce(np.where(np.expand_dims(counts, -1), found, -np.inf), axis=1)
        return np.where(np.any(counts, axis=1, keepdims=True), largest, 0)
    if scale is not None:
        found = found * np.expand_dims(scale, -1)
    if counts is not None:
        found = np.where(np.expand_dims(counts, -1), found, 0)
    total = np.sum(found, axis=1)
    if mode == "sum":
        return total
    if counts is None:
        return total / max(found.shape[1], 1)
    sizes = np.sum(counts, axis=1, keepdims=True)
    return total / np.maximum(sizes, 1).astype(found.dtype)


def _bags(indices: Integers, offsets: Any, *, include_last_offset: bool) -> tuple[Integers, int]:
    """The bag that every index belongs to, and the number of bags."""
    if indices.ndim == 2:
        raise ValueError("embedding_bag: offsets are for indices in one axis")
    if indices.ndim != 1 or offsets is None:
        raise ShapeError(
            "embedding_bag: give indices (bags, size), or in one axis with offsets, not "
            f"{indices.shape}"
        )
    ends = array_of(offsets)
    if ends.ndim != 1 or ends.dtype.kind not in "iu" or (include_last_offset and not ends.size):
        raise ShapeError("embedding_bag: offsets are whole numbers in one axis, one for each bag")
    if not include_last_offset:
        ends = np.append(ends, len(indices))
    sizes = np.diff(ends)
    wrong = ends[0] != 0, ends[-1] != len(indices), np.any(sizes < 0)
    if any(map(violated, wrong)):
        raise ValueError(
            f"embedding_bag: offsets must go up from 0 to at most {len(indices)}, the number of "
            "indices" + (", and end with it" if include_last_offset else "")
        )
    return np.searchsorted(ends[1:-1], np.arange(len(indices)), side="right"), len(sizes)


def _sample_weights(given: Any, shape: tuple[int, ...], mode: str, weight: Any) -> Any:
    """The weights of single rows, None if there are none."""
    if given is None:
        return None
    if mode != "sum":
        raise ValueError(f"embedding_bag: per_sample_weights are for mode 'sum', not {mode!r}")
    scale = floats(given, weight)
    if scale.shape != shape:
        raise ShapeError(
            f"embedding_bag: per_sample_weights of shape {scale.shape} for indices of {shape}"
        )
    return scale


def _largest(found: Any, bags: Integers, count: int) -> Any:
    """The largest number of each bag and feature: bags of one size at a time, without padding."""
    sizes = np.bincount(bags, minlength=count)
    starts = np.cumsum(sizes) - sizes
    parts, places = [], []
    for size in np.unique(sizes):
        (of_size,) = np.nonzero(sizes == size)
        places.append(of_size)
        members = found[np.expand_dims(starts[of_size], -1) + np.arange(size)]
        parts.append((np.max if size else np.sum)(members, axis=1))  # which is 0 of nothing
    if not parts:
        return found
    return np.concatenate(parts, axis=0)[np.argsort(np.concatenate(places))]

"""Functions that join arrays, and functions that cut them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, composite, general, linear, why
from tinygrad_bp.rules.elementwise import cast
from tinygrad_bp.rules.indexing import getitem
from tinygrad_bp.rules.shaping import at_least

__all__ = ["stacked"]

# --- joining --------------------------------------------------------------------------------


def _pieces(g: Array, y: Array, *arrays: Array, axis: int | None) -> list[Array]:
    """Cut the joined gradient at the places where the arrays met; all of them in one go."""
    if axis is None:
        sizes = [math.prod(np.shape(a)) for a in arrays]
        return [np.reshape(p, np.shape(a)) for p, a in zip(_cut(g, sizes, 0), arrays, strict=True)]
    return _cut(g, [a.shape[axis] for a in arrays], axis % y.ndim)


def _cut(g: Array, sizes: Sequence[int], axis: int) -> list[Array]:
    before = (slice(None),) * axis
    ends = list(itertools.accumulate(sizes))
    return [
        getitem(g, (*before, slice(end - size, end))) for end, size in zip(ends, sizes, strict=True)
    ]


linear(np.concatenate, _pieces, together=True)


def _concatenate(*arrays: Array, axis: int | None, dtype: Any, casting: Any) -> Array:
    """Convert first, as far as `casting` lets it be done."""
    kind = np.result_type(*arrays) if dtype is None else np.dtype(dtype)
    for a in arrays:
        if not np.can_cast(np.result_type(a), kind, casting):
            raise TypeError(f"Cannot cast array data from {np.result_type(a)!r} to {kind!r} "
                            f"according to the rule {casting!r}")  # fmt: skip
    same = [a if np.result_type(a) == kind else cast(a, dtype=kind) for a in arrays]
    return np.concatenate(same, axis=axis)


general(np.concatenate, _concatenate)


def _stack(*arrays: Array, axis: int, dtype: Any, casting: Any) -> Array:
    parts = [np.expand_dims(a, axis) for a in arrays]
    return np.concatenate(parts, axis=axis, dtype=dtype, casting=casting)


def _vstack(*tup: Array, dtype: Any, casting: Any) -> Array:
    parts = [at_least(2, a) for a in tup]
    return np.concatenate(parts, axis=0, dtype=dtype, casting=casting)


def _hstack(*tup: Array, dtype: Any, casting: Any) -> Array:
    parts = [at_least(1, a) for a in tup]
    return np.concatenate(
        parts, axis=0 if np.ndim(parts[0]) == 1 else 1, dtype=dtype, casting=casting
    )


def _dstack(*tup: Array) -> Array:
    return np.concatenate([at_least(3, a) for a in tup], axis=2)


def _column_stack(*tup: Array) -> Array:
    columns = [np.reshape(a, (-1, 1)) if np.ndim(a) < 2 else a for a in tup]
    return np.concatenate(columns, axis=1)


composite(np.stack, _stack)
composite(np.vstack, _vstack)
composite(np.hstack, _hstack)
composite(np.dstack, _dstack)
composite(np.column_stack, _column_stack)


def _depth(blocks: Any) -> int:
    """How deep the lists are nested, which must be the same everywhere."""
    if isinstance(blocks, tuple):
        raise TypeError("block takes nested lists of arrays, and was given a tuple")
    if not isinstance(blocks, list):
        return 0
    depths = {_depth(part) for part in blocks}
    if len(depths) != 1:
        raise ValueError("block takes lists that are nested to one depth, and none of them empty")
    return depths.pop() + 1


def _widest(blocks: Any) -> int:
    return max(map(_widest, blocks)) if isinstance(blocks, list) else np.ndim(blocks)


def _joined(blocks: Any, depth: int, ndim: int) -> Array:
    """Join the innermost lists along the last axis, the lists of these along the one before."""
    if depth == 0:
        return np.reshape(blocks, (1,) * (ndim - np.ndim(blocks)) + np.shape(blocks))
    return np.concatenate([_joined(part, depth - 1, ndim) for part in blocks], axis=-depth)


def _block(*, arrays: Any) -> Array:
    depth = _depth(arrays)
    return _joined(arrays, depth, max(depth, _widest(arrays)))


composite(np.block, _block)


def stacked(values: Any) -> Any:
    """Return nested lists of numbers, arrays and tensors as one; anything else as it is."""
    return np.stack([stacked(v) for v in values]) if isinstance(values, list | tuple) else values


# --- cutting --------------------------------------------------------------------------------


def _array_split(ary: Array, *, indices_or_sections: int | Sequence[int], axis: int) -> list[Array]:
    """Cut at the places NumPy cuts, as slices of the array."""
    length = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        sections = int(indices_or_sections)  # type: ignore[arg-type]
        if sections < 1:
            raise ValueError("number sections must be larger than 0.")
        short, longer = divmod(length, sections)
        cuts = [i * short + min(i, longer) for i in range(1, sections)]
    else:
        cuts = list(indices_or_sections)  # type: ignore[arg-type]
    before = (slice(None),) * (axis % ary.ndim)
    return [ary[(*before, slice(a, b))] for a, b in zip([0, *cuts], [*cuts, length], strict=True)]


def _split(ary: Array, *, indices_or_sections: int | Sequence[int], axis: int) -> list[Array]:
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % int(indices_or_sections):  # type: ignore[arg-type]
        raise ValueError("array split does not result in an equal division")
    return _array_split(ary, indices_or_sections=indices_or_sections, axis=axis)


def _hsplit(ary: Array, *, indices_or_sections: int | Sequence[int]) -> list[Array]:
    _check_axes("hsplit", ary, 1)
    return _split(ary, indices_or_sections=indices_or_sections, axis=0 if ary.ndim == 1 else 1)


def _vsplit(ary: Array, *, indices_or_sections: int | Sequence[int]) -> list[Array]:
    _check_axes("vsplit", ary, 2)
    return _split(ary, indices_or_sections=indices_or_sections, axis=0)


def _dsplit(ary: Array, *, indices_or_sections: int | Sequence[int]) -> list[Array]:
    _check_axes("dsplit", ary, 3)
    return _split(ary, indices_or_sections=indices_or_sections, axis=2)


def _check_axes(name: str, ary: Array, ndim: int) -> None:
    if ary.ndim < ndim:
        raise ValueError(f"{name} only works on arrays of {ndim} or more dimensions")


composite(np.array_split, _array_split)
composite(np.split, _split)
composite(np.hsplit, _hsplit)
composite(np.vsplit, _vsplit)
composite(np.dsplit, _dsplit)


if hasattr(np, "unstack"):
    composite(np.unstack, lambda x, *, axis: tuple(
        np.moveaxis(x, axis, 0)[i] for i in range(x.shape[axis])
    ))  # fmt: skip


why("Each part receives its own piece of the gradient.", np.concatenate)

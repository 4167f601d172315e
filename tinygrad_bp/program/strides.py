"""How arrays are laid out in memory: contiguous, or side by side in another order of the axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Room, Value

__all__ = ["is_contiguous", "is_dense", "is_usual", "new_value"]


def _contiguous(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Strides of an array whose elements stand one after the other, the last axis fastest."""
    strides, step = [], dtype.itemsize
    for length in reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


def new_value(
    shape: tuple[int, ...], dtype: np.dtype[Any] | None, *, base: Value | None = None
) -> Value:
    """Return a value that is laid out as NumPy lays out new arrays.

    >>> new_value((2, 3), np.dtype("f4")).strides
    (12, 4)
    """
    return Value(shape, dtype, () if dtype is None else _contiguous(shape, dtype), base=base)


def is_usual(item: Value | Room) -> bool:
    """Whether the strides are those of a new array, along axes of length 1, too."""
    return item.dtype is not None and item.strides == _contiguous(item.shape, item.dtype)


def is_contiguous(value: Value) -> bool:
    """Whether elements stand one after the other, the last axis fastest."""
    if value.dtype is None:
        return False
    wanted = _contiguous(value.shape, value.dtype)
    rows = zip(value.shape, value.strides, wanted, strict=True)
    return all(have == want for length, have, want in rows if length != 1)


def is_dense(value: Value) -> bool:
    """Whether elements lie side by side, in whatever order of the axes."""
    if value.dtype is None or len(value.strides) != len(value.shape):
        return False
    step = value.dtype.itemsize
    for stride, length in sorted(zip(value.strides, value.shape, strict=True)):
        if length != 1:
            if stride != step:
                return False
            step *= length
    return True

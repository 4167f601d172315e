"""Means and maxima of so many windows, along one, two or three axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.convolutions import Sizes
from tinygrad_bp.functional.inputs import batched, tensor_of
from tinygrad_bp.functional.pooling import Pooling, first_largest, named, one_or_both, ways
from tinygrad_bp.operands import placed
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "means_along",
]


def _adaptive(axes: int, kind: str, example: str) -> Pooling:
    """Make the function for so many axes, of means or of maxima."""

    def average(x: Array, output_size: Sizes | Sequence[int | None]) -> Tensor:
        y = tensor_of(x)
        for axis, size in reversed(_sizes(f"adaptive_avg_pool{axes}d", y, output_size, axes)):
            y = means_along(y, axis % y.ndim, size)
        return y

    def largest(
        x: Array,
        output_size: Sizes | Sequence[int | None],
        return_indices: bool = False,
    ) -> Any:
        y = tensor_of(x)
        places = np.arange(math.prod(y.shape[-axes:])).reshape(y.shape[-axes:])
        places = np.broadcast_to(placed(places, y), y.shape)
        for axis, size in _sizes(f"adaptive_max_pool{axes}d", y, output_size, axes):
            pairs = zip(_parts(y, axis, size), _parts(places, axis, size), strict=True)
            found = [first_largest(part, place) for part, place in pairs]
            if not found:
                y = y[..., :0].reshape(_without(y, axis))
                return one_or_both((y, np.zeros(y.shape, int)), return_indices)
            y, places = (np.stack(parts, axis=axis) for parts in zip(*found, strict=True))
        return one_or_both((y, places), return_indices)

    return named(
        average if kind == "avg" else largest,
        f"adaptive_{kind}_pool{axes}d",
        f"""Return the {"mean" if kind == "avg" else "largest element"} of so many windows along {
            ways(axes)
        }.

    The windows cover the axis, and overlap where its length is no multiple of their number; None
    keeps an axis as it is.{
            "" if kind == "avg" else " The first of equal elements receives the gradient."
        }

    {example}
    """,
    )


def _without(x: Any, axis: int) -> tuple[int, ...]:
    shape = list(x.shape)
    shape[axis] = 0
    return tuple(shape)


def _sizes(name: str, x: Any, output_size: Any, axes: int) -> list[tuple[int, int]]:
    """The axes to pool and how many windows each gets, the last one first."""
    batched(name, x, axes)
    sizes = list(output_size) if isinstance(output_size, tuple | list) else [output_size] * axes
    if len(sizes) != axes:
        raise ValueError(f"{output_size} is not one number, or one for each of {axes} axes")
    wanted = [(a, size) for a, size in enumerate(sizes, -axes) if size is not None]
    if any(size and not x.shape[axis] for axis, size in wanted):
        raise ShapeError(f"{name}: there is nothing to pool in an input of shape {x.shape}")
    return wanted[::-1]


def means_along(x: Any, axis: int, size: int) -> Any:
    """Return means of so many windows along an axis, which cover it.

    Of windows that differ in length, shorter ones have their last element again, and it shares its
    weight with the copies: with a weight of 0, an infinite one would not be left out.

    >>> means_along(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 0, 2)
    array([2., 4.])
    """
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if size and n % size == 0:
        return np.mean(np.reshape(x, (*before, size, n // size, *after)), axis=axis + 1)
    starts, ends = (i.reshape(-1, 1) for i in _windows(n, size))
    lengths = ends - starts
    k = np.arange(np.max(lengths, initial=1))
    weights = k.size / lengths / np.where(k < lengths - 1, 1, k.size - lengths + 1)
    weights = weights.reshape(*weights.shape, *(1,) * len(after))
    taken = np.take(x, np.minimum(starts + k, ends - 1), axis=axis)
    dtype = x.dtype if x.dtype.kind in "fc" else float
    return np.mean(taken * placed(weights.astype(dtype), x), axis=axis + 1)


def _windows(n: int, size: int) -> tuple[Any, Any]:
    """Where windows start and end: from ⌊i n / size⌋ to ⌈(i + 1) n / size⌉."""
    i = np.arange(size)
    return i * n // size, -(-(i + 1) * n // size)


def _parts(x: Any, axis: int, size: int) -> list[Any]:
    """The elements of each window along the axis, which comes last."""
    moved = np.moveaxis(x, axis, -1)
    return [moved[..., i:j] for i, j in zip(*_windows(x.shape[axis], size), strict=True)]


adaptive_avg_pool1d = _adaptive(
    1,
    "avg",
    """>>> adaptive_avg_pool1d(np.array([[[1.0, 3.0, 5.0]]]), 2)
    Tensor([[[2., 4.]]])""",
)
adaptive_avg_pool2d = _adaptive(
    2,
    "avg",
    """>>> adaptive_avg_pool2d(np.array([[[1.0, 3.0], [5.0, 7.0]]]), (1, None))
    Tensor([[[3., 5.]]])""",
)
adaptive_avg_pool3d = _adaptive(
    3,
    "avg",
    """>>> adaptive_avg_pool3d(np.ones((1, 1, 2, 2, 2)), 1)
    Tensor([[[[[1.]]]]])""",
)
adaptive_max_pool1d = _adaptive(
    1,
    "max",
    """>>> adaptive_max_pool1d(np.array([[[1.0, 3.0, 5.0]]]), 2)
    Tensor([[[3., 5.]]])""",
)
adaptive_max_pool2d = _adaptive(
    2,
    "max",
    """>>> adaptive_max_pool2d(np.array([[[1.0, 3.0], [5.0, 7.0]]]), 1)
    Tensor([[[7.]]])""",
)
adaptive_max_pool3d = _adaptive(
    3,
    "max",
    """>>> adaptive_max_pool3d(np.ones((1, 1, 2, 2, 2)), 1)
    Tensor([[[[[1.]]]]])""",
)

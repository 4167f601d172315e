"""Numbers and arrays that are not computed from the inputs, and how they vary with sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.interop.onnx.sizes import Point, Size, fitted

__all__ = [
    "Constant",
    "Dims",
    "Filled",
    "Number",
    "Ratio",
    "Scalar",
    "Steps",
    "Triangle",
    "array_at",
    "ratio_at",
]

Array: TypeAlias = np.ndarray[Any, Any]
Dims: TypeAlias = tuple[int | Size | None, ...]
"""The length of each axis; None if no formula gives it."""


@dataclass(frozen=True)
class Ratio:
    """A number divided by a size: 1 / 3 of three examples."""

    number: float
    size: Size


@dataclass(frozen=True)
class Number:
    """A Python number, which has no dtype of its own beside an array."""

    value: bool | float | Size | Ratio


@dataclass(frozen=True)
class Scalar:
    """An array of one number, which varies with sizes."""

    value: Size | Ratio
    shape: Dims
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Constant:
    """An array that is the same in every run."""

    value: Array

    @property
    def shape(self) -> Dims:
        """The length of each axis."""
        shape: Dims = self.value.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        dtype: np.dtype[Any] = self.value.dtype
        return dtype


@dataclass(frozen=True)
class Filled:
    """An array that is the same all along its dynamic axes, such as zeros."""

    value: Array
    shape: Dims

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        dtype: np.dtype[Any] = self.value.dtype
        return dtype


@dataclass(frozen=True)
class Steps:
    """Evenly spaced numbers along one axis, such as those of `np.arange`."""

    start: Array
    step: Array
    shape: Dims
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Triangle:
    """A matrix of two numbers: one up to diagonal `k`, another above it."""

    below: Array
    above: Array
    k: int
    shape: Dims
    dtype: np.dtype[Any]


def array_at(values: Sequence[Array], where: Sequence[Point]) -> Any:
    """Return what an array is that has these values at these points; None if nothing fits."""
    first = values[0]
    if any(a.dtype != first.dtype or a.ndim != first.ndim for a in values):
        return None
    shape = tuple([fitted(lengths, where) for lengths in zip(*[a.shape for a in values])])  # noqa: B905
    if None in shape:
        return None
    varying = [axis for axis, n in enumerate(shape) if isinstance(n, Size)]
    if not varying:
        if all(_same(a, first) for a in values):
            return Constant(first)
        return _scalar(values, where) if first.size == 1 else None
    return _filled(values, shape, varying) or _steps(values, shape) or _triangle(values, shape)


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


def _scalar(values: Sequence[Array], where: Sequence[Point]) -> Any:
    number = ratio_at([a.item() for a in values], where)
    return None if number is None else Scalar(number, values[0].shape, values[0].dtype)


def ratio_at(values: Sequence[Any], where: Sequence[Point]) -> Any:
    """Return a number that depends on sizes: a size, or a number over one; None if it is neither.

    >>> ratio_at([0.5, 0.4, 2 / 7], [{"n": 4}, {"n": 5}, {"n": 7}])
    Ratio(number=2.0, size=Size(n))
    """
    if all(float(value).is_integer() for value in values):
        return fitted(list(map(int, values)), where)
    names = tuple(where[0])
    for chosen in [(name,) for name in names] + ([names] if len(names) > 1 else []):
        size = Size({chosen: 1})
        numbers = [value * size.at(point) for value, point in zip(values, where, strict=True)]
        if all(math.isclose(n, numbers[0], rel_tol=1e-12) for n in numbers):
            return Ratio(round(numbers[0], 12), size)
    return None


def _filled(values: Sequence[Array], shape: Dims, varying: Sequence[int]) -> Filled | None:
    one = values[0][tuple([slice(1) if axis in varying else slice(None)
                           for axis in range(len(shape))])]  # fmt: skip
    same = all(_same(np.broadcast_to(one, a.shape), a) for a in values)
    return Filled(one, shape) if same else None


def _steps(values: Sequence[Array], shape: Dims) -> Steps | None:
    long = [n for n in shape if n != 1]
    flat = max(values, key=np.size).ravel()
    if len(long) != 1 or flat.size < 2 or flat.dtype.kind not in "iuf":
        return None
    start, step = flat[0], flat[1] - flat[0]
    same = all(
        np.array_equal(a.ravel(), start + step * np.arange(a.size, dtype=a.dtype)) for a in values
    )
    return Steps(np.asarray(start), np.asarray(step), shape, flat.dtype) if same else None


def _triangle(values: Sequence[Array], shape: Dims) -> Triangle | None:
    widest = max(values, key=np.size)
    if len(shape) != 2 or min(widest.shape) < 2:
        return None
    below, above = widest[-1, 0], widest[0, -1]
    k = int(np.count_nonzero(widest[0] == below)) - 1
    inside = [np.tri(a.shape[0], a.shape[1], k, dtype=bool) for a in values]
    wanted: list[Array] = [np.where(where, below, above) for where in inside]
    same = all(map(_same, wanted, values))
    parts = np.asarray(below), np.asarray(above)
    return Triangle(*parts, k, shape, widest.dtype) if same else None

"""Functions that make arrays of given values: filled, evenly spaced, on diagonals, as a grid."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.operands import beside, violated
from tinygrad_bp.registry import Array, composite
from tinygrad_bp.rules.elementwise import cast, unvarying
from tinygrad_bp.rules.indexing import scatter_add


def _full_like(a: Array, fill_value: Array, *, dtype: Any, shape: Any) -> Array:
    """Shape and dtype are the first array's, unless they are given; the values are the second's."""
    wanted = a.shape if shape is None else shape
    kind = np.result_type(a) if dtype is None else np.dtype(dtype)
    return cast(np.broadcast_to(fill_value, wanted), kind)


composite(np.full_like, _full_like)


# --- evenly spaced --------------------------------------------------------------------------


def _weights(num: int, endpoint: bool, ends: Sequence[Array], dtype: Any) -> Array:
    """How far each of `num` points is from the start, 1 being the stop; along a first axis."""
    ndim = len(np.broadcast_shapes(*map(np.shape, ends)))
    like = next((end for end in map(beside, ends) if end is not None), None)
    count = operator.index(num)
    if count < 0:
        raise ValueError(f"Number of samples, {count}, must be non-negative.")
    steps = np.reshape(np.arange(count, dtype=dtype, like=like), (-1, *(1,) * ndim))
    return steps / max(count - bool(endpoint), 1)


def _linspace(
    start: Array,
    stop: Array,
    *,
    num: int,
    endpoint: bool,
    retstep: bool,
    dtype: Any,
    axis: int,
) -> Any:
    """Each point is a mean of both ends, with weights."""
    kind = np.result_type(start, stop, float(num))
    w = _weights(num, endpoint, (start, stop), kind)
    points = np.moveaxis(start * (1 - w) + stop * w, 0, axis)
    points = points if dtype is None else cast(points, dtype=dtype)
    if not retstep:
        return points
    between = num - bool(endpoint)
    return points, (stop - start) * 1.0 / between if between > 0 else math.nan


def _logspace(
    start: Array,
    stop: Array,
    *,
    num: int,
    endpoint: bool,
    base: Array,
    dtype: Any,
    axis: int,
) -> Array:
    """Bases that are arrays have an axis of their own, as start and stop do."""
    if not np.isscalar(base):
        ndim = len(np.broadcast_shapes(*map(np.shape, (start, stop, base))))
        start, stop, base = (_with_axes(a, ndim) for a in (start, stop, base))
        base = np.expand_dims(base, axis)
    points = np.power(base, np.linspace(start, stop, num, endpoint=endpoint, axis=axis))
    return points if dtype is None else cast(points, dtype=dtype)


def _with_axes(a: Array, ndim: int) -> Array:
    return np.reshape(a, (1,) * (ndim - np.ndim(a)) + np.shape(a))


def _check_nonzero(*ends: Any) -> None:
    if any(violated(np.any(np.equal(end, 0))) for end in ends):
        raise ValueError("Geometric sequence cannot include zero")


def _geomspace(
    start: Array, stop: Array, *, num: int, endpoint: bool, dtype: Any, axis: int
) -> Array:
    """Each point is a geometric mean of both ends, with weights; they have the same sign."""
    _check_nonzero(start, stop)
    kind = np.result_type(start, stop, np.dtype(dtype))
    w = _weights(num, endpoint, (start, stop), kind.char.lower() if kind.kind == "c" else kind)
    if kind.kind == "c":
        wide = start + kind.type(0)
        points = wide * np.power(stop / wide, w)
    else:
        sign = np.sign(start)
        points = sign * np.power(sign * start, 1 - w) * np.power(sign * stop, w)
    points = np.moveaxis(points, 0, axis)
    return points if dtype is None else cast(points, dtype=dtype)


composite(np.linspace, _linspace)
composite(np.logspace, _logspace, arrays=("start", "stop"))
composite(np.geomspace, _geomspace)


# --- matrices and grids -----------------------------------------------------------------------


def _diag(v: Array, *, k: int) -> Array:
    """The diagonal of a matrix, or a matrix with a diagonal."""
    if v.ndim == 2:
        return np.diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    places, n = np.arange(v.size), v.size + abs(k)
    return scatter_add(v, (places + max(-k, 0), places + max(k, 0)), (n, n))


def _vander(x: Array, *, N: int | None, increasing: bool) -> Array:
    """Each column is the one before it times x."""
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = x.size if N is None else operator.index(N)
    if count < 0:
        raise ValueError("negative dimensions are not allowed")
    base = cast(x, dtype=np.promote_types(x.dtype, int))
    columns = [unvarying(np.ones_like(base), base)]
    for _ in range(count - 1):
        columns.append(columns[-1] * base)
    powers = np.stack(columns, axis=1)[:, :count]
    return powers if increasing else np.flip(powers, 1)


def _meshgrid(*xi: Array, copy: bool, sparse: bool, indexing: str) -> tuple[Array, ...]:
    """An axis for each vector, the first two of them exchanged for `xy`."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    first_two = [1, 0] if indexing == "xy" and len(xi) > 1 else [0, 1]
    order = [*first_two, *range(2, len(xi))][: len(xi)]
    grid = [
        np.reshape(x, [-1 if i == own else 1 for i in range(len(xi))])
        for own, x in zip(order, xi, strict=True)
    ]
    return tuple(grid) if sparse else tuple(np.broadcast_arrays(*grid))


composite(np.diag, _diag)
composite(np.diagflat, lambda v, *, k: np.diag(np.ravel(v), k))
composite(np.vander, _vander)
composite(np.meshgrid, _meshgrid)

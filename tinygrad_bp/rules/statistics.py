"""Averages, variances, covariances, and histograms of weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_bp.operands import copied, ones
from tinygrad_bp.registry import Array, composite
from tinygrad_bp.rules.elementwise import cast
from tinygrad_bp.rules.indexing import getitem, scatter_add
from tinygrad_bp.rules.reductions import (
    Axis,
    axes_of,
    converted,
    count,
    count_kept,
    demand,
    kept,
    mean_kept,
    vector_length,
)

__all__ = ["deviations", "length", "squared", "weights_along"]

Where = Array | bool


# --- variances ------------------------------------------------------------------------------


def squared(x: Array) -> Array:
    """Return the square of each element's magnitude."""
    return np.real(np.conjugate(x) * x) if x.dtype.kind == "c" else np.square(x)


def length(x: Array, axis: Axis, keepdims: bool) -> Array:
    """Return the root of the sum of squares; complex numbers are pairs of real ones."""
    if x.dtype.kind != "c":
        return vector_length(x, axis, keepdims)
    axes = (0, *(i + 1 for i in axes_of(x, axis)))
    pairs = np.stack([np.real(x), np.imag(x)], axis=0)
    found = vector_length(pairs, axes, keepdims)
    return found[0] if keepdims else found


def deviations(x: Array, axis: Axis, mean: Array | None, where: Where) -> Array:
    """Return how far each element is from the mean, and 0 for those that do not count."""
    if mean is None:
        mean = mean_kept(x, axis=axis, dtype=None, keepdims=True, where=where)
    return kept(x - mean, where, 0)


def _freedom(x: Array, axis: Axis, keepdims: bool, where: Where, ddof: float) -> Array:
    """What squared deviations are divided by; NumPy lets it go down to 0, and no further."""
    n = count_kept(x, axis, keepdims, where)
    return max(n - float(ddof), 0) if where is True else np.maximum(n - float(ddof), 0)


def _var(
    x: Array,
    *,
    axis: Axis,
    dtype: Any,
    ddof: float,
    keepdims: bool,
    where: Where,
    mean: Array | None,
    correction: float | None,
) -> Array:
    x = converted(x, dtype)
    squares = np.sum(squared(deviations(x, axis, mean, where)), axis=axis, keepdims=keepdims)
    return squares / _freedom(x, axis, keepdims, where, ddof if correction is None else correction)


def _std(
    x: Array,
    *,
    axis: Axis,
    dtype: Any,
    ddof: float,
    keepdims: bool,
    where: Where,
    mean: Array | None,
    correction: float | None,
) -> Array:
    """The length of the deviations, scaled: constant data get gradient 0 rather than 0 * inf.

    A number alone is its own mean, wherever it is: that is smooth, and no root is taken of it.
    """
    x = converted(x, dtype)
    away = deviations(x, axis, mean, where)
    free = _freedom(x, axis, keepdims, where, ddof if correction is None else correction)
    alone = mean is None and count(x, axis) == 1
    if alone:
        size = np.sum(np.real(away), axis=axis, keepdims=keepdims)
    else:
        size = length(away, axis, keepdims)
    return size / (math.sqrt(free) if where is True else np.sqrt(free))


composite(np.var, _var)
composite(np.std, _std)


# --- weighted means -------------------------------------------------------------------------


def weights_along(weights: Array, a: Array, axis: Axis) -> Array:
    """Return weights that broadcast with an array: they have its shape, or that of the axes."""
    if np.shape(weights) == np.shape(a):
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = normalize_axis_tuple(axis, np.ndim(a))
    if np.shape(weights) != tuple(np.shape(a)[i] for i in axes):
        raise ValueError(
            "Shape of weights must be consistent with shape of a along specified axis."
        )
    in_order = np.transpose(weights, sorted(range(len(axes)), key=axes.__getitem__))
    return np.reshape(in_order, tuple(n if i in axes else 1 for i, n in enumerate(np.shape(a))))


def _average(a: Array, weights: Array, *, axis: Axis, returned: bool, keepdims: bool) -> Any:
    """The sum of the weights comes back too if it is asked for, and differentiates as well."""
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        if not returned:
            return mean
        return mean, ones(mean.shape, mean.dtype, mean) * (np.size(a) / mean.size)
    a = a if np.ndim(a) else np.reshape(a, ())
    w = weights_along(weights, a, axis)
    whole = a.dtype.kind in "iub"  # whole numbers have a mean in double precision
    w = converted(w, np.float64 if whole else np.result_type(a.dtype, w.dtype))
    total = np.sum(w, axis=axis, keepdims=keepdims)
    demand(total != 0, ZeroDivisionError("Weights sum to zero, can't be normalized"))
    mean = np.sum(a * w, axis=axis, keepdims=keepdims) / total
    return (mean, copied(np.broadcast_to(total, mean.shape))) if returned else mean


composite(np.average, _average, arrays=("a", "weights"))


# --- covariances ----------------------------------------------------------------------------


def _rows(a: Array, transposed: bool) -> Array:
    """The variables as rows; a single one may come as a vector."""
    if np.ndim(a) > 2:
        raise ValueError("an array of observations has no more than 2 dimensions")
    rows = np.reshape(a, (1, -1)) if np.ndim(a) < 2 else a
    return np.transpose(rows) if transposed else rows


def _cov(
    m: Array,
    y: Array,
    aweights: Array,
    *,
    rowvar: bool,
    bias: bool,
    ddof: int | None,
    fweights: Any,
    dtype: Any,
) -> Array:
    """The products of deviations, averaged; NumPy works in double precision unless told so."""
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    if dtype is None:
        dtype = np.result_type(m, np.float64) if y is None else np.result_type(m, y, np.float64)
    x = cast(_rows(m, not rowvar and np.ndim(m) == 2), dtype)
    if y is not None:
        more = cast(_rows(y, not rowvar and np.ndim(y) == 2 and np.shape(y)[0] != 1), dtype)
        x = np.concatenate([x, more])
    less = (0 if bias else 1) if ddof is None else ddof
    counts = None if fweights is None else np.asarray(fweights, np.float64)
    aweights = None if aweights is None else cast(aweights, np.float64)
    for weights, name in ((counts, "fweights"), (aweights, "aweights")):
        if weights is not None:
            demand(weights >= 0, ValueError(f"{name} cannot be negative"))
            if np.shape(weights) != x.shape[1:]:
                raise RuntimeError(f"incompatible numbers of samples and {name}")
    demand(counts is None or counts == np.round(counts), TypeError("fweights must be integer"))
    w = aweights if counts is None else counts
    if w is None:
        away = x - np.mean(x, axis=1, keepdims=True)
        return np.squeeze(away @ _adjoint(away) / max(x.shape[1] - less, 0))
    if counts is not None and aweights is not None:
        w = w * aweights
    total = np.sum(w)
    lost = less if aweights is None else less * np.sum(w * aweights) / total
    away = x - np.sum(x * w, axis=1, keepdims=True) / total
    return np.squeeze(away @ _adjoint(away * w) / np.maximum(total - lost, 0.0))


def _adjoint(a: Array) -> Array:
    return np.transpose(np.conjugate(a) if a.dtype.kind == "c" else a)


def _corrcoef(x: Array, y: Array, *, rowvar: bool, dtype: Any) -> Array:
    """NumPy cuts rounding off at 1 and -1; here it stays, for a cut has a slope of its own."""
    c = np.cov(x, y, rowvar=rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    variances = np.diagonal(c)
    deviation = np.sqrt(np.real(variances) if c.dtype.kind == "c" else variances)
    return c / deviation[:, None] / deviation


composite(np.cov, _cov, arrays=("m", "y", "aweights"))
composite(np.corrcoef, _corrcoef, arrays=("x", "y"))


# --- histograms -----------------------------------------------------------------------------


def _histogram(
    a: Array,
    weights: Array,
    *,
    bins: Any,
    range: Any,  # noqa: A002  (NumPy's name)
    density: bool | None,
) -> tuple[Array, Array]:
    """Weights add up in their bins. The data only choose a bin, so no gradient passes to them.

    Edges that would move with the data are refused (`histogram_bin_edges`).
    """
    if weights is not None and isinstance(bins, str):
        raise TypeError("a number of bins cannot be estimated from weighted data")
    if weights is not None and np.shape(weights) != np.shape(a):
        raise ValueError("weights should have the same shape as a.")
    edges = np.histogram_bin_edges(a, bins=bins, range=range)
    last = np.size(edges) - 2
    after = np.searchsorted(edges, a, side="right") - 1
    found = np.where(np.equal(a, edges[-1]), last, after)  # the last bin has both of its ends
    inside = np.logical_and(found >= 0, found <= last)
    added = np.ones(np.shape(a), int) if weights is None else weights
    counts = scatter_add(getitem(added, inside), found[inside], (last + 1,))
    if density:
        counts = counts / cast(np.diff(edges), float) / np.sum(counts)
    return counts, edges


composite(np.histogram, _histogram, arrays=("a", "weights"))

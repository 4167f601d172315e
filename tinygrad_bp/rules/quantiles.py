"""Medians and quantiles: elements chosen by their rank, and what lies between two of them.

Which elements those are is found from plain numbers, and does not vary. Equal elements are not
shared out: the one that sorting puts in that place receives the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.operands import beside, is_foreign, placed
from tinygrad_bp.registry import Array, composite, fixed_in
from tinygrad_bp.rules.elementwise import cast
from tinygrad_bp.rules.nans import numbers
from tinygrad_bp.rules.reductions import Axis, axes_of, converted, demand
from tinygrad_bp.rules.statistics import weights_along

Position = Callable[[Any, Any], Any]
"""Given the number of elements and q, where the quantile lies among them in order, from 0."""

_fixed = fixed_in("quantile")


# --- the samples and their order ------------------------------------------------------------


def _samples(a: Array, axis: Axis) -> Array:
    """The axes that are sampled, as one axis in front of all others."""
    axes = axes_of(a, axis)
    moved = np.moveaxis(a, axes, range(len(axes)))
    return np.reshape(moved, (math.prod(moved.shape[: len(axes)]), *moved.shape[len(axes) :]))


def _placed(y: Array, a: Array, axis: Axis, keepdims: bool, leading: tuple[int, ...]) -> Array:
    """A result, with the shape of q in front and, if they are kept, the axes that were sampled."""
    axes = axes_of(a, axis)
    shape = [1 if i in axes else n for i, n in enumerate(a.shape) if keepdims or i not in axes]
    return np.reshape(y, (*leading, *shape))


def _at_ranks(x: Array, *ranks: Any, some: bool) -> list[Array]:
    """The elements with these ranks, an array of them for each sample; nan comes last.

    If only `some` ranks are asked for, and of every sample the same ones, the rest stays unsorted.
    """
    ranks = tuple(cast(rank, np.intp) for rank in ranks)
    if some and not is_foreign(x):  # there, ranks would have to come back from where x is
        order = np.argpartition(x, np.concatenate([np.ravel(rank) for rank in ranks]), axis=0)
    else:
        order = np.argsort(x, axis=0)
    wanted = [np.broadcast_to(placed(r, x), (r.shape[0], *x.shape[1:])) for r in ranks]
    places = [np.take_along_axis(order, rank, axis=0) for rank in wanted]
    return [np.take_along_axis(x, place, axis=0) for place in places]


def _undefined_with_nan(y: Array, x: Array) -> Array:
    """A sample with a nan in it has no quantile: nan, and so is its gradient."""
    return y * cast(np.where(np.any(np.isnan(x), axis=0), math.nan, 1), y.dtype)


# --- medians --------------------------------------------------------------------------------


def _median(a: Array, *, axis: Axis, keepdims: bool) -> Array:
    x = _samples(a, axis)
    n = x.shape[0]
    if n == 0:
        return np.mean(a, axis=axis, keepdims=keepdims)  # nan, with NumPy's warning
    ranks = np.arange((n - 1) // 2, n // 2 + 1)
    middle = np.reshape(ranks, (-1,) + (1,) * (x.ndim - 1))
    [found] = _at_ranks(x, middle, some=True)
    y = _undefined_with_nan(np.mean(found, axis=0), x)
    return _placed(y, a, axis, keepdims, ())


def _nanmedian(a: Array, *, axis: Axis, keepdims: bool) -> Array:
    x = _samples(a, axis)
    n = np.sum(numbers(x, where=True), axis=0, keepdims=True)
    lower, upper = _at_ranks(x, (n - 1) // 2, n // 2, some=False)
    return _placed(0.5 * (lower + upper), a, axis, keepdims, ())


composite(np.median, _median)
composite(np.nanmedian, _nanmedian)


# --- quantiles ------------------------------------------------------------------------------

# Hyndman and Fan (1996), "Sample quantiles in statistical packages": a straight line through the
# ranks, n q + a + q (1 - a - b) - 1, between which q moves the result.
_LINES = {
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "linear": (1, 1),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


def _nearest_even(n: Any, q: Any) -> Any:
    """The nearest rank, and between two the even one, counted from 1."""
    place = n * q - 1.5
    below = np.floor(place)
    return np.where(np.logical_and(place == below, below % 2 == 1), below, below + 1)


def _averaged(n: Any, q: Any) -> Any:
    """The next rank, or half-way to it where q falls on a step of the distribution."""
    place = n * q - 1
    return np.where(place == np.floor(place), place + 0.5, np.ceil(place))


# One rank, which q does not move but for jumps.
_RANKS: dict[str, Position] = {
    "inverted_cdf": lambda n, q: np.ceil(n * q - 1),
    "closest_observation": _nearest_even,
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.round((n - 1) * q),
}

# The same, or the middle between two ranks.
_HALVES: dict[str, Position] = {
    "averaged_inverted_cdf": _averaged,
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
}


def _limited(places: Any, last: Any) -> Any:
    """Places from 0 to the last one there is."""
    return np.maximum(np.minimum(places, last), 0)


def _between(lower: Array, upper: Array, part: Array) -> Array:
    """The value a part of the way from one to the other, exact at both ends, as in NumPy."""
    step = upper - lower
    return np.where(part >= 0.5, upper - step * (1 - part), lower + step * part)


def _quantiles(x: Array, q: Array, n: Any, method: str, *, some: bool) -> Array:
    """Quantiles of samples of n numbers each; q has one axis, and those of the samples."""
    if method in _RANKS:
        return _at_ranks(x, _limited(_RANKS[method](n, _fixed(q)), n - 1), some=some)[0]
    if method in _HALVES:
        place = _limited(_HALVES[method](n, _fixed(q)), n - 1)
        lower, upper = np.floor(place), np.ceil(place)
        below, above = _at_ranks(x, lower, upper, some=some)
        return _between(below, above, place - lower)
    if method not in _LINES:
        known = ", ".join([*_RANKS, *_HALVES, *_LINES])
        raise ValueError(f"{method!r} is not a valid method. Use one of: {known}")
    first, second = _LINES[method]
    place = (n - 1) * q if method == "linear" else n * q + (first + q * (1 - first - second)) - 1
    lower = _limited(np.floor(place), n - 2)
    inside = np.logical_and(place >= 0, place <= n - 1)
    part = np.where(inside, place - lower, cast(place > 0, place.dtype))
    below, above = _at_ranks(x, lower, _limited(lower + 1, n - 1), some=some)
    return _between(below, above, part)


def _weighted_ranks(x: Any, q: Any, weights: Any) -> Any:
    """The first rank at which the weights, added up, reach a share q of all of them."""
    order = np.argsort(x, axis=0)
    added = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0, dtype=np.float64)
    usable = np.logical_and(np.isfinite(added[-1]), added[-1] > 0)
    nothing = np.all(np.isnan(x), axis=0)
    demand(np.logical_or(usable, nothing), ValueError("the weights are infinite, or all 0"))
    shares = cast(added / np.where(usable, added[-1], 1), q.dtype)
    reached = np.where(shares == 0, -1, shares)  # what has no weight is not the first of all
    before = np.sum(np.expand_dims(reached, 0) < np.expand_dims(q, 1), axis=1)
    return np.minimum(before, x.shape[0] - 1)


def _along(
    a: Array, q: Array, weights: Array, *, axis: Axis, method: str, keepdims: bool, hide: bool
) -> Array:
    """Quantiles along axes, for a number q in the dtype of the data; `hide` leaves out nan."""
    a = a if np.ndim(a) else np.reshape(a, ())
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    x = _samples(a, axis)
    q_there = np.asarray(q, like=beside(x)) if beside(q) is None else q
    shares = np.reshape(q_there, (-1,) + (1,) * (x.ndim - 1))
    shares = shares if shares.dtype.kind == "f" else cast(shares, np.float64)
    if weights is not None:
        if method != "inverted_cdf":
            raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
        plain = _fixed(weights)
        demand(plain >= 0, ValueError("Weights must be non-negative."))
        w = _samples(np.broadcast_to(weights_along(plain, a, axis), a.shape), axis)
        w = np.where(np.isnan(x), 0, w) if hide else w
        [y] = _at_ranks(x, _weighted_ranks(x, _fixed(shares), w), some=False)
    elif hide:
        n = np.sum(numbers(x, where=True), axis=0, dtype=shares.dtype)
        y = _quantiles(x, shares, n, method, some=False)
    else:
        y = _quantiles(x, shares, x.shape[0], method, some=True)
    y = y if hide else _undefined_with_nan(y, x)
    if type(q) in (int, float) and a.dtype.kind == "f":
        y = converted(y, None if y.dtype == a.dtype else a.dtype)
    return _placed(y, a, axis, keepdims, np.shape(q))


def _quantile(*, hide: bool) -> Any:
    def quantile(
        a: Array, q: Array, weights: Array, *, axis: Axis, method: str, keepdims: bool
    ) -> Array:
        inside = np.logical_and(np.greater_equal(q, 0), np.less_equal(q, 1))
        demand(inside, ValueError("Quantiles must be in the range [0, 1]"))
        return _along(a, q, weights, axis=axis, method=method, keepdims=keepdims, hide=hide)

    return quantile


def _percentile(*, hide: bool) -> Any:
    def percentile(
        a: Array, q: Array, weights: Array, *, axis: Axis, method: str, keepdims: bool
    ) -> Array:
        inside = np.logical_and(np.greater_equal(q, 0), np.less_equal(q, 100))
        demand(inside, ValueError("Percentiles must be in the range [0, 100]"))
        return _along(a, q / 100, weights, axis=axis, method=method, keepdims=keepdims, hide=hide)

    return percentile


composite(np.quantile, _quantile(hide=False), arrays=("a", "q", "weights"))
composite(np.nanquantile, _quantile(hide=True), arrays=("a", "q", "weights"))
composite(np.percentile, _percentile(hide=False), arrays=("a", "q", "weights"))
composite(np.nanpercentile, _percentile(hide=True), arrays=("a", "q", "weights"))

"""PyTorch's methods that write to positions of a copy: the copy with new elements, or with sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_bp.methods.calls import Calls, choice
from tinygrad_bp.rules.indexing import listed, plain_index, scatter_add

__all__ = ["WritingMethods"]


class WritingMethods(Calls):
    """Nothing is written in place: each gives a new array.

    Where several are written to one position, the last one holds, and it alone receives a gradient.
    """

    __slots__ = ()

    # --- along an axis, at positions of their own ---------------------------------------------

    def gather(self, dim: int, index: Any) -> Self:
        """Return the elements at positions along an axis; elsewhere each keeps its own position."""
        x, index = _row(self), listed(index)
        if index.size == 0:
            return x.reshape(-1)[:0].reshape(index.shape)
        return x[_places(x, dim, _row(index))].reshape(index.shape)

    def take_along_dim(self, indices: Any, dim: int | None = None) -> Self:
        """Return the elements at positions along an axis, with broadcasting along the others."""
        if dim is None:
            return self._as_written(np.take, np.ravel(listed(indices)))
        return self._as_written(np.take_along_axis, listed(indices), axis=dim)

    def scatter_add(self, dim: int, index: Any, src: Any) -> Self:
        """Return the elements with those of `src` added at positions along an axis."""
        return self._scattered(_added, dim, index, src)

    def scatter(
        self,
        dim: int,
        index: Any,
        src: Any = None,
        *,
        reduce: str | None = None,
        value: Any = None,
    ) -> Self:
        """Return the elements with those of `src`, or a number, at positions along an axis.

        `reduce` is "add" or "multiply", to add to what is there or to multiply it. `value` is
        another name for a number.
        """
        if (src is None) == (value is None):
            raise TypeError("scatter: src and value are two names for one thing; give one of them")
        ways = {None: _written, "add": _added, "multiply": _multiplied}
        way = choice("scatter: reduce", reduce, ways)
        return self._scattered(way, dim, index, value if src is None else src)

    def scatter_reduce(
        self, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
    ) -> Self:
        """Return each element combined with those of `src` that are put at its position.

        `reduce` is "sum", "prod", "mean", "amax" or "amin"; ties share the gradient evenly. Without
        `include_self`, what was at the positions does not count.
        """
        return self._scattered(_combined(reduce, include_self=include_self), dim, index, src)

    def _scattered(self, way: Callable[..., Any], dim: int, index: Any, src: Any) -> Any:
        x, index = _row(self), _row(listed(index))
        if index.size == 0:
            return self._as_written(np.copy)
        if np.ndim(src):
            src = src[tuple(map(slice, index.shape))]
        return way(x, _places(x, dim, index), src).reshape(self.shape)

    # --- whole slices -------------------------------------------------------------------------

    def index_add(self, dim: int, index: Any, source: Any, *, alpha: Any = None) -> Self:
        """Return the elements with alpha times the slices of `source` added at positions."""
        return self._slices(_added, dim, index, source if alpha is None else alpha * source)

    def index_copy(self, dim: int, index: Any, source: Any) -> Self:
        """Return the elements with the slices of `source` at positions along an axis."""
        return self._slices(_written, dim, index, source)

    def index_fill(self, dim: int, index: Any, value: Any) -> Self:
        """Return the elements with a value in the slices at positions along an axis."""
        return self._slices(_written, dim, index, value)

    def index_reduce(
        self, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True
    ) -> Self:
        """Return each slice combined with those of `source`; `reduce` as in `scatter_reduce`."""
        return self._slices(_combined(reduce, include_self=include_self), dim, index, source)

    def _slices(self, way: Callable[..., Any], dim: int, index: Any, source: Any) -> Any:
        x = _row(self)
        if np.ndim(source):
            source = _row(source)
        elif self.ndim == 0 and hasattr(source, "reshape"):
            source = source.reshape(1)
        at = (slice(None),) * range(x.ndim)[dim] + (np.atleast_1d(listed(index)),)
        return way(x, at, source).reshape(self.shape)

    def index_put(self, indices: Any, values: Any, accumulate: bool = False) -> Self:  # noqa: FBT001, FBT002
        """Return the elements with values at an index, or with the values added there."""
        return (_added if accumulate else _written)(self, plain_index(tuple(indices)), values)

    def select_scatter(self, src: Any, dim: int, index: int) -> Self:
        """Return the elements with `src` as one slice along an axis."""
        return _written(self, (slice(None),) * range(self.ndim)[dim] + (index,), src)

    def slice_scatter(
        self,
        src: Any,
        dim: int = 0,
        start: int | None = None,
        end: int | None = None,
        step: int = 1,
    ) -> Self:
        """Return the elements with `src` as the slices from `start` to `end` along an axis."""
        at = (slice(None),) * range(self.ndim)[dim] + (slice(start, end, step),)
        return _written(self, at, src)

    def diagonal_scatter(self, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Self:
        """Return the elements with `src` on the diagonal of the matrices in two axes."""
        moved = self._as_written(np.moveaxis, (dim1, dim2), (-2, -1))
        rows, columns = moved.shape[-2:]
        row, column = max(-offset, 0), max(offset, 0)
        along = np.arange(max(min(rows - row, columns - column), 0))
        put = _written(moved, (..., along + row, along + column), src)
        y: Any = np.moveaxis(put, (-2, -1), (dim1, dim2))
        return y

    def masked_scatter(self, mask: Any, source: Any) -> Self:
        """Return the elements with the first ones of `source` where the mask is True, in order."""
        shape = np.broadcast_shapes(self.shape, np.shape(mask))
        at = np.broadcast_to(np.asarray(mask), shape)
        count = int(np.count_nonzero(at))
        x = self._call(np.broadcast_to, (self,), {"shape": shape})
        return _written(x, (at,), np.ravel(source)[:count])


def _row(x: Any) -> Any:
    """A number as a row of one, as PyTorch takes it here."""
    return x if x.ndim else x.reshape(1)


def _places(x: Any, dim: int, index: Any) -> tuple[Any, ...]:
    """An index that says a position along one axis; along the others each keeps its own."""
    dim = normalize_axis_index(dim, x.ndim)
    if index.ndim != x.ndim:
        raise ValueError(f"an index of shape {index.shape} does not fit an array of {x.shape}")
    own = np.indices(index.shape, sparse=True)
    return (*own[:dim], index, *own[dim + 1 :])


# --- the ways to write: x, an index, what is written --------------------------------------------


def _added(x: Any, index: Any, source: Any) -> Any:
    summands = np.broadcast_to(source, _places_of(x, index).shape)
    if summands.dtype != x.dtype:
        summands = summands.astype(x.dtype)
    return x + scatter_add(summands, index, x.shape)


def _written(x: Any, index: Any, source: Any) -> Any:
    """Each position looks up what is written to it, if anything is."""
    places = _places_of(x, index)
    if places.size == 0:
        return np.copy(x)
    reader = np.full(x.size, -1)
    reader[places.ravel()] = np.arange(places.size)
    reader = reader.reshape(x.shape)
    if not hasattr(source, "dtype") or source.dtype != x.dtype:
        source = (
            np.asarray(source, x.dtype) if not hasattr(source, "dtype") else source.astype(x.dtype)
        )
    row = np.ravel(np.broadcast_to(source, places.shape))
    return np.where(reader >= 0, np.take(row, np.maximum(reader, 0)), x)


def _places_of(x: Any, index: Any) -> Any:
    """For each place that an index names, its number among the elements."""
    return np.arange(x.size).reshape(x.shape)[index]


def _multiplied(x: Any, index: Any, source: Any) -> Any:
    """By one factor a position at a time: as often as any position is named."""
    places = _places_of(x, index).ravel()
    row = np.ravel(np.broadcast_to(source, _places_of(x, index).shape))
    order = np.argsort(places, kind="stable")
    first = np.searchsorted(places[order], places[order])
    turns = np.empty(places.size, int)
    turns[order] = np.arange(places.size) - first
    y = np.ravel(x)
    for turn in range(int(turns.max(initial=-1)) + 1):
        now = turns == turn
        y = y * _written(np.ones_like(y), (places[now],), row[now])
    return np.reshape(y, x.shape)


def _combined(reduce: str, *, include_self: bool) -> Callable[..., Any]:
    """The way of a reduction's name."""
    starts = {"sum": 0.0, "prod": 1.0, "mean": 0.0, "amax": -np.inf, "amin": np.inf}
    start = choice("reduce", reduce, starts)

    def combine(x: Any, index: Any, source: Any) -> Any:
        if not include_self:
            x = _written(x, index, start)
        if reduce == "prod":
            return _multiplied(x, index, source)
        if reduce == "sum":
            return _added(x, index, source)
        if reduce == "mean":
            counts = np.zeros(x.shape, x.dtype)
            np.add.at(counts, index, 1)
            return _added(x, index, source) / np.maximum(counts + include_self, 1)
        return _extreme(np.maximum if reduce == "amax" else np.minimum, x, index, source)

    return combine


def _extreme(of: Any, x: Any, index: Any, source: Any) -> Any:
    """The winners of each position, by their mean: ties share evenly."""
    source = np.broadcast_to(source, _places_of(x, index).shape)
    y = np.array(x._value)  # noqa: SLF001
    of.at(y, index, getattr(source, "_value", source))
    winners, own = source == y[index], x == y
    counts = own.astype(y.dtype)
    np.add.at(counts, index, winners)
    return _added(np.where(own, x, 0), index, np.where(winners, source, 0)) / np.maximum(counts, 1)

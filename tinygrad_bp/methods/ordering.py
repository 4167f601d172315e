"""PyTorch's methods that order elements, or go along an axis with what came before."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from tinygrad_bp.methods.calls import Axis, Calls, axis_of

__all__ = ["OrderingMethods", "Positioned"]


class Positioned(NamedTuple):
    """Elements, and their positions along an axis as plain integers."""

    values: Any
    indices: Any


class OrderingMethods(Calls):
    """Those that PyTorch gives positions with give them here, as plain integers."""

    __slots__ = ()

    def topk(
        self,
        k: int,
        dim: int = -1,
        largest: bool = True,  # noqa: FBT001, FBT002
        sorted: bool = True,  # noqa: A002, ARG002, FBT001, FBT002  (they always are)
    ) -> Positioned:
        """Return the k largest elements along an axis, in order, and their positions."""
        if self.ndim == 0:
            return Positioned(self._as_written(np.copy), np.zeros((), int))
        order = np.argsort(self._value, axis=dim, kind="stable")
        if largest:
            order = np.flip(order, dim)
        if not 0 <= k <= self.shape[dim]:
            raise ValueError(f"topk: there are {self.shape[dim]} elements along the axis, not {k}")
        where = np.take(order, np.arange(k), axis=dim)
        return Positioned(self._as_written(np.take_along_axis, where, axis=dim), where)

    def kthvalue(self, k: int, dim: int = -1, keepdim: bool = False) -> Positioned:  # noqa: FBT001, FBT002
        """Return the k-th smallest element along an axis, counted from 1, and its position."""
        if self.ndim == 0:
            return Positioned(self._as_written(np.copy), np.zeros((), int))
        if not 1 <= k <= self.shape[dim]:
            raise ValueError(f"kthvalue: {k} is not from 1 to {self.shape[dim]}")
        where = np.take(np.argsort(self._value, axis=dim, kind="stable"), [k - 1], axis=dim)
        y = self._as_written(np.take_along_axis, where, axis=dim)
        found = (y, where) if keepdim else (np.squeeze(y, dim), np.squeeze(where, dim))
        return Positioned(*found)

    def msort(self) -> Self:
        """Return a copy sorted along the first axis."""
        return self._as_written(np.sort, axis=0)

    def cummax(self, axis: int | None = None, *, dim: int | None = None) -> Positioned:
        """Return the largest element so far along an axis, the first by default, and its position.

        Of equal elements it is the last one's.
        """
        return self._so_far(np.maximum, axis_of(axis, dim, 0))

    def cummin(self, axis: int | None = None, *, dim: int | None = None) -> Positioned:
        """Return the smallest element so far along an axis, and its position, as `cummax`."""
        return self._so_far(np.minimum, axis_of(axis, dim, 0))

    def _so_far(self, better: Any, dim: int) -> Positioned:
        if self.ndim == 0:
            return Positioned(self._as_written(np.copy), np.zeros((), int))
        x = np.asarray(self._value)
        dim = range(x.ndim)[dim]
        best = (x == better.accumulate(x, axis=dim)) | np.isnan(x)
        own = np.arange(x.shape[dim]).reshape(-1, *(1,) * (x.ndim - dim - 1))
        where = np.maximum.accumulate(np.where(best, own, 0), axis=dim)
        return Positioned(self._as_written(np.take_along_axis, where, axis=dim), where)

    def aminmax(self, *, dim: int | None = None, keepdim: bool = False) -> tuple[Self, Self]:
        """Return the smallest and the largest element, along an axis or of all."""
        options = {"axis": dim, "keepdims": keepdim}
        return self._as_written(np.min, **options), self._as_written(np.max, **options)

    def quantile(
        self, q: Any, axis: Axis = None, *, interpolation: str | None = None, **options: Any
    ) -> Self:
        """Return quantiles along `axis`, as NumPy's `quantile`; `interpolation` is its `method`."""
        return self._of_order(np.quantile, q, axis, interpolation, options)

    def nanquantile(
        self, q: Any, axis: Axis = None, *, interpolation: str | None = None, **options: Any
    ) -> Self:
        """Return quantiles of the elements that are not nan; arguments as in `quantile`."""
        return self._of_order(np.nanquantile, q, axis, interpolation, options)

    def _of_order(
        self, function: Any, q: Any, axis: Axis, interpolation: str | None, options: dict[str, Any]
    ) -> Any:
        if "dim" in options:
            axis = options.pop("dim")
        if "keepdim" in options:
            options["keepdims"] = options.pop("keepdim")
        if interpolation is not None:
            options["method"] = interpolation
        return self._as_written(function, q, axis=axis, **options)

    def nansum(self, axis: Axis = None, **options: Any) -> Self:
        """Return the sum of the elements that are not nan; options as in `sum`."""
        return self._reduce(np.nansum, axis, options)

    def nanmean(self, axis: Axis = None, **options: Any) -> Self:
        """Return the mean of the elements that are not nan; options as in `sum`."""
        return self._reduce(np.nanmean, axis, options)

    def nanmedian(self, axis: Axis = None, **options: Any) -> Self:
        """Return NumPy's median of the elements that are not nan."""
        return self._reduce(np.nanmedian, axis, options)

    def diff(self, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Self:
        """Return the differences of neighbours along an axis, n times over."""
        ends = {"prepend": prepend, "append": append}
        given = {name: end for name, end in ends.items() if end is not None}
        return self._as_written(np.diff, n=n, axis=dim, **given)

"""Methods that choose elements by positions, and put them in places, as PyTorch has them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tinygrad_bp.methods.calls import Calls
from tinygrad_bp.rules.indexing import scatter_add

__all__ = ["ChoiceMethods"]


class ChoiceMethods(Calls):
    """Along an axis `dim`; positions are plain integers."""

    __slots__ = ()

    def gather(self, dim: int, index: Any) -> Self:
        """Return the elements at positions along an axis; elsewhere each keeps its own position."""
        index = np.asarray(index)
        kept = self._kept(index.shape, dim)
        return kept._as_written(np.take_along_axis, index, axis=dim)  # noqa: SLF001

    def scatter_add(self, dim: int, index: Any, src: Any) -> Self:
        """Return the elements with those of `src` added at positions along an axis."""
        index = np.asarray(index)
        added = scatter_add(
            src[tuple(map(slice, index.shape))], self._places(dim, index), self.shape
        )
        return self._call(np.add, (self, added))

    def scatter(self, dim: int, index: Any, src: Any) -> Self:
        """Return the elements with those of `src`, or a number, put at positions along an axis.

        Of several that are put in one place, the last stays.
        """
        index = np.asarray(index)
        source = np.full(self.shape, -1)
        source[self._places(dim, index)] = np.arange(index.size).reshape(index.shape)
        if np.ndim(src) == 0:
            return self._call(np.where, (source < 0, self, src))
        given = self._call_as_written(np.ravel, (src[tuple(map(slice, index.shape))],), {})
        return self._call(np.where, (source < 0, self, given[source]))

    def _places(self, dim: int, index: Any) -> tuple[Any, ...]:
        """Where each position is: it keeps its own place along the other axes."""
        dim = range(self.ndim)[dim]
        own = np.indices(index.shape, sparse=True)
        return (*own[:dim], index, *own[dim + 1 :])

    def _kept(self, shape: tuple[int, ...], dim: int) -> Self:
        """The part that an index of a shape reaches: PyTorch's may be shorter along other axes."""
        if len(shape) != self.ndim:
            raise ValueError(f"an index of shape {shape} does not fit an array of {self.shape}")
        cuts = list(map(slice, shape))
        cuts[dim] = slice(None)
        return self[tuple(cuts)]  # type: ignore[index]

    def index_select(self, dim: int, index: Any) -> Self:
        """Return the slices at positions along an axis."""
        return self._as_written(np.take, index, axis=dim)

    def masked_select(self, mask: Any) -> Self:
        """Return the elements at which the mask is True, along one axis."""
        return self[np.broadcast_to(mask, self.shape)]  # type: ignore[index]

    def narrow(self, dim: int, start: int, length: int) -> Self:
        """Return the slices from `start`, `length` of them, along an axis."""
        return self._as_written(np.take, np.arange(start, start + length), axis=dim)

    def select(self, dim: int, index: int) -> Self:
        """Return one slice along an axis."""
        return self._as_written(np.take, index, axis=dim)

    # --- by size ----------------------------------------------------------------------------

    def topk(self, k: int, dim: int = -1, *, largest: bool = True) -> tuple[Self, Any]:
        """Return the k largest (or smallest) along an axis, in order, and their positions."""
        order = np.argsort(self._value, axis=dim, kind="stable")
        order = np.take(np.flip(order, dim) if largest else order, np.arange(k), axis=dim)
        return self._as_written(np.take_along_axis, order, axis=dim), order

    def cummax(self, dim: int) -> tuple[Self, Any]:
        """Return the largest element so far along an axis, and its position, the last of equals."""
        return self._so_far(np.maximum, dim)

    def cummin(self, dim: int) -> tuple[Self, Any]:
        """Return the smallest element so far along an axis, and its position."""
        return self._so_far(np.minimum, dim)

    def _so_far(self, better: np.ufunc, dim: int) -> tuple[Self, Any]:
        best = better.accumulate(self._value, axis=dim)
        own = np.indices(self.shape, sparse=True)[dim]
        where = np.maximum.accumulate(np.where(self._value == best, own, 0), axis=dim)
        return self._as_written(np.take_along_axis, where, axis=dim), where

"""The methods that NumPy's arrays have, with NumPy's arguments.

What NumPy does in place (`sort`, `partition`) gives a new array here, since nothing is recorded in
place. Reductions take PyTorch's `dim` and `keepdim` as well.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tinygrad_bp.methods.calls import Axis, Calls, axis_of

__all__ = ["ArrayMethods"]

_TORCHS_WORDS = {"dim", "keepdim", "unbiased", "correction"}
_TORCHS_SORT = {"dim", "descending"}


class ArrayMethods(Calls):
    """Shapes, reductions, the choice of elements, and facts about memory."""

    __slots__ = ()

    # --- facts ------------------------------------------------------------------------------

    @property
    def itemsize(self) -> int:
        """How many bytes an element takes."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """How many bytes the elements take."""
        return self.size * self.dtype.itemsize

    # --- complex numbers --------------------------------------------------------------------

    @property
    def real(self) -> Self:
        """The real part: the array itself, if it is real."""
        return self if self.dtype.kind != "c" else self._call(np.real, (self,))

    @property
    def imag(self) -> Any:
        """The imaginary part: plain zeros, if the array is real."""
        if self.dtype.kind != "c":
            return np.zeros(self.shape, self.dtype)
        return self._call(np.imag, (self,))

    def conj(self) -> Self:
        """Return the complex conjugate: the array itself, if it is real."""
        return self if self.dtype.kind != "c" else self._call(np.conjugate, (self,))

    def conjugate(self) -> Self:
        """Return the complex conjugate: the array itself, if it is real."""
        return self.conj()

    # --- shapes -----------------------------------------------------------------------------

    @property
    def T(self) -> Self:  # noqa: N802  (NumPy's name)
        """The transpose: all axes in reverse order."""
        return self._call(np.transpose, (self,), {"axes": None})

    @property
    def mT(self) -> Self:  # noqa: N802
        """The transpose of the last two axes."""
        return self._call(np.swapaxes, (self,), {"axis1": -1, "axis2": -2})

    def copy(self, order: str = "C") -> Self:
        """Return a new array with the same values, through which gradients pass."""
        return self._as_written(np.copy) if order == "C" else self._as_written(np.copy, order=order)

    def reshape(self, *shape: Any, order: str = "C") -> Self:
        """Return the elements in another shape; one length may be -1."""
        shape = shape[0] if len(shape) == 1 else shape
        if order != "C":
            return self._as_written(np.reshape, shape, order=order)
        return self._call(np.reshape, (self,), {"shape": shape})

    def transpose(self, *axes: Any, dim0: Any = None, dim1: Any = None) -> Self:
        """Return the axes in another order, reversed by default.

        Two numbers are a permutation of two axes, as in NumPy; PyTorch's exchange of two axes is
        `t.transpose(dim0=0, dim1=1)` or `t.swapaxes(0, 1)`.
        """
        if dim0 is not None:
            return self.swapaxes(dim0, dim1)
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = axes[0]
        if axes and len(axes) == 2 < self.ndim:
            raise ValueError(
                f"transpose{tuple(axes)} does not order {self.ndim} axes, and here it is NumPy's "
                f"permutation. To exchange two axes, write t.swapaxes{tuple(axes)}."
            )
        return self._call(np.transpose, (self,), {"axes": axes or None})

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Return the axes with two of them exchanged."""
        return self._call(np.swapaxes, (self,), {"axis1": axis1, "axis2": axis2})

    def squeeze(self, axis: Axis = None, *, dim: Any = None) -> Self:
        """Return the elements without the axes of length 1.

        Those of `axis` must have length 1, as in NumPy; of `dim`, those that have are left out, as
        in PyTorch.
        """
        if dim is not None:
            dims = dim if isinstance(dim, tuple | list) else (dim,)
            axis = tuple(d for d in dims if self.shape[d] == 1)
        return self._as_written(np.squeeze, axis=axis)

    def ravel(self, order: str = "C") -> Self:
        """Return the elements along one axis."""
        if order != "C":
            return self._as_written(np.ravel, order=order)
        return self._call(np.ravel, (self,))

    def flatten(self, start_dim: Any = 0, end_dim: int = -1, *, order: str = "C") -> Self:
        """Return the elements along one axis; PyTorch's axes from `start_dim` to `end_dim` only.

        A word in the first place is NumPy's order: `t.flatten("C")`.
        """
        if isinstance(start_dim, str):
            return self.ravel(start_dim)
        if (start_dim, end_dim) == (0, -1):
            return self.ravel(order)
        first, last = start_dim % self.ndim, end_dim % self.ndim
        return self.reshape(*self.shape[:first], -1, *self.shape[last + 1 :])

    # --- reductions -------------------------------------------------------------------------

    def sum(self, axis: Axis = None, *keepdim: bool, **options: Any) -> Self:
        """Return the sum along `axis`, all axes by default.

        Options are NumPy's (`keepdims`, `dtype`, `initial`, `where`), or PyTorch's `dim` and
        `keepdim`.
        """
        return self._reduce(np.sum, axis, options, *keepdim)

    def mean(self, axis: Axis = None, *keepdim: bool, **options: Any) -> Self:
        """Return the mean along `axis`; options as in `sum`."""
        return self._reduce(np.mean, axis, options, *keepdim)

    def prod(self, axis: Axis = None, *keepdim: bool, **options: Any) -> Self:
        """Return the product along `axis`; options as in `sum`."""
        return self._reduce(np.prod, axis, options, *keepdim)

    def max(self, axis: Axis = None, *keepdim: bool, **options: Any) -> Self:
        """Return the largest element along `axis`; options as in `sum`.

        There are no positions with it, even if PyTorch's `dim` is given: those are `argmax`.
        """
        return self._reduce(np.max, axis, options, *keepdim)

    def min(self, axis: Axis = None, *keepdim: bool, **options: Any) -> Self:
        """Return the smallest element along `axis`; options as in `sum`, and as in `max`."""
        return self._reduce(np.min, axis, options, *keepdim)

    def var(self, axis: Axis = None, **options: Any) -> Self:
        """Return the variance along `axis`, with NumPy's `ddof=0`.

        With a word of PyTorch's (`dim`, `keepdim`, `correction`, `unbiased`), its default holds:
        `correction=1`.
        """
        return self._reduce(np.var, axis, _corrected(options))

    def std(self, axis: Axis = None, **options: Any) -> Self:
        """Return the standard deviation along `axis`; options as in `var`."""
        return self._reduce(np.std, axis, _corrected(options))

    def any(self, axis: Axis = None, *keepdim: bool, **options: Any) -> Any:
        """Return whether any element is not 0, as plain values."""
        return self._reduce(np.any, axis, options, *keepdim)

    def all(self, axis: Axis = None, *keepdim: bool, **options: Any) -> Any:
        """Return whether no element is 0, as plain values."""
        return self._reduce(np.all, axis, options, *keepdim)

    def argmax(self, axis: int | None = None, *keepdim: bool, **options: Any) -> Any:
        """Return where the largest element is, as plain integers."""
        return self._reduce(np.argmax, axis, options, *keepdim)

    def argmin(self, axis: int | None = None, *keepdim: bool, **options: Any) -> Any:
        """Return where the smallest element is, as plain integers."""
        return self._reduce(np.argmin, axis, options, *keepdim)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Return the sum along the diagonal."""
        return self._as_written(np.trace, offset=offset, axis1=axis1, axis2=axis2)

    # --- along an axis ----------------------------------------------------------------------

    def cumsum(self, axis: int | None = None, *, dim: int | None = None) -> Self:
        """Return the running sum along `axis`, of all elements in one row by default."""
        return self._call(np.cumsum, (self,), {"axis": axis_of(axis, dim)})

    def cumprod(self, axis: int | None = None, *, dim: int | None = None) -> Self:
        """Return the running product along `axis`, of all elements in one row by default."""
        return self._as_written(np.cumprod, axis=axis_of(axis, dim))

    def sort(self, axis: int | None = -1, **options: Any) -> Self:
        """Return a sorted copy: nothing in place, as NumPy would, and no positions, as PyTorch.

        For positions there is `argsort`. PyTorch's words raise, since its `sort` gives a pair.
        """
        if not _TORCHS_SORT.isdisjoint(options):
            raise TypeError(
                "PyTorch's sort gives values and positions. Here t.sort(axis=1) gives the values, "
                "t.argsort(axis=1) the positions, and np.flip of either turns the order around."
            )
        return self._as_written(np.sort, axis=axis, **options)

    def argsort(
        self,
        axis: int | None = None,
        descending: bool = False,  # noqa: FBT001, FBT002
        *,
        dim: int | None = None,
        stable: Any = None,
    ) -> Any:
        """Return the positions that would sort along an axis, the last by default, as integers."""
        if isinstance(descending, str):
            raise TypeError(f"t.argsort(axis, descending); write stable=True for {descending!r}")
        axis = axis_of(axis, dim, -1)
        kind: Any = "stable" if stable else None
        if not descending:
            return self._as_written(np.argsort, axis=axis, kind=kind)
        order = np.argsort(np.flip(self._value, axis), axis=axis, kind=kind)
        return self._value.shape[axis] - 1 - np.flip(order, axis)

    def partition(self, kth: Any, axis: int | None = -1) -> Self:
        """Return a copy with the kth element in its sorted place, smaller ones before it."""
        return self._as_written(np.partition, kth, axis=axis)

    def argpartition(self, kth: Any, axis: int | None = -1) -> Any:
        """Return the positions that would partition along an axis, as plain integers."""
        return self._as_written(np.argpartition, kth, axis=axis)

    def repeat(self, repeats: Any, *several: Any, axis: int | None = None) -> Self:
        """Return each element repeated, as in NumPy; PyTorch's `repeat` is `tile` here.

        Several counts need an axis: without one, they could be PyTorch's.
        """
        if several or (axis is None and isinstance(repeats, tuple | list)):
            raise TypeError(
                "t.repeat is NumPy's, which repeats each element: name the axis, as in "
                "t.repeat(2, axis=0). PyTorch's repeat is t.tile(2, 3)."
            )
        return self._as_written(np.repeat, repeats, axis=axis)

    # --- choosing elements ------------------------------------------------------------------

    def take(self, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Self:
        """Return the elements at positions along an axis, or among all of them in one row."""
        return self._as_written(np.take, indices, axis=axis, mode=mode)

    def compress(self, condition: Any, axis: int | None = None) -> Self:
        """Return the elements along an axis at which the condition holds."""
        return self._call_as_written(np.compress, (condition, self), {"axis": axis})

    def choose(self, choices: Any, *, mode: str = "raise") -> Any:
        """Return, of several arrays, the elements of the one that this array of integers names."""
        return self._as_written(np.choose, choices, mode=mode)

    def diagonal(
        self,
        offset: int = 0,
        axis1: int | None = None,
        axis2: int | None = None,
        *,
        dim1: int | None = None,
        dim2: int | None = None,
    ) -> Self:
        """Return the diagonal of the matrices in two axes, the first two by default."""
        axes = {"axis1": axis_of(axis1, dim1, 0), "axis2": axis_of(axis2, dim2, 1)}
        return self._as_written(np.diagonal, offset=offset, **axes)

    def nonzero(self) -> Any:
        """Return the positions of the elements that are not 0: one array of integers an axis."""
        return self._as_written(np.nonzero)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Any:
        """Return where values would be inserted into this sorted array, as plain integers."""
        return self._as_written(np.searchsorted, v, side=side, sorter=sorter)

    def dot(self, other: Any) -> Self:
        """Return `np.dot(self, other)`."""
        return self._as_written(np.dot, other)


def _corrected(options: dict[str, Any]) -> dict[str, Any]:
    """Whoever uses PyTorch's words means its default, too."""
    if not _TORCHS_WORDS.isdisjoint(options) and "ddof" not in options:
        unbiased = options.pop("unbiased", True)
        options.setdefault("correction", 1 if unbiased else 0)
    return options

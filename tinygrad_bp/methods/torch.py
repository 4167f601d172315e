"""Methods that PyTorch's tensors have and NumPy's arrays do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tinygrad_bp.methods.calls import Axis, Calls, listed

__all__ = ["TorchMethods"]

Integer = int  # `int` is a method here
Boolean = bool


class TorchMethods(Calls):
    """Shapes, choices, products and conversions by PyTorch's names."""

    __slots__ = ()

    # --- shapes -----------------------------------------------------------------------------

    def dim(self) -> Integer:
        """Return the number of axes, NumPy's `ndim`."""
        return self.ndim

    def numel(self) -> Integer:
        """Return the number of elements, NumPy's `size`."""
        return self.size

    def view(self, *shape: Any) -> Self:
        """Return the elements in another shape; NumPy's view of another dtype there is not."""
        if len(shape) == 1 and not (
            isinstance(shape[0], tuple | list) or hasattr(shape[0], "__index__")
        ):
            raise TypeError(
                f"t.view({shape[0]!r}) would read the memory as another dtype, through which no "
                "gradient passes; to convert the values, write t.astype(dtype)."
            )
        return self._call(np.reshape, (self,), {"shape": shape[0] if len(shape) == 1 else shape})

    def reshape_as(self, other: Any) -> Self:
        """Return the elements in the shape of another array."""
        return self._call(np.reshape, (self,), {"shape": other.shape})

    view_as = reshape_as

    def unsqueeze(self, dim: Axis) -> Self:
        """Return the elements with a new axis of length 1 at `dim`."""
        return self._call(np.expand_dims, (self,), {"axis": dim})

    def unflatten(self, dim: Integer, sizes: Sequence[Integer]) -> Self:
        """Return the elements with one axis cut up into several."""
        dim = range(self.ndim)[dim]
        shape = (*self.shape[:dim], *sizes, *self.shape[dim + 1 :])
        return self._call(np.reshape, (self,), {"shape": shape})

    def permute(self, *dims: Any) -> Self:
        """Return the axes in another order."""
        return self._call(np.transpose, (self,), {"axes": listed(dims)})

    def movedim(self, source: Axis, destination: Axis) -> Self:
        """Return the axes with some of them moved to other places."""
        return self._as_written(np.moveaxis, source, destination)

    moveaxis = movedim

    def swapdims(self, dim0: Integer, dim1: Integer) -> Self:
        """Return the axes with two of them exchanged."""
        return self._call(np.swapaxes, (self,), {"axis1": dim0, "axis2": dim1})

    def t(self) -> Self:
        """Return the transpose of a matrix; a vector or a number stays as it is."""
        if self.ndim > 2:
            raise ValueError(f"t() is for matrices, not for {self.ndim} axes; write t.mT or t.T")
        return self._call(np.transpose, (self,), {"axes": None})

    def expand(self, *sizes: Any) -> Self:
        """Return the elements repeated along axes of length 1; -1 keeps a length."""
        sizes = listed(sizes)
        known = (1,) * (len(sizes) - self.ndim) + self.shape
        shape = tuple([n if size == -1 else size for size, n in zip(sizes, known, strict=True)])
        return self._call(np.broadcast_to, (self,), {"shape": shape})

    def broadcast_to(self, *shape: Any) -> Self:
        """Return the elements repeated as broadcasting would, to a shape."""
        return self._call(np.broadcast_to, (self,), {"shape": listed(shape)})

    def expand_as(self, other: Any) -> Self:
        """Return the elements repeated as broadcasting would, to the shape of another array."""
        return self._call(np.broadcast_to, (self,), {"shape": other.shape})

    def tile(self, *reps: Any) -> Self:
        """Return the whole array repeated along each axis, PyTorch's `repeat`."""
        return self._as_written(np.tile, listed(reps))

    def repeat_interleave(self, repeats: Any, dim: Integer | None = None) -> Self:
        """Return each element repeated, NumPy's `repeat`."""
        return self._as_written(np.repeat, repeats, axis=dim)

    def flip(self, *dims: Any) -> Self:
        """Return the elements in reverse order along axes, along all of them by default."""
        return self._as_written(np.flip, axis=listed(dims) if dims else None)

    def roll(self, shifts: Any, dims: Any = None) -> Self:
        """Return the elements moved along an axis, those that leave it coming in again."""
        if np.size(shifts) != (1 if dims is None else np.size(dims)):
            raise ValueError(f"roll: shifts {shifts} and axes {dims} are not as many")
        return self._as_written(np.roll, shifts, axis=dims)

    def sum_to_size(self, *size: Any) -> Self:
        """Return the sums along the axes that broadcasting from `size` to this shape repeats."""
        wanted = listed(size)
        new = self.ndim - len(wanted)
        axes = [i for i, n in enumerate(wanted, new) if n == 1 != self.shape[i]]
        total = self._as_written(np.sum, axis=(*range(new), *axes), keepdims=True)
        return self._call(np.reshape, (total,), {"shape": tuple(wanted)})

    # --- cutting ----------------------------------------------------------------------------

    def split(self, split_size: Any, dim: Integer = 0) -> tuple[Self, ...]:
        """Return parts of a size along an axis, the last one smaller, or of the given sizes.

        This is PyTorch's method; `np.split` counts the parts.
        """
        length = self.shape[dim]
        if hasattr(split_size, "__index__"):
            cuts = list(range(split_size, length, split_size))
        elif sum(split_size) == length:
            cuts = np.cumsum(split_size)[:-1].tolist()
        else:
            raise ValueError(f"sizes {split_size} do not add up to the {length} along axis {dim}")
        return tuple(self._as_written(np.split, cuts, axis=dim))

    def chunk(self, chunks: Integer, dim: Integer = 0) -> tuple[Self, ...]:
        """Return so many parts along an axis, or fewer, of equal size but for the last."""
        return self.split(max(-(-self.shape[dim] // chunks), 1), dim)

    def tensor_split(self, indices_or_sections: Any, dim: Integer = 0) -> tuple[Self, ...]:
        """Return so many parts along an axis, or those between positions, NumPy's `array_split`."""
        given = np.asarray(indices_or_sections)
        cuts = int(given) if given.ndim == 0 else given.tolist()
        return tuple(self._as_written(np.array_split, cuts, axis=dim))

    def split_with_sizes(self, split_sizes: Any, dim: Integer = 0) -> tuple[Self, ...]:
        """Return parts of the given sizes along an axis."""
        return self.split(list(split_sizes), dim)

    def unfold(self, dimension: Integer, size: Integer, step: Integer) -> Self:
        """Return the windows along an axis, `step` apart; their elements are along a new last axis.

        The windows of images, as columns, are `functional.unfold`.
        """
        x = self if self.ndim else self._call(np.reshape, (self,), {"shape": (1,)})
        if step <= 0:
            raise ValueError(f"unfold: windows are at least 1 apart, not {step}")
        windows = np.lib.stride_tricks.sliding_window_view
        cut = x._as_written(windows, size, axis=dimension)  # noqa: SLF001
        place = (slice(None),) * range(x.ndim)[dimension]
        y = cut[(*place, slice(None, None, step))]
        return y if self.ndim else y[0]

    def unbind(self, dim: Integer = 0) -> tuple[Self, ...]:
        """Return the slices along an axis."""
        return tuple(self._as_written(np.moveaxis, dim, 0))

    # --- choosing elements ------------------------------------------------------------------

    def index_select(self, dim: Integer, index: Any) -> Self:
        """Return the slices at positions along an axis."""
        if not self.ndim:  # a number is a row of one here
            return self.view(1).index_select(dim, index)
        return self._as_written(np.take, index, axis=dim)

    def masked_select(self, mask: Any) -> Self:
        """Return the elements at which the mask is True, along one axis."""
        shape = np.broadcast_shapes(self.shape, np.shape(mask)) or (1,)
        x = self if shape == self.shape else self._call(np.broadcast_to, (self,), {"shape": shape})
        return x[np.broadcast_to(mask, shape)]  # type: ignore[index]

    def narrow(self, dim: Integer, start: Integer, length: Integer) -> Self:
        """Return the slices from `start`, `length` of them, along an axis."""
        return self._as_written(np.take, np.arange(start, start + length), axis=dim)

    def select(self, dim: Integer, index: Integer) -> Self:
        """Return one slice along an axis."""
        return self._as_written(np.take, index, axis=dim)

    def diag(self, diagonal: Integer = 0) -> Self:
        """Return the diagonal of a matrix, or the matrix with a vector on its diagonal."""
        return self._as_written(np.diag, diagonal)

    def tril(self, diagonal: Integer = 0) -> Self:
        """Return the elements on and below a diagonal, and 0 above."""
        return self._call(np.tril, (self,), {"k": diagonal})

    def triu(self, diagonal: Integer = 0) -> Self:
        """Return the elements on and above a diagonal, and 0 below."""
        return self._call(np.triu, (self,), {"k": diagonal})

    # --- reductions -------------------------------------------------------------------------

    def amax(self, axis: Axis = None, **options: Any) -> Self:
        """Return the largest element along `axis`, as `max` does."""
        return self._reduce(np.max, axis, options)

    def amin(self, axis: Axis = None, **options: Any) -> Self:
        """Return the smallest element along `axis`, as `min` does."""
        return self._reduce(np.min, axis, options)

    def median(self, axis: Axis = None, **options: Any) -> Self:
        """Return NumPy's median along `axis`: the mean of the middle two, where there are two."""
        return self._reduce(np.median, axis, options)

    def var_mean(self, axis: Any = None, **options: Any) -> tuple[Self, Self]:
        """Return PyTorch's variance, with `correction=1` by default, and the mean."""
        return self._with_mean(np.var, axis, options)

    def std_mean(self, axis: Any = None, **options: Any) -> tuple[Self, Self]:
        """Return PyTorch's standard deviation, with `correction=1` by default, and the mean."""
        return self._with_mean(np.std, axis, options)

    def _with_mean(self, spread: Any, axis: Any, options: dict[str, Any]) -> tuple[Self, Self]:
        if isinstance(axis, bool):  # PyTorch's second place is `unbiased`, too
            options["unbiased"], axis = axis, None
        unbiased, correction = options.pop("unbiased", True), options.pop("correction", None)
        if correction is None:
            correction = int(unbiased)
        mean = self._reduce(np.mean, axis, {**options})
        return self._reduce(spread, axis, {"correction": correction, **options}), mean

    def count_nonzero(self, axis: Axis = None, **options: Any) -> Any:
        """Return how many elements are not 0, as plain integers."""
        return self._reduce(np.count_nonzero, axis, options)

    def norm(self, p: Any = 2, dim: Any = None, keepdim: Boolean = False) -> Self:  # noqa: FBT002
        """Return the p-norm of the elements as a vector, or along axes; "nuc" is of matrices."""
        order = 2 if p in ("fro", 2) else p
        axis = tuple(dim) if isinstance(dim, list) else dim
        if p == "nuc":
            return self._as_written(np.linalg.norm, ord=p, axis=axis, keepdims=keepdim)
        # Along one axis they are the same, and `norm` is what other libraries have.
        norm = np.linalg.norm if isinstance(axis, int) else np.linalg.vector_norm
        return self._as_written(norm, ord=order, axis=axis, keepdims=keepdim)

    # --- products ---------------------------------------------------------------------------

    def matmul(self, other: Any) -> Self:
        """Return self @ other."""
        return self._call(np.matmul, (self, other))

    mm = bmm = mv = matmul

    def outer(self, other: Any) -> Self:
        """Return the products of every element with every element of another vector."""
        return self._as_written(np.outer, other)

    def inner(self, other: Any) -> Self:
        """Return the sums of products along the last axes."""
        return self._as_written(np.inner, other)

    def addmm(self, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Self:
        """Return beta * self + alpha * (mat1 @ mat2)."""
        return beta * self + alpha * (mat1 @ mat2)

    addmv = addmm

    @staticmethod
    def einsum(subscripts: str, *operands: Any) -> Any:
        """Return `np.einsum(subscripts, *operands)`; the operands may be in one list."""
        return np.einsum(subscripts, *listed(operands))

    # --- comparisons ------------------------------------------------------------------------

    def allclose(self, other: Any, **options: Any) -> Boolean:
        """Return whether all elements are nearly equal."""
        return self._as_written(np.allclose, other, **options)

    def isclose(self, other: Any, **options: Any) -> Any:
        """Return where elements are nearly equal."""
        return self._as_written(np.isclose, other, **options)

    def equal(self, other: Any) -> Boolean:
        """Return whether shapes and elements are equal, as one answer."""
        return self._as_written(np.array_equal, other)

    # --- conversions ------------------------------------------------------------------------

    def astype(self, dtype: Any) -> Any:
        """Return the values in another floating dtype."""
        return self._as_written(np.astype, dtype)

    cast = astype

    def half(self) -> Self:
        """Return the values in half precision."""
        return self.astype(np.float16)

    def float(self) -> Self:
        """Return the values in single precision, as PyTorch's `float` does."""
        return self.astype(np.float32)

    def double(self) -> Self:
        """Return the values in double precision."""
        return self.astype(np.float64)

    def type_as(self, other: Any) -> Self:
        """Return the values in the dtype of another array."""
        return self.astype(other.dtype)

    def to(self, where: Any) -> Self:
        """Return the values in a dtype, or in that of another array; "cpu" is where they are."""
        device = where.partition(":")[0] if isinstance(where, str) else ""
        if device == "cpu":
            return self
        if device in ("cuda", "mps"):
            raise TypeError(
                f"devices have no names here: leave .to({where!r}) out, or make the tensor of an "
                "array that is there, such as Tensor(cupy.asarray(values))"
            )
        return self.astype(where if isinstance(where, type) else getattr(where, "dtype", where))

    def cpu(self) -> Self:
        """Return the array itself: it is where it was made."""
        return self

    def contiguous(self) -> Self:
        """Return the array itself: no function asks for more."""
        return self

    def clone(self) -> Self:
        """Return a new array with the same values, through which gradients pass."""
        return self._as_written(np.copy)

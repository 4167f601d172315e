"""DuckArray: operators, methods and NumPy's two protocols, written once for all that read rules.

A subclass keeps what it stands for in `_value` and says what it does with a call in normal form:
a Tensor records it, a Symbol writes it down, a Perturbed carries a derivative along. NumPy's own
functions arrive through `__array_ufunc__` (NEP 13) and `__array_function__` (NEP 18).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Never, Self

import numpy as np

from tinygrad_bp.errors import ConversionError, InPlaceError, NotDifferentiableError
from tinygrad_bp.registry import rule_of, rules

__all__ = ["NO_OPTIONS", "DuckArray", "defers", "normal_form"]

Axis = int | tuple[int, ...] | None

NO_OPTIONS: Final[dict[str, Any]] = {}  # what most calls have; never written to

# NumPy's `**` takes these shorter ways too; a square shows as a square.
_SHORT_POWERS = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}

_CALLED_HERE = {  # names that NumPy or PyTorch has, and what to write instead
    "argsort": "np.argsort(t)",
    "contiguous": "t (arrays need no such call)",
    "cpu": "t (everything is on the CPU)",
    "device": "nothing: everything is on the CPU",
    "diagonal": "np.diagonal(t)",
    "dim": "t.ndim",
    "matmul": "t @ u",
    "mm": "t @ u",
    "numel": "t.size",
    "permute": "t.transpose(axes)",
    "pow": "t ** n",
    "repeat": "np.repeat(t, n) or np.tile(t, reps)",
    "sort": "np.sort(t)",
    "take": "np.take(t, indices)",
    "to": "t.astype(dtype)",
    "trace": "np.trace(t)",
    "type": "t.astype(dtype)",
    "unsqueeze": "np.expand_dims(t, axis)",
    "view": "t.reshape(shape)",
}


class DuckArray:
    """An array of some kind that NumPy's functions and operators work on.

    >>> class Shout(DuckArray):
    ...     def _call(self, function, arrays, options=NO_OPTIONS):
    ...         return f"{function.__name__.upper()}!"
    >>> Shout() + 1, np.exp(Shout())
    ('ADD!', 'EXP!')
    """

    __slots__ = ("_value",)
    __array_priority__ = 1000
    __pandas_priority__ = 5000  # or pandas would align by its labels, before we are asked

    rank: ClassVar[int] = 0
    """Of two readers in one call, the higher one decides; a Tensor is above what it holds."""

    _value: Any

    def _call(
        self,
        function: Callable[..., Any],
        arrays: Sequence[Any],
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> Any:
        """Do what this kind of array does with a call in normal form."""
        raise NotImplementedError

    # --- NumPy's protocols ------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            hints = {"reduce": "np.sum, np.prod, np.max or np.min", "accumulate": "np.cumsum"}
            raise NotDifferentiableError(
                f"np.{ufunc.__name__}.{method} has no derivative rule; use "
                f"{hints.get(method, 'the plain function, which broadcasts')}."
            )
        if kwargs:
            return self.__array_function__(ufunc, map(type, args), args, kwargs)
        return self._call(ufunc, args)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Any, kwargs: Any
    ) -> Any:
        if any(getattr(kind, "rank", 0) > self.rank for kind in types):
            return NotImplemented
        return self._call_as_written(function, args, kwargs)

    def _call_as_written(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Do what this kind of array does with a call as a user wrote it."""
        return self._call(*normal_form(function, args, kwargs))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise ConversionError(f"a {type(self).__name__} is no plain array, nor can it become one")

    # --- what it is -------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        shape: tuple[int, ...] = self._value.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        dtype: np.dtype[Any] = self._value.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._value.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self._value.size)

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Self]:
        if self.ndim == 0:
            raise TypeError(f"a {type(self).__name__} without axes cannot be iterated over")
        return (self[i] for i in range(len(self)))

    if not TYPE_CHECKING:  # for a type checker, it would have every attribute

        def __getattr__(self, name: str) -> Never:
            hint = f" Write {_CALLED_HERE[name]}." if name in _CALLED_HERE else ""
            if not hint and not name.startswith("_") and hasattr(np, name):
                hint = f" Write np.{name}(t)."
            raise AttributeError(f"a {type(self).__name__} has no attribute '{name}'.{hint}")

    # --- operators --------------------------------------------------------------------------

    def __add__(self, other: Any) -> Self:
        return self._call(np.add, (self, other))

    def __radd__(self, other: Any) -> Self:
        return self._call(np.add, (other, self))

    def __sub__(self, other: Any) -> Self:
        return self._call(np.subtract, (self, other))

    def __rsub__(self, other: Any) -> Self:
        return self._call(np.subtract, (other, self))

    def __mul__(self, other: Any) -> Self:
        return self._call(np.multiply, (self, other))

    def __rmul__(self, other: Any) -> Self:
        return self._call(np.multiply, (other, self))

    def __truediv__(self, other: Any) -> Self:
        return self._call(np.divide, (self, other))

    def __rtruediv__(self, other: Any) -> Self:
        return self._call(np.divide, (other, self))

    def __matmul__(self, other: Any) -> Self:
        return self._call(np.matmul, (self, other))

    def __rmatmul__(self, other: Any) -> Self:
        return self._call(np.matmul, (other, self))

    def __mod__(self, other: Any) -> Self:
        return self._call(np.remainder, (self, other))

    def __rmod__(self, other: Any) -> Self:
        return self._call(np.remainder, (other, self))

    def __floordiv__(self, other: Any) -> Any:
        return self._call(np.floor_divide, (self, other))

    def __rfloordiv__(self, other: Any) -> Any:
        return self._call(np.floor_divide, (other, self))

    def __divmod__(self, other: Any) -> tuple[Any, Self]:
        return self._call(np.divmod, (self, other))

    def __rdivmod__(self, other: Any) -> tuple[Any, Self]:
        return self._call(np.divmod, (other, self))

    def __pow__(self, exponent: Any) -> Self:
        if type(exponent) in (int, float) and self._value.dtype.kind == "f":
            shorter = _SHORT_POWERS.get(exponent)
            if shorter is not None:
                return self._call(shorter, (self,))
        return self._call(np.power, (self, exponent))

    def __rpow__(self, base: Any) -> Self:
        return self._call(np.power, (base, self))

    def __neg__(self) -> Self:
        return self._call(np.negative, (self,))

    def __pos__(self) -> Self:
        return self._call(np.positive, (self,))

    def __abs__(self) -> Self:
        return self._call(np.absolute, (self,))

    def __eq__(self, other: object) -> Any:
        if isinstance(other, str | bytes):
            return NotImplemented  # text is equal to no number
        return self._call(np.equal, (self, other))

    def __ne__(self, other: object) -> Any:
        if isinstance(other, str | bytes):
            return NotImplemented
        return self._call(np.not_equal, (self, other))

    def __lt__(self, other: Any) -> Any:
        return self._call(np.less, (self, other))

    def __le__(self, other: Any) -> Any:
        return self._call(np.less_equal, (self, other))

    def __gt__(self, other: Any) -> Any:
        return self._call(np.greater, (self, other))

    def __ge__(self, other: Any) -> Any:
        return self._call(np.greater_equal, (self, other))

    # Arrays are keys of dicts; `==` compares values, so identity must be said.
    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Self:
        raise NotImplementedError

    def __setitem__(self, index: Any, value: Any) -> Never:
        raise InPlaceError(
            "t[index] = value is not recorded. Build the result with np.where, np.concatenate or "
            "np.stack; to change a leaf outside the graph, write t.data = new_values."
        )

    # --- methods ----------------------------------------------------------------------------

    @property
    def T(self) -> Self:  # noqa: N802  (NumPy's name)
        """The transpose: all axes in reverse order."""
        return self._call(np.transpose, (self,), {"axes": None})

    @property
    def mT(self) -> Self:  # noqa: N802
        """The transpose of the last two axes."""
        return self._call(np.swapaxes, (self,), {"axis1": -1, "axis2": -2})

    def reshape(self, *shape: Any) -> Self:
        """Return the elements in another shape; one length may be -1."""
        return self._call(np.reshape, (self,), {"shape": shape[0] if len(shape) == 1 else shape})

    def transpose(self, *axes: Any) -> Self:
        """Return the axes in another order, reversed by default."""
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = axes[0]
        return self._call(np.transpose, (self,), {"axes": axes or None})

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Return the axes with two of them exchanged."""
        return self._call(np.swapaxes, (self,), {"axis1": axis1, "axis2": axis2})

    def squeeze(self, axis: Axis = None) -> Self:
        """Return the elements without the axes of length 1."""
        return self._as_written(np.squeeze, axis=axis)

    def ravel(self) -> Self:
        """Return the elements along one axis."""
        return self._call(np.ravel, (self,))

    def flatten(self) -> Self:
        """Return the elements along one axis."""
        return self.ravel()

    def sum(self, axis: Axis = None, **options: Any) -> Self:
        """Return the sum along `axis`, all axes by default; PyTorch's `dim` and `keepdim` too."""
        return self._reduce(np.sum, axis, options)

    def mean(self, axis: Axis = None, **options: Any) -> Self:
        """Return the mean along `axis`; options as in `sum`."""
        return self._reduce(np.mean, axis, options)

    def max(self, axis: Axis = None, **options: Any) -> Self:
        """Return the largest element along `axis`; options as in `sum`."""
        return self._reduce(np.max, axis, options)

    def min(self, axis: Axis = None, **options: Any) -> Self:
        """Return the smallest element along `axis`; options as in `sum`."""
        return self._reduce(np.min, axis, options)

    def prod(self, axis: Axis = None, **options: Any) -> Self:
        """Return the product along `axis`; options as in `sum`."""
        return self._reduce(np.prod, axis, options)

    def var(self, axis: Axis = None, **options: Any) -> Self:
        """Return the variance along `axis`, with NumPy's `ddof=0`; options as in `sum`."""
        return self._reduce(np.var, axis, options)

    def std(self, axis: Axis = None, **options: Any) -> Self:
        """Return the standard deviation along `axis`, with `ddof=0`; options as in `sum`."""
        return self._reduce(np.std, axis, options)

    def _reduce(self, function: Callable[..., Any], axis: Axis, options: dict[str, Any]) -> Self:
        """PyTorch says `dim` and `keepdim` where NumPy says `axis` and `keepdims`."""
        axis = options.pop("dim", axis)
        if options.pop("keepdim", False):
            options["keepdims"] = True
        return self._as_written(function, axis=axis, **options)

    def _as_written(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._call_as_written(function, (self, *args), kwargs)

    def cumsum(self, axis: int | None = None) -> Self:
        """Return the running sum along `axis`, of all elements in one row by default."""
        return self._call(np.cumsum, (self,), {"axis": axis})

    def clip(self, min: Any = None, max: Any = None) -> Self:  # noqa: A002  (NumPy's names)
        """Return the values limited to an interval; an end may be None."""
        return self._as_written(np.clip, min, max)

    def dot(self, other: Any) -> Self:
        """Return `np.dot(self, other)`."""
        return self._as_written(np.dot, other)

    def exp(self) -> Self:
        """Return e to the power of each element."""
        return self._call(np.exp, (self,))

    def log(self) -> Self:
        """Return the natural logarithm of each element."""
        return self._call(np.log, (self,))

    def sqrt(self) -> Self:
        """Return the square root of each element."""
        return self._call(np.sqrt, (self,))

    def tanh(self) -> Self:
        """Return the hyperbolic tangent of each element."""
        return self._call(np.tanh, (self,))

    def abs(self) -> Self:
        """Return the magnitude of each element."""
        return self._call(np.absolute, (self,))

    def argmax(self, axis: int | None = None) -> Any:
        """Return where the largest element is, as plain integers."""
        return self._as_written(np.argmax, axis=axis)

    def argmin(self, axis: int | None = None) -> Any:
        """Return where the smallest element is, as plain integers."""
        return self._as_written(np.argmin, axis=axis)


def normal_form(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]:
    """Return what is called, with its arrays and options as a rule wants them.

    That is the function itself, or what stands for it in calls that its own rule does not take. A
    function without a rule gets its arguments as they are.
    """
    rule = rule_of(function)
    if rule is None or not (rule.differentiable or rule.kind == "composite"):
        return function, args, kwargs
    if rule.general is not None and not rule.form.takes(args, kwargs):
        function = rule.general
    return function, *rules[function].form.bind(args, kwargs)


def defers(reader: DuckArray, arrays: Iterable[Any]) -> bool:
    """Whether an operator should leave the call to another operand, which is asked next."""
    return any(
        getattr(type(a), "__array_ufunc__", True) is None
        or getattr(type(a), "rank", 0) > reader.rank
        for a in arrays
    )

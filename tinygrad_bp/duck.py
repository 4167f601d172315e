"""DuckArray: operators and NumPy's two protocols, written once for all that read rules.

A subclass keeps what it stands for in `_value` and says what it does with a call in normal form:
a Tensor records it, a Symbol writes it down, a Perturbed carries a derivative along. NumPy's own
functions arrive through `__array_ufunc__` (NEP 13) and `__array_function__` (NEP 18); its methods
are in `methods`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Never, Self

import numpy as np

from tinygrad_bp.errors import ConversionError, InPlaceError, NotDifferentiableError
from tinygrad_bp.methods import Methods
from tinygrad_bp.operands import is_foreign
from tinygrad_bp.registry import rule_of, rules

__all__ = ["INSTEAD", "NO_OPTIONS", "DuckArray", "defers", "normal_form"]

NO_OPTIONS: Final[dict[str, Any]] = {}  # what most calls have; never written to

# NumPy's `**` takes these shorter ways too; a square shows as a square.
_SHORT_POWERS = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}

_IN_PLACE = "t.data = new_values (outside the graph)"
_PLACED = "Tensor(cupy.asarray(values)), and for a model model.to(cupy.asarray)"

_CALLED_HERE = {  # names that NumPy or PyTorch has, and what to write instead
    "bool": "t != 0",
    "copy_": _IN_PLACE,
    "cuda": _PLACED,
    "device": "nothing: a tensor is where its array is",
    "fill": f"np.full_like(t, value), or {_IN_PLACE}",
    "flat": "t.ravel()",
    "grad_fn": "t.op",
    "int": "t.data.astype(int): integers carry no gradient",
    "itemset": f"np.where, or {_IN_PLACE}",
    "long": "t.data.astype(int): integers carry no gradient",
    "put": f"np.where, or {_IN_PLACE}",
    "resize": "t.reshape(shape)",
    "short": "t.data.astype(np.int16): integers carry no gradient",
    "to_device": _PLACED,
    "type": "t.astype(dtype)",
    "zero_": f"optimizer.zero_grad() for gradients, nn.init.zeros_(t), or {_IN_PLACE}",
    **dict.fromkeys(
        ("fill_", "normal_", "uniform_"), f"nn.init's constant_, normal_, uniform_, or {_IN_PLACE}"
    ),
    **{f"new_{what}": f"np.{what}(shape, t.dtype)" for what in ("zeros", "ones", "empty")},
}


_MADE_LIKE: frozenset[Any] = frozenset(
    (np.arange, np.array, np.asarray, np.ascontiguousarray, np.empty, np.eye, np.full, np.identity,
     np.ones, np.tri, np.zeros)
)  # fmt: skip
"""Functions that come here for `like=` alone (NEP 35)."""

INSTEAD = {
    "add.reduce": "np.sum",
    "multiply.reduce": "np.prod",
    "maximum.reduce": "np.max",
    "minimum.reduce": "np.min",
    "fmax.reduce": "np.nanmax",
    "fmin.reduce": "np.nanmin",
    "hypot.reduce": "np.linalg.norm",
    "logaddexp.reduce": "tinygrad_bp.functional.logsumexp",
    "add.accumulate": "np.cumsum",
    "multiply.accumulate": "np.cumprod",
    "maximum.accumulate": "t.cummax(0)[0]",
    "minimum.accumulate": "t.cummin(0)[0]",
    "logaddexp.accumulate": "t.logcumsumexp(0)",
    "add.outer": "np.add(a[:, None], b)",
    "multiply.outer": "np.multiply(a[:, None], b)",
    "add.at": "t.index_add(0, index, values)",
}
"""What to write for a ufunc's other methods."""


class DuckArray(Methods):
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
    known: ClassVar[bool] = True
    """Whether the values are those of every run; a trace stands for runs with other values."""
    is_elsewhere: ClassVar[bool] = False
    """Whether it stands for an array of another library: nobody is to look at its values."""
    is_plain: ClassVar[bool] = False
    """Whether it stands for a plain array: functions of tensors make a tensor of it."""

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
            name = f"{ufunc.__name__}.{method}"
            raise NotDifferentiableError(
                f"np.{name} has no derivative rule; use "
                f"{INSTEAD.get(name, 'the plain function, call by call')}."
            )
        if kwargs:
            return self.__array_function__(ufunc, map(type, args), args, kwargs)
        return self._call(ufunc, args)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Any, kwargs: Any
    ) -> Any:
        if function in _MADE_LIKE:
            return self._made_like(function, args, kwargs)
        if any(getattr(kind, "rank", 0) > self.rank for kind in types):
            return NotImplemented
        return self._call_as_written(function, args, kwargs)

    def _made_like(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Make the constant that a rule asks for beside this array, where the array is."""
        held = getattr(self, "_value", None)
        return (
            function(*args, like=held, **kwargs) if is_foreign(held) else function(*args, **kwargs)
        )

    def _call_as_written(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Do what this kind of array does with a call as a user wrote it."""
        return self._call(*normal_form(function, args, kwargs))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise ConversionError(f"a {type(self).__name__} is no plain array, nor can it become one")

    # --- what Python asks for ---------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Self]:
        if self.ndim == 0:
            raise TypeError(f"a {type(self).__name__} without axes cannot be iterated over")
        return (self[i] for i in range(len(self)))

    if not TYPE_CHECKING:  # for a type checker, it would have every attribute

        def __getattr__(self, name: str) -> Never:
            raise AttributeError(
                f"a {type(self).__name__} has no attribute '{name}'.{_hint(name, type(self))}",
                name=name,  # or Python would add a guess of its own
            )

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


@functools.lru_cache(maxsize=256)  # `hasattr` asks as well, and again in every call of a layer
def _hint(name: str, kind: type) -> str:
    """What to write instead of a name that is no attribute: a sentence, or nothing."""
    if name.startswith("_"):
        return ""
    if name in _CALLED_HERE:
        return f" Write {_CALLED_HERE[name]}."
    if name.endswith("_") and hasattr(kind, name[:-1]):
        return f" Nothing is recorded in place: write t = t.{name[:-1]}(...)."
    if hasattr(np.ndarray, name):
        return f" It is about memory: write t.data.{name}."
    if callable(getattr(np, name, None)):
        return f" Write np.{name}(t)."
    import difflib

    close = difflib.get_close_matches(name, dir(kind), n=1, cutoff=0.8)
    return f" Did you mean '{close[0]}'?" if close else ""


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

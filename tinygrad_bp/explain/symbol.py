"""Symbol: an array that writes down what is done to it.

A derivative rule fed with symbols gives the text of the formula that really ran, next to its
value, so what an explanation shows cannot drift from what the engine computes. The text is a
Python expression over NumPy's names and ours: evaluating it gives the value, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_bp import primitives
from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.registry import Array, name_of

__all__ = ["Symbol"]

# How tightly an operator binds, as in Python's grammar.
_COMPARE, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(6)

_BINARY: dict[Callable[..., Any], tuple[str, int]] = {
    np.add: ("+", _SUM),
    np.subtract: ("-", _SUM),
    np.multiply: ("*", _PRODUCT),
    np.divide: ("/", _PRODUCT),
    np.matmul: ("@", _PRODUCT),
    np.remainder: ("%", _PRODUCT),
    np.floor_divide: ("//", _PRODUCT),
    np.equal: ("==", _COMPARE),
    np.not_equal: ("!=", _COMPARE),
    np.less: ("<", _COMPARE),
    np.less_equal: ("<=", _COMPARE),
    np.greater: (">", _COMPARE),
    np.greater_equal: (">=", _COMPARE),
}

_PRODUCTS = {np.multiply, primitives.product}


class Symbol:
    """A named value that records, as text, the expression it becomes part of.

    >>> g, x = Symbol("g", np.array([1.0, 2.0])), Symbol("x", np.array([0.0, 0.0]))
    >>> slope = g * (2 * np.cos(x))
    >>> print(slope)
    g * (2 * cos(x))
    >>> slope.value
    array([2., 4.])
    """

    __slots__ = ("binding", "sign", "text", "value")

    def __init__(self, text: str, value: Any, binding: int = _ATOM, *, sign: int = 0) -> None:
        self.text = text
        self.value = value if isinstance(value, np.ndarray) else np.asarray(value)
        self.binding = binding
        self.sign = sign  # 1 or -1 for a factor that is nothing but its sign: see `unit`

    @classmethod
    def unit(cls, like: Any) -> Symbol:
        """Return a 1 that leaves no trace as a factor: fed as `g`, it gives the local derivative.

        >>> y = np.tanh(0.5)
        >>> print(-Symbol.unit(y) * Symbol("y", y))
        -y
        """
        return cls("1", np.ones_like(like), sign=1)

    @classmethod
    def number(cls, value: Any, digits: int = 4) -> Symbol:
        """Return a symbol whose text is its value, for formulas in numbers.

        >>> print(2 - Symbol.number(-0.48433))
        2 - (-0.4843)
        """
        text = f"{value:.{digits}g}"
        return cls(text, value, _COMPARE if text.startswith("-") else _ATOM)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Symbol({self.text!r})"

    @staticmethod
    def call(function: Callable[..., Any], args: tuple[Any, ...], options: Any = None) -> Symbol:
        """Return what a function makes of symbols and numbers, written down.

        >>> print(Symbol.call(np.maximum, (Symbol("x", 2.0), 0)))
        maximum(x, 0)
        """
        return _call(function, args, options)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        shape: tuple[int, ...] = self.value.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return int(self.value.ndim)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.value.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        dtype: np.dtype[Any] = self.value.dtype
        return dtype

    @property
    def T(self) -> Symbol:  # noqa: N802  (NumPy's name)
        """The transpose."""
        return Symbol(f"{_bound(self, _ATOM)}.T", self.value.T)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Symbol:
        if method != "__call__":
            raise NotDifferentiableError(f"np.{ufunc.__name__}.{method} has no text here")
        return _call(ufunc, args, options)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: Any, options: Any
    ) -> Symbol:
        return _call(function, args, options)

    def __add__(self, other: Any) -> Symbol:
        return _call(np.add, (self, other))

    def __radd__(self, other: Any) -> Symbol:
        return _call(np.add, (other, self))

    def __sub__(self, other: Any) -> Symbol:
        return _call(np.subtract, (self, other))

    def __rsub__(self, other: Any) -> Symbol:
        return _call(np.subtract, (other, self))

    def __mul__(self, other: Any) -> Symbol:
        return _call(np.multiply, (self, other))

    def __rmul__(self, other: Any) -> Symbol:
        return _call(np.multiply, (other, self))

    def __truediv__(self, other: Any) -> Symbol:
        return _call(np.divide, (self, other))

    def __rtruediv__(self, other: Any) -> Symbol:
        return _call(np.divide, (other, self))

    def __matmul__(self, other: Any) -> Symbol:
        return _call(np.matmul, (self, other))

    def __rmatmul__(self, other: Any) -> Symbol:
        return _call(np.matmul, (other, self))

    def __neg__(self) -> Symbol:
        return _negative(self, -self.value)

    def __getitem__(self, index: Any) -> Symbol:
        return _call(primitives.getitem, (self, index))

    # Comparing symbols makes a symbol: it stands in a formula, it decides nothing.
    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        return _call(np.equal, (self, other))

    def __ne__(self, other: object) -> Symbol:  # type: ignore[override]
        return _call(np.not_equal, (self, other))

    def __lt__(self, other: Any) -> Symbol:
        return _call(np.less, (self, other))

    def __le__(self, other: Any) -> Symbol:
        return _call(np.less_equal, (self, other))

    def __gt__(self, other: Any) -> Symbol:
        return _call(np.greater, (self, other))

    def __ge__(self, other: Any) -> Symbol:
        return _call(np.greater_equal, (self, other))

    __hash__ = object.__hash__


def _call(
    function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any] | None = None
) -> Symbol:
    """Call a function on the values, and write the call down."""
    options = options or {}
    value = function(*_values(args), **_values(options))
    if function in _PRODUCTS and (factor := _other_factor(*args)) is not None:
        return Symbol(factor.text, value, factor.binding, sign=factor.sign)
    if function in _BINARY and not options:
        sign, binding = _BINARY[function]
        left, right = args
        # Operators group to the left, so an equally binding right side needs its parentheses;
        # comparisons would chain.
        on_the_left = binding + 1 if binding == _COMPARE else binding
        text = f"{_bound(left, on_the_left)} {sign} {_bound(right, binding + 1)}"
        return Symbol(text, value, binding)
    if function is np.negative:
        return _negative(args[0], value)
    if function is primitives.getitem:
        return Symbol(f"{_bound(args[0], _ATOM)}[{_index(args[1])}]", value)
    if function is np.swapaxes and args[1:] == (-1, -2):
        return Symbol(f"{_bound(args[0], _ATOM)}.mT", value)
    written = [_text(a) for a in args] + [f"{key}={_text(v)}" for key, v in options.items()]
    return Symbol(f"{name_of(function)}({', '.join(written)})", value)


def _negative(x: Symbol, value: Any) -> Symbol:
    return Symbol(f"-{_bound(x, _SIGN)}", value, _SIGN, sign=-x.sign)


def _other_factor(a: Any, b: Any) -> Symbol | None:
    """What is left of a product when one factor is 1 or -1, None if neither is."""
    for unit, other in ((a, b), (b, a)):
        if isinstance(unit, Symbol) and unit.sign:
            factor = other if isinstance(other, Symbol) else Symbol(_text(other), _values(other))
            return factor if unit.sign > 0 else _negative(factor, factor.value)
    return None


def _values(argument: Any) -> Any:
    """Replace symbols by their values, in nested arguments too."""
    if isinstance(argument, Symbol):
        return argument.value
    if isinstance(argument, list | tuple):
        return type(argument)(map(_values, argument))
    if isinstance(argument, Mapping):
        return {key: _values(v) for key, v in argument.items()}
    return argument


def _bound(operand: Any, binding: int) -> str:
    """The text of an operand, in parentheses if it binds less tightly than its operator."""
    text = _text(operand)
    if isinstance(operand, Symbol):
        loose = operand.binding < binding
    else:
        loose = text.startswith("-") and binding > _SIGN
    return f"({text})" if loose else text


def _text(argument: Array) -> str:
    for kind, write in _WRITERS.items():
        if isinstance(argument, kind):
            return write(argument)
    return repr(argument)


def _array_text(array: np.ndarray[Any, Any]) -> str:
    """A constant in full, as NumPy would read it back."""
    items = _text(array.tolist())
    dtype = "" if array.dtype in (np.float64, np.int64) else f", dtype={array.dtype.name}"
    return f"array({items}{dtype})"


_WRITERS: dict[type, Callable[[Any], str]] = {
    Symbol: str,
    list: lambda items: f"[{', '.join(map(_text, items))}]",
    tuple: lambda items: f"({', '.join(map(_text, items))}{',' if len(items) == 1 else ''})",
    np.dtype: lambda dtype: str(dtype.name),
    np.generic: lambda scalar: f"{scalar.dtype.name}({scalar.item()!r})",
    np.ndarray: _array_text,
    type(...): lambda _: "...",
}


def _index(index: Any) -> str:
    if isinstance(index, tuple) and index:
        return ", ".join(map(_index, index)) + ("," if len(index) == 1 else "")
    if isinstance(index, slice):
        ends = ["" if end is None else str(end) for end in (index.start, index.stop)]
        return ":".join(ends) + (f":{index.step}" if index.step is not None else "")
    return _text(index)

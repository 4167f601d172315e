"""Symbol: an array that writes down what is done to it.

A derivative rule fed with symbols gives the text of the formula that really ran, next to its
value, so what an explanation shows cannot drift from what the engine computes. The text is a
Python expression over NumPy's names and ours: evaluating it gives the value, bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.calls import name_of
from tinygrad_bp.duck import NO_OPTIONS, DuckArray, defers
from tinygrad_bp.errors import ConversionError
from tinygrad_bp.registry import Array, rule_of
from tinygrad_bp.rules.elementwise import product
from tinygrad_bp.rules.indexing import getitem

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

_PRODUCTS = {np.multiply, product}

# A rule may look at a shape or a dtype to decide what to compute: that is not in the formula.
_FACTS = {np.shape, np.ndim, np.size, np.result_type}


class Symbol(DuckArray):
    """A named value that records, as text, the expression it becomes part of.

    >>> g, x = Symbol("g", np.array([1.0, 2.0])), Symbol("x", np.array([0.0, 0.0]))
    >>> slope = g * (2 * np.cos(x))
    >>> print(slope)
    g * (2 * cos(x))
    >>> slope.value
    array([2., 4.])
    """

    __slots__ = ("binding", "signed", "text")

    def __init__(self, text: str, value: Any, binding: int = _ATOM, *, sign: int = 0) -> None:
        self.text = text
        self._value = value if isinstance(value, np.ndarray) else np.asarray(value)
        self.binding = binding
        self.signed = sign  # 1 or -1 for a factor that is nothing but its sign: see `unit`

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

    @property
    def value(self) -> np.ndarray[Any, Any]:
        """What the expression is worth."""
        value: np.ndarray[Any, Any] = self._value
        return value

    @staticmethod
    def call(
        function: Callable[..., Any],
        arrays: Sequence[Any],
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> Any:
        """Return what a function makes of symbols and numbers, written down; a tuple of several.

        >>> print(Symbol.call(np.maximum, (Symbol("x", 2.0), 0)))
        maximum(x, 0)
        """
        return _called(function, arrays, options)

    def __getitem__(self, index: Any) -> Symbol:
        symbol: Symbol = _called(getitem, (self,), {"index": index})
        return symbol

    def __bool__(self) -> bool:
        raise ConversionError(
            f"`{self.text}` stands in a formula, and a formula cannot branch on its values"
        )

    # Comparing symbols makes a symbol, which stands in a formula and decides nothing.
    def _call(
        self,
        function: Callable[..., Any],
        arrays: Sequence[Any],
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> Any:
        if defers(self, arrays):
            return NotImplemented
        if function in _FACTS:
            return function(*map(_values, arrays), **options)
        return _called(function, arrays, options)


def _called(function: Callable[..., Any], arrays: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Call a function on the values, and write the call down."""
    rule = rule_of(function)
    formed = rule is not None and rule.kind not in ("constant", "refused")
    call = rule.form.written if rule is not None and formed else function
    value = call(*map(_values, arrays), **_values(options))
    if function in _PRODUCTS and (factor := _other_factor(*arrays)) is not None:
        return Symbol(factor.text, value, factor.binding, sign=factor.signed)
    if function in _SHORT and (short := _SHORT[function](arrays, options, value)) is not None:
        return short
    args, kwargs = rule.form.as_written(arrays, options) if rule and formed else (arrays, options)
    written = [_text(a) for a in args] + [f"{key}={_text(v)}" for key, v in kwargs.items()]
    text = f"{name_of(function)}({', '.join(written)})"
    if isinstance(value, tuple):
        return tuple([Symbol(f"{text}[{i}]", part) for i, part in enumerate(value)])
    return Symbol(text, value)


# --- calls with a shorter spelling -------------------------------------------------


def _operator(
    sign: str, binding: int, arrays: Sequence[Any], options: Mapping[str, Any], value: Any
) -> Symbol | None:
    """Operators group to the left, so an equally binding right side needs its parentheses."""
    if options:
        return None
    left, right = arrays
    on_the_left = binding + 1 if binding == _COMPARE else binding  # comparisons would chain
    text = f"{_bound(left, on_the_left)} {sign} {_bound(right, binding + 1)}"
    return Symbol(text, value, binding)


def _negative(arrays: Sequence[Any], _: Mapping[str, Any], value: Any) -> Symbol:
    (x,) = arrays
    return Symbol(f"-{_bound(x, _SIGN)}", value, _SIGN, sign=-x.signed)


def _conjugate(arrays: Sequence[Any], _: Mapping[str, Any], value: Any) -> Symbol | None:
    """A real number is its own conjugate."""
    return arrays[0] if value.dtype.kind != "c" else None


def _subscript(arrays: Sequence[Any], options: Mapping[str, Any], value: Any) -> Symbol:
    return Symbol(f"{_bound(arrays[0], _ATOM)}[{_index(options['index'])}]", value)


def _transposed(arrays: Sequence[Any], options: Mapping[str, Any], value: Any) -> Symbol | None:
    if options["axes"] is not None:
        return None
    return Symbol(f"{_bound(arrays[0], _ATOM)}.T", value)


def _matrices_transposed(
    arrays: Sequence[Any], options: Mapping[str, Any], value: Any
) -> Symbol | None:
    if (options["axis1"], options["axis2"]) != (-1, -2):
        return None
    return Symbol(f"{_bound(arrays[0], _ATOM)}.mT", value)


_SHORT: dict[Callable[..., Any], Callable[..., Symbol | None]] = {
    **{f: functools.partial(_operator, sign, binding) for f, (sign, binding) in _BINARY.items()},
    np.conjugate: _conjugate,
    np.negative: _negative,
    np.swapaxes: _matrices_transposed,
    np.transpose: _transposed,
    getitem: _subscript,
}


def _other_factor(a: Any, b: Any) -> Symbol | None:
    """What is left of a product when one factor is 1 or -1, None if neither is."""
    for unit, other in ((a, b), (b, a)):
        if isinstance(unit, Symbol) and unit.signed:
            factor = other if isinstance(other, Symbol) else Symbol(_text(other), _values(other))
            return factor if unit.signed > 0 else _negative((factor,), {}, factor.value)
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
    if array.size == 0:
        return f"zeros({array.shape}, dtype={array.dtype.name})"
    items = _text(array.tolist())
    dtype = "" if array.dtype in (np.float64, np.int64) else f", dtype={array.dtype.name}"
    return f"array({items}{dtype})"


_WRITERS: dict[type, Callable[[Any], str]] = {
    Symbol: str,
    list: lambda items: f"[{', '.join(map(_text, items))}]",
    tuple: lambda items: f"({', '.join(map(_text, items))}{',' if len(items) == 1 else ''})",
    slice: lambda s: f"slice({', '.join(map(_text, (s.start, s.stop, s.step)))})",
    np.dtype: lambda dtype: str(dtype.name),
    np.generic: lambda scalar: f"{scalar.dtype.name}({scalar.item()!r})",
    np.ndarray: _array_text,
    type(...): lambda _: "...",
}


def _index(index: Any) -> str:
    if isinstance(index, tuple) and index:
        return ", ".join(map(_index, index))  # x[i,] is x[i]
    if isinstance(index, slice):
        ends = ["" if end is None else str(end) for end in (index.start, index.stop)]
        return ":".join(ends) + (f":{index.step}" if index.step is not None else "")
    return _text(index)

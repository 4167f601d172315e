"""How each call is written: as an operator, as a method of an array, or as a function's call."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Mapping, Sequence
from types import MethodDescriptorType
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Statement, Value, subscript
from tinygrad_bp.program.writing.imports import INFIX, Imports
from tinygrad_bp.program.writing.literals import bracketed, literal
from tinygrad_bp.program.writing.outside import Outside
from tinygrad_bp.rules.indexing import getitem

__all__ = ["Expressions", "is_quiet", "is_view"]

Of = Callable[[Any], str]
"""Gives the text of an argument."""

_OPERATORS: Mapping[Any, str] = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.divide: "/",
    np.negative: "-",
    np.greater: ">",
    np.greater_equal: ">=",
    np.less: "<",
    np.less_equal: "<=",
    np.equal: "==",
    np.not_equal: "!=",
}
_COMPARISONS = frozenset({">", ">=", "<", "<=", "==", "!="})
_METHODS: Mapping[Any, str] = {
    np.astype: "astype",
    np.reshape: "reshape",
    np.transpose: "transpose",
    np.swapaxes: "swapaxes",
    np.squeeze: "squeeze",
    np.sum: "sum",
    np.prod: "prod",
    np.max: "max",
    np.min: "min",
    np.amax: "max",
    np.amin: "min",
    np.mean: "mean",
    np.any: "any",
    np.all: "all",
    np.repeat: "repeat",
    np.round: "round",
    np.take: "take",
}
_SAFE = {np.negative, np.absolute, np.fabs, np.maximum, np.minimum, np.where, np.isfinite}
"""Functions whose results are never larger or smaller than what they are given."""
_BY_POSITION = ("shape", "newshape", "axes", "axis1", "axis2")
_VIEWS = {np.transpose, np.reshape, np.swapaxes, np.squeeze}
_SUBSCRIPT = {getitem, subscript, operator.getitem}


def is_view(statement: Statement) -> bool:
    """Whether a statement only shows an array in another way, so that it may stand in others."""
    return (
        (statement.function in _VIEWS or statement.function in _SUBSCRIPT)
        and not statement.several
        and statement.out is None
        and statement.output.base is not None
    )


def is_quiet(statement: Statement) -> bool:
    """Whether a call may meet what it is to ignore."""
    return bool(statement.quiet) and not (
        statement.function in _SAFE and {"over", "under"}.issuperset(statement.quiet)
    )


class Expressions:
    """Writes calls."""

    def __init__(self, imports: Imports, outside: Outside, *, by_methods: bool = True) -> None:
        self.imports = imports
        self._by_methods = by_methods
        """Whether methods of arrays are called, which is quicker: not all libraries have them."""
        self._outside = outside
        self.contexts: dict[tuple[str, ...], str] = {}
        """The contexts that the text needs, by what NumPy is not to warn of there."""

    def of(self, statement: Statement, of: Of) -> str:
        """Return the right side of a statement."""
        if statement.out is not None:  # by what the result is called from here on
            statement = dataclasses.replace(statement, out=statement.output)
        args, kwargs = statement.call()
        if statement.function in _SUBSCRIPT and "index" in kwargs:
            args, kwargs = (*args, kwargs["index"]), {}
        if is_quiet(statement):
            given = [self.name(statement.function), *_given(args, kwargs, of)]
            if isinstance(statement.function, MethodDescriptorType):
                given[:2] = [f"{given[1]}.{statement.function.__name__}"]
            return f"{self.context(statement.quiet)}.run({', '.join(given)})"
        if statement.out is None and not kwargs and (short := self._short(statement, args, of)):
            return short
        if self._has_method(statement.function) and _is_array(args[:1]):
            return _method(statement.function, args, kwargs, of)
        return f"{self.name(statement.function)}({', '.join(_given(args, kwargs, of))})"

    def _has_method(self, function: Callable[..., Any]) -> bool:
        named = _method_of(function) is not None
        return named and (self._by_methods or function not in _METHODS)

    def name(self, function: Callable[..., Any]) -> str:
        """Return what a function is called in the text."""
        owner = getattr(function, "__self__", None)
        if isinstance(owner, np.random.Generator):
            return f"{self._outside.name_of(owner)}.{function.__name__}"
        return self.imports.name_of(function) or self._outside.name_of(function)

    def context(self, kinds: tuple[str, ...]) -> str:
        """Return the name of a context in which NumPy does not warn."""
        if kinds not in self.contexts:
            name = "silent" if kinds == ("all",) else "quiet"
            others = sum(1 for known in self.contexts.values() if known.startswith(name))
            self.contexts[kinds] = f"{name}{others + 1}" if others else name
        return self.contexts[kinds]

    def argument(self, item: Any, of: Of) -> str:
        """Return the text of an argument: values by their names, all else as literals."""
        if isinstance(item, Value):
            return of(item)
        if isinstance(item, list | tuple):
            return bracketed(list if isinstance(item, list) else tuple, [of(p) for p in item])
        if isinstance(item, dict):
            return "{" + ", ".join(f"{key!r}: {of(part)}" for key, part in item.items()) + "}"
        if isinstance(item, slice):
            return f"slice({of(item.start)}, {of(item.stop)}, {of(item.step)})"
        return literal(item, self.imports) or (
            self.name(item) if callable(item) else self._outside.name_of(item)
        )

    def _short(self, statement: Statement, args: Sequence[Any], of: Of) -> str | None:
        """An operator or a subscript, if the call is one."""
        function = statement.function
        if function in _SUBSCRIPT:
            return self._subscript(args, of)
        sign = _sign(function, args)
        if sign is not None:
            return _infix(sign, args, of) if len(args) == 2 else _Loose(f"-{_bound(args[0], of)}")
        if not _is_array(args):
            return None
        if function is np.transpose and len(args) == 1:
            return f"{of(args[0])}.T"
        return f"{of(args[0])}.mT" if function is np.swapaxes and args[1:] == (-1, -2) else None

    def _subscript(self, args: Sequence[Any], of: Of) -> str:
        """A part of an array: `take` where rows are chosen by number, as eager mode does."""
        x, index = args
        parts = index if isinstance(index, tuple) else (index,)
        whole = sum(1 for part in parts[:-1] if isinstance(part, slice) and part == slice(None))
        if whole == len(parts) - 1 and _are_numbers(parts[-1]):
            axis = whole if whole else 0
            return f"{self.imports.take('numpy', 'take')}({of(x)}, {of(parts[-1])}, {axis})"
        if not isinstance(index, tuple):
            return f"{of(x)}[{_position(index, of)}]"
        return f"{of(x)}[{', '.join(_position(p, of) for p in index) or '()'}]"


def _are_numbers(part: Any) -> bool:
    """Whether an index is an array of signed integers."""
    return (
        isinstance(part, Value) and bool(part.shape) and part.dtype is not None
        and part.dtype.kind == "i"
    )  # fmt: skip


def _position(part: Any, of: Of) -> str:
    if not isinstance(part, slice):
        return of(part)
    ends = ["" if end is None else of(end) for end in (part.start, part.stop)]
    return ":".join(ends) + ("" if part.step is None else f":{of(part.step)}")


def _given(args: Sequence[Any], kwargs: Mapping[str, Any], of: Of) -> list[str]:
    return [*map(of, args), *(f"{name}={of(value)}" for name, value in kwargs.items())]


def _method_of(function: Any) -> str | None:
    """The name of the method that does what a function does, None if there is none."""
    if isinstance(function, MethodDescriptorType) and function.__objclass__ is np.ndarray:
        return function.__name__
    return _METHODS.get(function)


def _method(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], of: Of) -> str:
    first, *rest = args
    kwargs = {name: value for name, value in kwargs.items() if (name, value) != ("axis", None)}
    rest += [kwargs.pop(name) for name in _BY_POSITION if name in kwargs]
    if function is np.reshape and isinstance(rest[0], tuple):
        rest = list(rest[0]) or [()]
    return f"{of(first)}.{_method_of(function)}({', '.join(_given(rest, kwargs, of))})"


def _infix(sign: str, args: Sequence[Any], of: Of) -> str:
    left, right = args
    return _Loose(f"{_bound(left, of)} {sign} {_bound(right, of, sign)}")


class _Loose(str):
    """A text that needs brackets to be an operand."""

    __slots__ = ()


def _bound(item: Any, of: Of, sign: str = "") -> str:
    """The text of an operand: what an operator is before it, if there is one."""
    text = of(item)
    loose = isinstance(text, _Loose) or (text.startswith("-") and sign not in _COMPARISONS)
    return f"({text})" if loose else text


def _sign(function: Any, args: Sequence[Any]) -> str | None:
    """The operator that a function is, if it does the same for these arguments."""
    if function in INFIX:
        return INFIX[function]
    sign = _OPERATORS.get(function)
    fits = _is_array(args) if sign in _COMPARISONS else _operates(args)
    return sign if fits else None


def _is_array(args: Sequence[Any]) -> bool:
    return bool(args) and isinstance(args[0], Value) and not args[0].is_number


def _operates(args: Sequence[Any]) -> bool:
    """Whether an operator does what the function does, and warns of the same.

    NumPy works with integers that have no axes in another way, which warns.
    """
    arrays = [a for a in args if isinstance(a, Value) and a.dtype is not None]
    others = [a for a in args if a not in arrays]
    return (
        any(a.shape or (a.dtype is not None and a.dtype.kind == "f") for a in arrays)
        and all(isinstance(a, Value | int | float) for a in others)
        and all(a.dtype is not None and a.dtype.kind in "fciub" for a in arrays)
    )

"""The formulas of an op: the function and its derivative rules themselves, fed with symbols.

Each is written twice, in names and, where everything in it is a scalar, in numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from tinygrad_bp.engine import Op
from tinygrad_bp.explain.names import ARRIVING
from tinygrad_bp.explain.symbol import Symbol

__all__ = ["Formula", "Formulas", "Local", "Named", "symbol_of_arriving"]

Array: TypeAlias = "np.ndarray[Any, Any]"
Write: TypeAlias = Callable[[Any], Any]
"""Makes a symbol of what has a name, and leaves the rest as it is."""


class Named(Protocol):
    """What stands in a formula by its name: a node of the graph."""

    @property
    def name(self) -> str:
        """An identifier."""

    @property
    def value(self) -> Array:
        """What it is worth."""


class _Arriving(NamedTuple):
    name: str
    value: Array


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression that ran: in names, in numbers if they are scalars, and its shapes."""

    text: str
    numbers: str | None
    shapes: str
    value: Array  # before the engine gave it its input's shape and dtype


@dataclass(frozen=True, slots=True)
class Local:
    """The derivative of an elementwise op with respect to one argument, by itself."""

    symbol: str
    text: str
    numbers: str | None
    value: Array


def symbol_of_arriving(output: int | None) -> str:
    """Return what formulas call the gradient that arrives at an output.

    >>> symbol_of_arriving(None), symbol_of_arriving(1)
    ('g', 'g[1]')
    """
    return ARRIVING if output is None else f"{ARRIVING}[{output}]"


class Formulas:
    """Writes the formulas of one op, in the names of what it was given and what it made.

    `outputs` are the named values that came out, `arguments` what went in: named values and, as
    they are, whatever has no name.
    """

    def __init__(self, op: Op, outputs: Sequence[Named], arguments: Sequence[Any]) -> None:
        self._op = op
        self._outputs = outputs
        self._arguments = arguments
        self._given = [a for a in arguments if _has_name(a)]

    def forward(self, output: int | None) -> Formula:
        """Write down how one of the outputs was computed."""
        function, options = self._op.rule.function, self._op.options

        def run(write: Write) -> Any:
            made = Symbol.call(function, [write(a) for a in self._arguments], options)
            return made if output is None else made[output]

        called = f"{self._op.rule.name}(...)"
        (formula,) = _written(lambda write: [run(write)], self._given, [called])
        return formula

    def backward(self, arriving: Any) -> dict[int, Formula]:
        """Write down what each tracked argument is sent: its derivative rule."""
        rule, options, slots = self._op.rule, self._op.options, self._op.tracked
        gradients = self._named_gradients(arriving)

        def run(write: Write) -> list[Any]:
            g, y = self._as_given(map(write, gradients)), self._as_given(map(write, self._outputs))
            arrays = [write(a) for a in self._arguments]
            if rule.together:
                found = rule.partials[0](g, y, *arrays, **options)
                return [found[slot] for slot in slots]
            return [rule.partials[slot](g, y, *arrays, **options) for slot in slots]

        named = [*gradients, *self._outputs, *self._given]
        called = [f"vjp of {rule.name} for argument {slot}" for slot in slots]
        return dict(zip(slots, _written(run, named, called), strict=True))

    def local(self, slot: int) -> Local | None:
        """Write down the derivative of an elementwise op: its rule, with 1 arriving.

        Other functions have a matrix of derivatives, which no rule ever makes: None.
        """
        rule, options = self._op.rule, self._op.options
        if rule.kind != "elementwise":
            return None
        (made,) = self._outputs
        one = Symbol.unit(made.value)

        def run(write: Write) -> list[Any]:
            arrays = [write(a) for a in self._arguments]
            return [rule.partials[slot](one, write(made), *arrays, **options)]

        called = f"slope of {rule.name} in argument {slot}"
        (found,) = _written(run, [made, *self._given], [called])
        symbol = f"d{made.name}/d{self._arguments[slot].name}"
        return Local(symbol, found.text, found.numbers, found.value)

    def _named_gradients(self, arriving: Any) -> list[_Arriving]:
        if type(self._op.y) is tuple:
            return [_Arriving(symbol_of_arriving(i), np.asarray(g)) for i, g in enumerate(arriving)]
        return [_Arriving(ARRIVING, np.asarray(arriving))]

    def _as_given(self, values: Iterable[Any]) -> Any:
        """As a rule is given it: a tuple if the op has several outputs."""
        found = tuple(values)
        return found if type(self._op.y) is tuple else found[0]


def _written(
    run: Callable[[Write], list[Any]], named: Sequence[Named], called: Sequence[str]
) -> list[Formula]:
    """Run rules once with names and, for scalars, once with numbers.

    Rules of this library are formulas. A user's may be any code, some of which cannot be written
    as one (a loop, a branch): then `called` says what ran.
    """
    numbers: list[str | None] = [None] * len(called)
    with np.errstate(all="ignore"):
        try:
            written = [_as_symbol(found) for found in run(_symbol)]
            if all(np.ndim(a.value) == 0 for a in named):
                numbers = [str(_as_symbol(found)) for found in run(_number)]
        except Exception:  # whatever such code raises when it is given a symbol
            values = run(lambda a: a.value if _has_name(a) else a)
            written = [Symbol(text, v) for text, v in zip(called, values, strict=True)]
    shapes = _Shapes(named)
    return [
        Formula(
            text=symbol.text,
            numbers=None if number == symbol.text else number,
            shapes=shapes.of(symbol),
            value=symbol.value,
        )
        for symbol, number in zip(written, numbers, strict=True)
    ]


def _has_name(argument: Any) -> bool:
    return hasattr(argument, "name") and hasattr(argument, "value")


def _symbol(argument: Any) -> Any:
    return Symbol(argument.name, argument.value) if _has_name(argument) else argument


def _number(argument: Any) -> Any:
    return Symbol.number(argument.value) if _has_name(argument) else argument


def _as_symbol(result: Any) -> Symbol:
    """A rule may come down to a plain number, such as the slope 1 of a sum."""
    return result if isinstance(result, Symbol) else Symbol(repr(result), result)


class _Shapes:
    """Says of a formula which shapes go in and which one comes out."""

    _MENTIONED = re.compile(r"(?<![\w.])[\w.]+(?:\[\d+\])?")

    def __init__(self, named: Sequence[Named]) -> None:
        self._known = {a.name: a.value.shape for a in named}
        self._order = {name: i for i, name in enumerate(self._known)}
        self._any = any(self._known.values())

    def of(self, written: Symbol) -> str:
        """`g (32, 10), x (32, 16) -> (10, 16)`; nothing where everything is a scalar."""
        if not self._any and not written.shape:
            return ""
        words = set(self._MENTIONED.findall(written.text))
        paths = [word.partition("[")[0].split(".") for word in words]
        starts = {".".join(path[: n + 1]) for path in paths for n in range(len(path))}
        names = sorted((words | starts) & self._order.keys(), key=self._order.__getitem__)
        given = [f"{name} {self._known[name]}" for name in names]
        return f"{', '.join(given)} -> {written.shape}".lstrip()

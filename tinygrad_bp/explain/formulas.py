"""The formulas of a graph: the functions and derivative rules themselves, fed with symbols.

Each is written twice, in names and, where everything in it is a scalar, in numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.explain.names import ARRIVING
from tinygrad_bp.explain.symbol import Symbol

if TYPE_CHECKING:
    from tinygrad_bp.explain.trace import Node

__all__ = [
    "Formula",
    "Local",
    "forward_formula",
    "local_derivative",
    "step_formula",
]

Array = np.ndarray[Any, Any]
Arguments = Sequence[Any]  # nodes, and whatever else the op was called with


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression that ran: in names, in numbers if they are scalars, and its shapes."""

    text: str
    numbers: str | None
    shapes: str
    value: Array  # before the engine gave it its input's shape and dtype


@dataclass(frozen=True, slots=True)
class Local:
    """The derivative of one elementwise op by one argument, on its own."""

    symbol: str
    text: str
    numbers: str | None
    value: Array


def forward_formula(child: Node, arguments: Arguments) -> Formula:
    """Write down what was computed."""
    assert child.op is not None  # noqa: S101
    function, options = child.op.rule.function, child.op.options
    return _written(lambda *a: Symbol.call(function, a, options), arguments)


def step_formula(child: Node, slot: int, arguments: Arguments, arriving: Array) -> Formula:
    """Write down what one argument is sent: its derivative rule, fed with symbols."""
    assert child.op is not None  # noqa: S101
    partial, options = child.op.rule.partials[slot], child.op.options
    given = [_Named(ARRIVING, np.asarray(arriving)), child, *arguments]
    return _written(lambda g, y, *a: partial(g, y, *a, **options), given)


def local_derivative(child: Node, slot: int, arguments: Arguments) -> Local | None:
    """Write down the derivative of an elementwise op: its rule, with 1 arriving.

    Other functions have a matrix of derivatives, which no rule ever makes: None.
    """
    assert child.op is not None  # noqa: S101
    if child.op.rule.kind != "elementwise":
        return None
    partial, options = child.op.rule.partials[slot], child.op.options
    one = Symbol.unit(child.value)
    found = _written(lambda y, *a: partial(one, y, *a, **options), [child, *arguments])
    symbol = f"d{child.name}/d{arguments[slot].name}"
    return Local(symbol, found.text, found.numbers, found.value)


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    value: Array


def _written(formula: Callable[..., Any], arguments: Arguments) -> Formula:
    with np.errstate(all="ignore"):
        written = _as_symbol(formula(*map(_symbol, arguments)))
        numbers = None
        if all(np.ndim(a.value) == 0 for a in arguments if _is_named(a)):
            numbers = str(_as_symbol(formula(*map(_number, arguments))))
    return Formula(
        text=written.text,
        numbers=None if numbers == written.text else numbers,
        shapes=_shapes(written, arguments),
        value=written.value,
    )


def _is_named(argument: Any) -> bool:
    return hasattr(argument, "name") and hasattr(argument, "value")


def _symbol(argument: Any) -> Any:
    return Symbol(argument.name, argument.value) if _is_named(argument) else argument


def _number(argument: Any) -> Any:
    return Symbol.number(argument.value) if _is_named(argument) else argument


def _as_symbol(result: Any) -> Symbol:
    """A rule may come down to a plain number, such as the slope 1 of a sum."""
    return result if isinstance(result, Symbol) else Symbol(repr(result), result)


def _shapes(written: Symbol, arguments: Arguments) -> str:
    """`g (32, 10), x (32, 16) -> (10, 16)`: what the formula mentions, and what comes out."""
    shapes = {a.name: a.value.shape for a in arguments if _is_named(a)}
    if not any(shapes.values()) and not written.shape:
        return ""
    words = set(re.findall(r"(?<![\w.])[\w.]+", written.text))
    beginnings = {".".join(w.split(".")[:n]) for w in words for n in range(1, w.count(".") + 2)}
    given = [f"{name} {shape}" for name, shape in shapes.items() if name in beginnings]
    return f"{', '.join(given)} -> {written.shape}"

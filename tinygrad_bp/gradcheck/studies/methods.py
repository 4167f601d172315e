"""The formulas for derivatives that are compared, and the function they are famous for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["METHODS", "Method", "squire_trapp"]

Function = Callable[[Any], Any]
Vector = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """A formula for a derivative from values: its order, and what rounding does to it."""

    slope: Callable[[Function, Vector, Vector, Any], Any]  # of f at x along v with step h
    truncation: int  # the error is of order h to this power
    rounding: int  # and of order eps times h to that one
    mark: str
    color: str
    width: float = 1.6


def _forward(f: Function, x: Vector, v: Vector, h: Any) -> Any:
    return (f(x + h * v) - f(x)) / h


def _central(f: Function, x: Vector, v: Vector, h: Any) -> Any:
    return (f(x + h * v) - f(x - h * v)) / (2 * h)


def _five_point(f: Function, x: Vector, v: Vector, h: Any) -> Any:
    near = f(x + h * v) - f(x - h * v)
    far = f(x + 2 * h * v) - f(x - 2 * h * v)
    return (8 * near - far) / (12 * h)


def _complex_step(f: Function, x: Vector, v: Vector, h: Any) -> Any:
    return np.imag(f(x + 1j * h * v)) / h


METHODS: dict[str, Method] = {
    "forward": Method(_forward, 1, -1, "f", "#c44e52"),
    "central": Method(_central, 2, -1, "c", "#dd8452"),
    "five-point": Method(_five_point, 4, -1, "5", "#55a868"),
    "complex step": Method(_complex_step, 2, 0, "i", "#8fb4dc", 4.0),
}
"""The formulas that `step_sizes` compares, by name."""


def squire_trapp(x: Any) -> Any:
    """Return the sum of exp(x) / (sin³x + cos³x), with which the complex step became known.

    It grows steeply towards its poles, the nearest of them at -π/4 and 3π/4, and so is hard on
    difference formulas. Source: Squire, Trapp, Using Complex Variables to Estimate Derivatives
    of Real Functions (1998).

    >>> squire_trapp(np.array([0.0, 1.5])).round(6)
    np.float64(5.513929)
    """
    return np.sum(np.exp(x) / (np.sin(x) ** 3 + np.cos(x) ** 3))

"""Numerical derivatives along a direction, each with an error bar.

    by_complex_step   machine precision, exact one-sided values at kinks
    by_differences    Richardson extrapolation of central differences, for functions that complex
                      numbers cannot go through

Both take a function of one flat float64 vector that gives a flat array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.complex_step import Perturbed, Run

__all__ = ["Derivative", "by_complex_step", "by_differences"]

Vector = np.ndarray[Any, Any]


@dataclass(slots=True)
class Derivative:
    """A directional derivative: value, error bar and, at a kink, both one-sided values."""

    value: Vector
    error: Vector
    left: Vector | None = None
    right: Vector | None = None


def by_complex_step(
    function: Callable[[Any], Any], x: Vector, direction: int | Vector
) -> Derivative:
    """Return the derivative by one entry, or along a direction, with ties broken to both sides.

    >>> by_complex_step(lambda x: np.exp(x), np.array([0.0]), np.array([1.0])).value
    array([1.])
    """
    right, ties = _one_side(function, x, direction, 1)
    if not ties:
        return Derivative(right, np.zeros_like(right))
    left, _ = _one_side(function, x, direction, -1)
    return Derivative((left + right) / 2, np.zeros_like(right), left, right)


def _one_side(
    function: Callable[[Any], Any], x: Vector, direction: int | Vector, side: int
) -> tuple[Vector, int]:
    run = Run(side)
    with np.errstate(all="ignore"):
        result = function(Perturbed(x, direction, run))
    if not isinstance(result, Perturbed):  # nothing of x reached the result
        return np.zeros(np.size(result)), run.ties
    return result.derivative.ravel(), run.ties


def by_differences(
    function: Callable[[Vector], Vector], x: Vector, along: int | Vector, *, levels: int = 6
) -> Derivative:
    """Return the derivative along a direction by Richardson extrapolation, with an error bar.

    Central differences at halving steps are extrapolated to step 0; the entry of the triangle
    with the smallest estimated error is taken. The step starts at a tenth of the scale of x and
    is reduced while the function is not finite there.

    Source: Ridders, Accurate Computation of F'(x) and F'(x) F''(x) (1982).

    >>> found = by_differences(lambda x: np.exp(x), np.array([0.0]), np.array([1.0]))
    >>> bool(abs(found.value[0] - 1) < 1e-9)
    True
    """
    direction = np.eye(1, x.size, along).ravel() if isinstance(along, int) else along
    moving = direction != 0
    scale = max(float(np.abs(x[moving]).max(initial=0.0)), 1.0) / max(
        float(np.abs(direction).max()), 1e-300
    )
    h = 0.1 * scale
    with np.errstate(all="ignore"):
        for _ in range(60):
            ends = function(x + h * direction), function(x - h * direction)
            if all(np.isfinite(end).all() for end in ends):
                break
            h /= 4
        return _ridders(function, x, direction, h, levels)


def _ridders(
    function: Callable[[Vector], Vector], x: Vector, direction: Vector, h: float, levels: int
) -> Derivative:
    size = np.abs(np.ravel(function(x)))
    best = error = None
    previous: list[Vector] = []
    for level in range(4 * levels):
        ahead, behind = x + h * direction, x - h * direction
        top, bottom = np.ravel(function(ahead)), np.ravel(function(behind))
        row = [(top - bottom) / (2 * h)]
        # What rounding alone can do: the values are known to about an ulp.
        rounding = np.finfo(float).eps * np.maximum(size, np.maximum(abs(top), abs(bottom))) / h
        for k, coarse in enumerate(previous[:levels]):
            factor = 4.0 ** (k + 1)
            row.append((factor * row[-1] - coarse) / (factor - 1))
            change = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - coarse)) + rounding
            if best is None or error is None:
                best, error = row[-1], change
            better = ~(change >= error)
            best, error = np.where(better, row[-1], best), np.where(better, change, error)
        previous, h = row, h / 2
    assert best is not None  # noqa: S101
    assert error is not None  # noqa: S101
    return Derivative(best, error)

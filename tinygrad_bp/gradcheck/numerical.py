"""Numerical derivatives along a direction, each with an error bar.

    by_complex_step   machine precision, exact one-sided values at kinks
    by_differences    Richardson extrapolation of central differences, for functions that complex
                      numbers cannot go through

Both take a function of one flat float64 vector that gives an array, and differentiate by one entry
of the vector (an int) or along a direction (a vector).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.complex_step import Perturbed, Run

__all__ = ["Derivative", "by_complex_step", "by_differences", "rounding_of_complex_step"]

Vector = np.ndarray[Any, Any]
Function = Callable[[Any], Any]

EPS = float(np.finfo(float).eps)


@dataclass(slots=True)
class Derivative:
    """A directional derivative: value, error bar and, at a kink, both one-sided values."""

    value: Vector
    error: Vector
    left: Vector | None = None
    right: Vector | None = None


# --- complex step ---------------------------------------------------------------------------


def by_complex_step(function: Function, x: Vector, along: int | Vector) -> Derivative:
    """Return the derivative by complex step, with ties broken to both sides.

    >>> by_complex_step(np.exp, np.array([0.0]), 0).value
    array([1.])
    """
    right, ties = _one_side(function, x, along, 1)
    if not ties:
        return Derivative(right, np.zeros_like(right))
    left, _ = _one_side(function, x, along, -1)
    return Derivative((left + right) / 2, np.zeros_like(right), left, right)


def rounding_of_complex_step(
    function: Function, x: Vector, along: int | Vector, rng: np.random.Generator
) -> Vector:
    """Return how far the derivative moves when every operation is off by up to an ulp.

    >>> rng = np.random.default_rng(0)
    >>> bool(rounding_of_complex_step(np.exp, np.array([0.0]), 0, rng)[0] < 1e-15)
    True
    """
    center, _ = _one_side(function, x, along, 1)
    moved = [_one_side(function, x, along, 1, rng)[0] for _ in range(3)]
    result: Vector = np.max(np.abs(np.array(moved) - center), axis=0)
    return result


def _one_side(
    function: Function,
    x: Vector,
    along: int | Vector,
    side: int,
    jitter: np.random.Generator | None = None,
) -> tuple[Vector, int]:
    run = Run(side, jitter)
    with np.errstate(all="ignore"):
        result = function(Perturbed(x, along, run))
    if not isinstance(result, Perturbed):  # nothing of x reached the result
        return np.zeros(np.size(result)), run.ties
    return result.derivative.ravel(), run.ties


# --- differences ----------------------------------------------------------------------------


def by_differences(function: Function, x: Vector, along: int | Vector) -> Derivative:
    """Return the derivative by Richardson extrapolation of differences, with an error bar.

    Central differences at halving steps are extrapolated to step 0; of all the estimates the one
    with the smallest error bar is taken, which covers truncation (how much the last extrapolation
    changed) and rounding (an ulp of the function over the step). The first step is a tenth of the
    scale of x, less where the function is not finite there.

    Source: Ridders, Accurate Computation of F'(x) and F'(x) F''(x) (1982).

    >>> found = by_differences(np.exp, np.array([0.0]), 0)
    >>> bool(abs(found.value[0] - 1) < 4 * found.error[0] + 1e-12)
    True
    """
    direction = np.eye(1, x.size, along).ravel() if isinstance(along, int) else along
    largest = float(np.abs(direction).max(initial=0.0))
    if largest == 0.0:
        return Derivative(zeros := np.zeros(np.size(function(x))), zeros)

    def line(h: float) -> Vector:
        return np.ravel(np.asarray(function(x + h * direction), float))

    def width(h: float) -> float:
        """The step from x - h to x + h as it is after rounding."""
        if not isinstance(along, int):
            return 2 * h
        return float((x[along] + h) - (x[along] - h))

    with np.errstate(all="ignore"):
        h = 0.1 * max(float(np.abs(x[direction != 0]).max()), 1.0) / largest
        while h > 1e-200 and not (np.isfinite(line(h)).all() and np.isfinite(line(-h)).all()):
            h /= 4  # back into the domain
        found = _extrapolate(line, width, h)
        _look_for_a_kink(line, h, found)
    return found


def _extrapolate(
    line: Callable[[float], Vector], width: Callable[[float], float], h: float, *, levels: int = 26
) -> Derivative:
    """Ridders' triangle: each row halves the step, each column removes a power of it."""
    best = np.zeros_like(line(0.0))
    error = np.full_like(best, np.inf)
    above: list[Vector] = []
    for _ in range(levels):
        top, bottom = line(h), line(-h)
        rounding = EPS * np.maximum(np.abs(top), np.abs(bottom)) / h
        row = [(top - bottom) / width(h)]
        for order, coarse in enumerate(above[:6], start=1):
            row.append(row[-1] + (row[-1] - coarse) / (4.0**order - 1))
            change = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - coarse)) + rounding
            better = change < error
            best, error = np.where(better, row[-1], best), np.where(better, change, error)
        above, h = row, h / 2
    return Derivative(best, error)


def _look_for_a_kink(line: Callable[[float], Vector], h: float, found: Derivative) -> None:
    """Where the slopes to both sides do not approach each other, note them both.

    For a smooth function their gap shrinks with the step; at a kink it stays.
    """
    here = line(0.0)
    steps = [h * 2.0**-14, h * 2.0**-20]
    gaps, sides = [], []
    for step in steps:
        right, left = (line(step) - here) / step, (here - line(-step)) / step
        sides.append((left, right))
        gaps.append(np.abs(right - left))
    rounding = 8 * EPS * np.abs(here) / steps[1]
    kinked = (gaps[1] > 0.5 * gaps[0]) & (gaps[1] > 1e-6 * np.abs(found.value) + rounding)
    if kinked.any():
        left, right = sides[1]
        found.left = np.where(kinked, left, found.value)
        found.right = np.where(kinked, right, found.value)

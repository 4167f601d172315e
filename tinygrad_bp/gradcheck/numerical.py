"""Numerical derivatives along a direction, each with an error bar.

    by_complex_step   machine precision, exact one-sided values at kinks
    by_differences    Richardson extrapolation of central differences, for functions that complex
                      numbers cannot go through

Both take a function of one flat float64 vector that gives an array, and differentiate by one entry
of the vector (an int) or along a direction (a vector).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.complex_step import Perturbed, Run

__all__ = [
    "Derivative",
    "by_complex_step",
    "by_differences",
    "goes_through",
    "rounding_of_complex_step",
]

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
    run = Run(1)
    right, _ = _one_side(function, x, along, run)
    if not run.ties:
        return Derivative(right, np.zeros_like(right))
    left, _ = _one_side(function, x, along, Run(-1))
    return Derivative((left + right) / 2, np.zeros_like(right), left, right)


def goes_through(function: Function, x: Vector) -> bool:
    """Return whether the complex step goes through the function, and finds its value there.

    >>> goes_through(np.exp, np.zeros(2)), goes_through(np.asarray, np.zeros(2))
    (True, False)
    """
    expected = np.asarray(function(x))
    try:
        _, value = _one_side(function, x, np.ones_like(x), Run(1))
    except Exception:  # whatever the function has against such arrays
        return False
    size = float(np.abs(expected).max(initial=0.0))
    return value.shape == expected.shape and bool((np.abs(value - expected) <= 1e-8 * size).all())


def rounding_of_complex_step(
    function: Function, x: Vector, along: int | Vector, rng: np.random.Generator
) -> tuple[Vector, float]:
    """Return how far the derivative moves when every operation is off by up to an ulp.

    With it comes the largest derivative that any result on the way had.

    >>> moved, peak = rounding_of_complex_step(np.exp, np.ones(1), 0, np.random.default_rng(0))
    >>> bool(moved[0] < 1e-15), round(peak, 1)
    (True, 2.7)
    """
    center, _ = _one_side(function, x, along, Run(1))
    runs = [Run(1, rng) for _ in range(3)]
    moved = [_one_side(function, x, along, run)[0] for run in runs]
    result: Vector = np.max(np.abs(np.array(moved) - center), axis=0)
    return result, max(run.peak for run in runs)


def _one_side(
    function: Function, x: Vector, along: int | Vector, run: Run
) -> tuple[Vector, Vector]:
    """Return the derivative to one side, and the value."""
    with np.errstate(all="ignore"):
        result = function(Perturbed(x, along, run))
    if not isinstance(result, Perturbed):  # nothing of x reached the result
        return np.zeros(np.size(result)), np.asarray(result)
    return result.derivative.ravel(), result.value


# --- differences ----------------------------------------------------------------------------

LEVELS = 12, 15  # halvings near x, and then quarterings, down to about 1e-13 of its scale
COLUMNS = 6  # powers of the step that extrapolation removes
JUDGED = 4  # of the smallest steps, whose scatter shows how noisy the function is
NEAR = 1e-4  # of the scale of steps, x is so near to 0 that there must be steps on its own scale
STAIR = 1e-6  # height of a stair, relative to the function, that rounding may have made
ULPS = 1e-12  # the same, relative to the largest input
KINK = 1e-6  # gap between the slopes to both sides, relative to them, that is called a kink


def by_differences(function: Function, x: Vector, along: int | Vector) -> Derivative:
    """Return the derivative by Richardson extrapolation of differences, with an error bar.

    Differences to both sides, at steps from half the scale of x down to a few of its ulps, are
    extrapolated to step 0. The error bar covers truncation (how much the last extrapolation
    changed), rounding (the scatter of the function at the smallest steps, and half an ulp of it),
    and consistency: an estimate from large steps that those from small steps contradict has
    missed something narrow. Where the slopes to both sides differ by more than their own error
    bars, they are given as `left` and `right`. Where the function is not finite on one side, the
    other one decides; where it is on neither, the derivative is nan.

    Source: Ridders, Accurate Computation of F'(x) and F'(x) F''(x) (1982).

    >>> found = by_differences(np.exp, np.array([0.0]), 0)
    >>> bool(abs(found.value[0] - 1) < 4 * found.error[0] < 1e-10)
    True
    """
    with np.errstate(all="ignore"):
        line = _Line(function, x, along)
        if line.largest == 0.0:
            return Derivative(zeros := np.zeros(line.here.size), zeros)
        for sides in ((1, -1), (1,), (-1,)):
            if (steps := line.steps(sides)) is not None:
                return _derivative([_Side(line, side, steps) for side in sides], line.size)
        return Derivative(np.full(line.here.size, np.nan), np.full(line.here.size, np.inf))


class _Line:
    """The function on the line through x."""

    def __init__(self, function: Function, x: Vector, along: int | Vector) -> None:
        self._function = function
        self._x = x
        if isinstance(along, int):
            self._direction = np.eye(1, x.size, along).ravel()
        else:
            self._direction = np.asarray(along)
        self._moved = x[self._direction != 0]
        self.largest = float(np.abs(self._direction).max(initial=0.0))
        self.size = float(np.abs(x).max(initial=0.0))
        self.here = self.at(0.0)

    def at(self, h: float) -> Vector:
        """Return the function's values, laid out flat, h along the line."""
        return np.ravel(np.asarray(self._function(self._x + h * self._direction), float))

    def width(self, h: float) -> float:
        """Return the step as it is after rounding."""
        if self._moved.size > 1:
            return abs(h)
        return abs(float(self._moved[0] + h * self.largest) - float(self._moved[0])) / self.largest

    def steps(self, sides: tuple[int, ...]) -> list[float] | None:
        """Return falling steps that stay in the domain; none if all leave it.

        Powers of two, so that x ± h is exact. Where x is so near to 0 that they would all jump
        over it, there are some more that do not.
        """
        size = np.abs(self._moved)
        near = float(np.min(size[size > 0], initial=1.0)) / self.largest
        least = 8 * EPS * float(size.max()) / self.largest
        far = _power_of_two(0.5 * max(float(size.max()), 1.0) / self.largest)
        first = self._inside(far, max(least, far * 2.0**-60), sides)
        if first is None:
            first = self._inside(_power_of_two(near / 2), max(least, near * 2.0**-60), sides)
        if first is None:
            return None
        halvings, quarterings = LEVELS
        steps = [first * 2.0**-k for k in range(halvings)]
        steps += [steps[-1] * 4.0**-k for k in range(1, quarterings)]
        if near < NEAR * first:
            steps += [_power_of_two(near / 2) * 4.0**-k for k in range(quarterings)]
        steps = sorted({h for h in steps if h >= least}, reverse=True)
        return steps if len(steps) > 2 else None

    def _inside(self, h: float, least: float, sides: tuple[int, ...]) -> float | None:
        while h >= least:
            if all(np.isfinite(self.at(side * h)).all() for side in sides):
                return h
            h /= 4
        return None


def _power_of_two(h: float) -> float:
    """The largest power of two up to h."""
    return 2.0 ** math.floor(math.log2(h))


class _Side:
    """The function's values on one side of x, at falling steps, and what they tell of it."""

    def __init__(self, line: _Line, side: int, steps: list[float]) -> None:
        self.steps = np.array([line.width(side * h) for h in steps])
        self.here = line.here
        self.changes = side * (np.array([line.at(side * h) for h in steps]) - self.here)
        self._remove_a_jump()
        self.slopes = self.changes / self.steps[:, None]
        size = np.abs(self.here) + np.abs(self.changes)
        *_, smooth = _extrapolations(self.slopes[-JUDGED - 3 :], self.steps[-JUDGED - 3 :], 1, 2)
        scatter = np.abs(np.diff(smooth, axis=0)) * self.steps[-len(smooth) + 1 :, None]
        self.noise = np.maximum(EPS / 2 * size, scatter.max(axis=0))  # (steps, outputs)
        self.flat = self.changes == 0

    def _remove_a_jump(self) -> None:
        """Where the function jumps at x, go on from where it jumps to.

        It does if it has moved far, and as far at each of the smallest steps.
        """
        last = self.changes[-4:]
        far = np.abs(last[-1]) > 1e-9 * np.abs(self.here) + np.abs(self.changes).max(axis=0) / 1e9
        same = np.ptp(last, axis=0) <= 1e-3 * np.abs(last[-1])
        self.changes -= np.where(far & same, last[-1], 0.0)
        self.jumps = far & same


def _derivative(sides: list[_Side], size: float) -> Derivative:
    """Put the sides together; `size` is that of the largest input."""
    noise = np.max([side.noise for side in sides], axis=0)
    noise = np.maximum(noise, _height_of_stairs(sides, size))
    limits = [_limit(side.slopes, side.steps, 1, 2 * noise) for side in sides]
    if len(sides) == 1:
        return Derivative(*limits[0])
    widths = sides[0].steps + sides[1].steps
    central = (sides[0].changes + sides[1].changes) / widths[:, None]
    found = Derivative(*_limit(central, widths / 2, 2, noise))
    (right, right_error), (left, left_error) = limits
    gap, error = np.abs(right - left), right_error + left_error
    kinked = gap > 4 * error + KINK * np.maximum(np.abs(right), np.abs(left))
    if kinked.any():
        found.error = np.where(kinked, error, found.error)
        found.left = np.where(kinked, left, found.value)
        found.right = np.where(kinked, right, found.value)
    return found


def _height_of_stairs(sides: list[_Side], largest: float) -> Vector:
    """How high the stairs are that rounding made of a slope; 0 where there are none.

    (x + 1e8) - 1e8 is flat at steps below 1e-8, and at larger ones has the same slope to both
    sides. A step function that is meant to be one has higher stairs.
    """
    flat = np.logical_and.reduce([side.flat for side in sides])
    trailing = np.logical_and.accumulate(flat[::-1], axis=0).sum(axis=0)
    first = np.maximum(len(flat) - 1 - trailing, 0)[None]  # the smallest step that shows a change
    higher = np.maximum(first - 4, 0)
    slopes = [np.take_along_axis(side.slopes, higher, axis=0)[0] for side in sides]
    heights = [np.abs(np.take_along_axis(side.changes, first, axis=0)[0]) for side in sides]
    height = np.max(heights, axis=0)
    alike = np.ptp(slopes, axis=0) <= 0.5 * np.abs(slopes).min(axis=0)
    size = np.abs(sides[0].here) + np.abs(sides[0].changes).max(axis=0)
    low = height <= np.maximum(STAIR * size, ULPS * largest)
    stairs = (trailing >= 3) & alike & low & (len(sides) == 2)
    return np.where(stairs, height, 0.0)


def _extrapolations(
    slopes: Vector, steps: Vector, power: int, columns: int = COLUMNS
) -> Iterator[Vector]:
    """Neville's scheme in step^power: column m ends with as many rows as slopes, less m."""
    column = slopes
    for m in range(1, min(columns, len(steps) - 1) + 1):
        ratio = (steps[:-m] / steps[m:]) ** power
        column = column[1:] + np.diff(column, axis=0) / (ratio - 1)[:, None]
        yield column


def _limit(slopes: Vector, steps: Vector, power: int, noise: Vector) -> tuple[Vector, Vector]:
    """Extrapolate slopes to step 0: value and error bar."""
    value, error = slopes.copy(), np.full_like(slopes, np.inf)
    before = slopes
    for m, column in enumerate(_extrapolations(slopes, steps, power), start=1):
        change = np.maximum(np.abs(column - before[1:]), np.abs(column - before[:-1]))
        better = change < error[m:]
        value[m:] = np.where(better, column, value[m:])
        error[m:] = np.where(better, change, error[m:])
        before = column
    error += 1.2 * noise / steps[:, None]
    # What smaller steps say for sure, a larger one must not contradict.
    known = np.isfinite(error)
    above = _of_smaller_steps(np.where(known, value - error, -np.inf), np.maximum, -np.inf)
    below = _of_smaller_steps(np.where(known, value + error, np.inf), np.minimum, np.inf)
    excess = np.maximum(np.maximum(above - value, value - below), 0.0)
    error = np.where(known, error + excess, np.inf)
    best = error.argmin(axis=0)[None]
    return np.take_along_axis(value, best, 0)[0], np.take_along_axis(error, best, 0)[0]


def _of_smaller_steps(bounds: Vector, extreme: np.ufunc, none: float) -> Vector:
    result = np.full_like(bounds, none)
    result[:-1] = extreme.accumulate(bounds[:0:-1], axis=0)[::-1]
    return result

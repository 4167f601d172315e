"""Numerical derivatives along a direction, each with an error bar.

    by_complex_step   machine precision, exact one-sided values at kinks
    by_differences    Richardson extrapolation of central differences, for functions that complex
                      numbers cannot go through

Both take a function of one flat float64 vector that gives an array, and differentiate by one entry
of the vector (an int) or along a direction (a vector).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.complex_step import STEP, Perturbed, Run

__all__ = [
    "FEWER",
    "LEVELS",
    "Derivative",
    "by_complex_step",
    "by_differences",
    "goes_through",
    "rounding_of_complex_step",
]

Vector = np.ndarray[Any, Any]
Function = Callable[[Any], Any]

EPS = float(np.finfo(float).eps)
TINY = 4 * float(np.finfo(float).tiny)  # no steps on the scale of smaller inputs


@dataclass(slots=True)
class Derivative:
    """A directional derivative: value, error bar and, at a kink, both one-sided values."""

    value: Vector
    error: Vector
    left: Vector | None = None
    right: Vector | None = None

    def weighted(self, weights: Vector) -> Derivative:
        """Return the derivatives of sums of the outputs, one for each row of weights."""
        left = None if self.left is None else _sums(weights, self.left)
        right = None if self.right is None else _sums(weights, self.right)
        return Derivative(
            _sums(weights, self.value), _sums(np.abs(weights), self.error), left, right
        )


def _sums(weights: Vector, numbers: Vector) -> Vector:
    """Sums in which what has no weight has no part, even if it is inf or nan."""
    if np.isfinite(numbers).all():
        result: Vector = weights @ numbers
        return result
    return np.array([w[w != 0] @ numbers[w != 0] for w in weights])


# --- complex step ---------------------------------------------------------------------------


def by_complex_step(
    function: Function, x: Vector, along: int | Vector, step: float = STEP
) -> Derivative:
    """Return the derivative by complex step, with ties broken to both sides.

    >>> by_complex_step(np.exp, np.array([0.0]), 0).value
    array([1.])
    """
    run = Run(1, step=step)
    right, _ = _one_side(function, x, along, run)
    if not run.ties:
        return Derivative(right, np.zeros_like(right))
    left, _ = _one_side(function, x, along, Run(-1, step=step))
    return Derivative((left + right) / 2, np.zeros_like(right), left, right)


def goes_through(function: Function, x: Vector, step: float = STEP) -> bool:
    """Return whether the complex step goes through the function, and finds its value there.

    >>> goes_through(np.exp, np.zeros(2)), goes_through(np.asarray, np.zeros(2))
    (True, False)
    """
    expected = np.asarray(function(x))
    try:
        slope, value = _one_side(function, x, np.ones_like(x), Run(1, step=step))
    except Exception:  # whatever the function has against such arrays
        return False
    size = float(np.abs(expected).max(initial=0.0))
    alike = value.shape == expected.shape and (np.abs(value - expected) <= 1e-8 * size).all()
    return bool(alike) and not np.isnan(slope).any()


def rounding_of_complex_step(
    function: Function, x: Vector, along: int | Vector, rng: np.random.Generator
) -> tuple[Vector, float]:
    """Return how far the derivative moves when every operation is off by up to an ulp.

    With it comes the largest derivative that any result on the way had.

    >>> moved, peak = rounding_of_complex_step(np.exp, np.ones(1), 0, np.random.default_rng(0))
    >>> bool(moved[0] < 1e-15), round(peak, 1)
    (True, 2.7)
    """
    runs = [Run(1, rng) for _ in range(4)]
    moved = [_one_side(function, x, along, run)[0] for run in runs]
    result: Vector = np.ptp(moved, axis=0)
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
FEWER = 8, 9  # the same, for a witness who need not be as exact
COLUMNS = 6  # powers of the step that extrapolation removes
JUDGED = 4  # of the smallest steps, whose scatter shows how noisy the function is
NEAR = 1e-4  # of the scale of steps, x is so near to 0 that there must be steps on its own scale
STAIR = 1e-6  # height of a stair, relative to the function, that rounding may have made
ULPS = 1e-12  # the same, relative to the largest input
SMOOTH = 1e-8, 1e-10, 1e-12  # of x, how far points are apart that a smooth curve must go through
BISECTED = 4  # places at which outputs leave the flat
KINK = 1e-6  # gap between the slopes to both sides, relative to them, that is called a kink


def by_differences(
    function: Function, x: Vector, along: int | Vector, levels: tuple[int, int] = LEVELS
) -> Derivative:
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
            if (steps := line.steps(sides, levels)) is not None:
                return _derivative([_Side(line, side, steps) for side in sides])
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
        self.size = float(np.abs(x[np.isfinite(x)]).max(initial=0.0))
        self.here = self.at(0.0)

    def at(self, h: float) -> Vector:
        """Return the function's values, laid out flat, h along the line."""
        return np.ravel(np.asarray(self._function(self._x + h * self._direction), float))

    def width(self, h: float) -> float:
        """Return the step as it is after rounding."""
        if self._moved.size > 1:
            return abs(h)
        return abs(float(self._moved[0] + h * self.largest) - float(self._moved[0])) / self.largest

    def steps(self, sides: tuple[int, ...], levels: tuple[int, int] = LEVELS) -> list[float] | None:
        """Return falling steps that stay in the domain; none if all leave it.

        Powers of two, so that x ± h is exact. Where x is so near to 0 that they would all jump
        over it, there are some more that do not.
        """
        size = np.abs(self._moved)
        if not np.isfinite(size).all():
            return None
        near = float(np.min(size[size > TINY], initial=1.0)) / self.largest
        least = 8 * EPS * float(size.max()) / self.largest
        far = _power_of_two(0.5 * max(float(size.max()), 1.0) / self.largest)
        first = self._inside(far, max(least, far * 2.0**-60), sides)
        if first is None:
            first = self._inside(_power_of_two(near / 2), max(least, near * 2.0**-60), sides)
        if first is None:
            return None
        halvings, quarterings = levels
        steps = [first * 2.0**-k for k in range(halvings)]
        steps += [steps[-1] * 4.0**-k for k in range(1, quarterings)]
        if near < NEAR * first:
            steps += [_power_of_two(near / 2) * 4.0**-k for k in range(quarterings)]
        steps = sorted({h for h in steps if h >= least}, reverse=True)
        return steps if len(steps) > 2 else None

    def noise(self, side: int) -> Vector:
        """Return how far values near x, on one side, are from a smooth curve through them.

        Near the edge of the domain, where curves may be sharp, they are nearer to x.
        """
        size = side * float(np.abs(self._moved).max(initial=0.0)) / self.largest
        off = np.zeros(self.here.size)
        for spacing in SMOOTH:
            if size and all(np.isfinite(self.at(h * spacing * size)).all() for h in (64, -64)):
                off = self._off_smooth(spacing * size, 12, 5)
                if (off <= STAIR * self._reach(spacing * size)).all():
                    break  # more than that is no noise, but a curve
        return np.maximum(self._off_smooth(16 * EPS * size, 6, 1), off)

    def _reach(self, h: float) -> Vector:
        """The size of the values from x to a few steps away."""
        result: Vector = np.maximum(np.abs(self.here), np.abs(self.at(12 * h)))
        return result

    def _off_smooth(self, spacing: float, points: int, degree: int) -> Vector:
        steps = np.arange(1, points + 1)  # x itself may be at a jump
        values = np.array([self.at(spacing * k) for k in steps])
        if not spacing or not np.isfinite(values).all():
            return np.zeros(self.here.size)
        values -= values[0].copy()
        powers = np.vander(2 * steps / points - 1, degree + 1)
        fitted = powers @ np.linalg.lstsq(powers, values, rcond=None)[0]
        result: Vector = np.abs(values - fitted).max(axis=0)
        return result

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
        self._line, self._side = line, side
        self.steps = np.array([line.width(side * h) for h in steps])
        self.here = line.here
        self.changes = side * (np.array([line.at(side * h) for h in steps]) - self.here)
        height = self._height_of_stairs(steps)
        self._remove_a_jump()
        self.slopes = self.changes / self.steps[:, None]
        size = np.abs(self.here) + np.abs(self.changes)
        *_, smooth = _extrapolations(self.slopes[-JUDGED - 3 :], self.steps[-JUDGED - 3 :], 1, 2)
        scatter = np.abs(np.diff(smooth, axis=0)) * self.steps[-len(smooth) + 1 :, None]
        noise = np.maximum(np.maximum(height, line.noise(side)), scatter.max(axis=0))
        self.noise = np.maximum(EPS / 2 * size, noise)  # (steps, outputs)

    def _remove_a_jump(self) -> None:
        """Where the function jumps at x, go on from where it jumps to.

        It does if it has moved far, and as far at each of the smallest steps.
        """
        last = self.changes[-4:]
        far = np.abs(last[-1]) > 1e-9 * np.abs(self.here) + np.abs(self.changes).max(axis=0) / 1e9
        same = np.ptp(last, axis=0) <= 1e-3 * np.abs(last[-1])
        self.changes -= np.where(far & same, last[-1], 0.0)

    def _height_of_stairs(self, steps: list[float]) -> Vector:
        """How high the stairs are that rounding made of a slope; 0 where there are none.

        (x + 1e8) - 1e8 is flat at steps below 1e-8, and then jumps. What leaves the flat without
        a jump is no stair, and a step function that is meant to be one has higher stairs.
        """
        flat = np.logical_and.accumulate(self.changes[::-1] == 0, axis=0).sum(axis=0)
        starts = len(steps) - 1 - flat  # the smallest step that shows a change
        heights = np.zeros(self.here.size)
        candidates = starts[(flat > 2) & (starts >= 0)]
        for count, k in enumerate(Counter(candidates.tolist())):
            chosen = (starts == k) & (flat > 2)
            if count < BISECTED:
                heights[chosen] = self._jump(steps[k + 1], steps[k], chosen)
            else:  # no higher than what is seen at that step
                heights[chosen] = np.abs(self.changes[k])[chosen]
        size = np.abs(self.here) + np.abs(self.changes).max(axis=0)
        low = heights <= np.maximum(STAIR * size, ULPS * self._line.size)
        return np.where(low, heights, 0.0)

    def _jump(self, flat: float, moving: float, chosen: Vector) -> float:
        """Return how far some outputs jump where they leave the flat, found by bisection."""
        height = np.inf
        for _ in range(24):
            middle = (flat + moving) / 2
            change = float(np.abs(self._line.at(self._side * middle) - self.here)[chosen].max())
            flat, moving = (flat, middle) if change else (middle, moving)
            height = change or height
        return height if np.isfinite(height) else 0.0


def _derivative(sides: list[_Side]) -> Derivative:
    """Put the sides together."""
    noise = np.max([side.noise for side in sides], axis=0)
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

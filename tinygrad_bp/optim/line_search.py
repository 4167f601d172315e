"""A search along a line for a point that is low and flat enough: the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from tinygrad_bp.registry import Array

__all__ = ["Point", "strong_wolfe"]

LOWER = 1e-4
"""c1: a step lowers the loss by this share of what the slope at the start promises, or more."""
FLATTER = 0.9
"""c2: and the slope is this share of that at the start, or less."""


class Point(NamedTuple):
    """A point on the line."""

    t: float
    """How many directions it is from the start."""
    loss: float
    gradient: Array
    slope: float
    """The gradient along the line."""


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    t: float,
    *,
    length: float,
    tolerance: float,
    most: int,
) -> tuple[Point, int]:
    """Return a point for which the strong Wolfe conditions hold, and the evaluations it took.

    The first is made at `t`, at most `most` follow; if they do not do, the lowest point found is
    returned. `length` is the largest element of the direction: a bracket that is shorter than
    `tolerance` is not searched.

    Source: Nocedal, Wright, Numerical Optimization (2006), algorithms 3.5 and 3.6; the limits of
    each step are those of Schmidt's minFunc, as in PyTorch.

    >>> import numpy as np
    >>> def along(t):  # (t - 3)^2
    ...     return Point(t, (t - 3) ** 2, np.array([2 * (t - 3)]), 2 * (t - 3))
    >>> found, evaluations = strong_wolfe(along, along(0.0), 8.0, length=1.0, tolerance=0, most=9)
    >>> found.t, evaluations
    (3.0, 2)
    """
    bracket, left = _bracket(evaluate, start, t, most)
    if len(bracket) == 1:
        return bracket[0], most - left + 1
    low = _lower(bracket)
    stuck = False
    while left and abs(bracket[1].t - bracket[0].t) * length >= tolerance:
        where, stuck = _inside(bracket, stuck=stuck)
        point, left = evaluate(where), left - 1
        if _too_high(point, start) or point.loss >= bracket[low].loss:
            bracket[1 - low] = point
            low = _lower(bracket)
            continue
        if _flat_enough(point, start):
            return point, most - left + 1
        if point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = point
    return bracket[low], most - left + 1


def _lower(bracket: list[Point]) -> int:
    return 0 if bracket[0].loss <= bracket[1].loss else 1


def _too_high(point: Point, start: Point) -> bool:
    return point.loss > start.loss + LOWER * point.t * start.slope


def _flat_enough(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -FLATTER * start.slope


def _bracket(
    evaluate: Callable[[float], Point], start: Point, t: float, most: int
) -> tuple[list[Point], int]:
    """Return two points with a good one between them, or a good one; and how many are left."""
    before, point = start, evaluate(t)
    for taken in range(most):
        if _too_high(point, start) or (taken > 1 and point.loss >= before.loss):
            return [before, point], most - taken
        if _flat_enough(point, start):
            return [point], most - taken
        if point.slope >= 0:
            return [before, point], most - taken
        least, largest = point.t + 0.01 * (point.t - before.t), point.t * 10
        before, point = point, evaluate(_lowest(before, point, least, largest))
    return [start, point], 0


def _inside(bracket: list[Point], *, stuck: bool) -> tuple[float, bool]:
    """Return where to look in a bracket, not twice in a row close to one of its ends."""
    low, high = sorted(point.t for point in bracket)
    t = _lowest(bracket[0], bracket[1], low, high)
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if stuck or t >= high or t <= low:
        return (high - margin if abs(t - high) < abs(t - low) else low + margin), False
    return t, True


def _lowest(first: Point, second: Point, low: float, high: float) -> float:
    """Return where the cubic through two points with these slopes is lowest, within bounds.

    Source: Nocedal, Wright, equation 3.59.
    """
    if first.t > second.t:
        first, second = second, first
    gap = second.t - first.t
    d1 = first.slope + second.slope - 3 * (second.loss - first.loss) / gap
    square = d1 * d1 - first.slope * second.slope
    if square < 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    below = second.slope - first.slope + 2 * d2
    if below == 0:
        return (low + high) / 2
    return min(max(second.t - gap * ((second.slope + d2 - d1) / below), low), high)

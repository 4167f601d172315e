"""The verdict on one entry of a gradient, from two values of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.gradcheck.report import Verdict

__all__ = ["SHARP", "Ruling", "close", "settle", "weigh", "weigh_kink", "weigh_not_finite"]

Vector = np.ndarray[Any, Any]

TOO_WIDE = 1e-4  # an error bar relative to the value beyond which nothing can be told
LEFT = 1e-8  # of terms that cancel, what is too little to compare
SMALLEST = 1e-322  # a few of the smallest numbers there are
SHARP = 1e-10  # of terms that cancel, how small an error bar must be to say so


class Ruling(NamedTuple):
    """A verdict, the error bar that it rests on, and what else there is to say."""

    error: float
    verdict: Verdict
    note: str = ""
    kink: bool = False  # whether the slopes to both sides differ


def settle(
    expected: Vector, numerical: Vector, errors: Vector, plain: Vector, rtol: float
) -> np.ndarray[Any, Any]:
    """Return PASS and VACUOUS where there is no doubt and no tie was met, None elsewhere."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(expected), np.abs(numerical))
        alike = np.abs(expected - numerical) <= 4 * errors + rtol * size
        sharp = 4 * errors <= TOO_WIDE * size
    sure = plain[:, None] & np.isfinite(expected) & np.isfinite(numerical)
    verdicts = np.full(expected.shape, None)
    verdicts[sure & alike & sharp & (size > 0)] = Verdict.PASS
    verdicts[sure & (size == 0) & np.isfinite(errors)] = Verdict.VACUOUS
    return verdicts


def close(a: float, n: float, error: float, rtol: float) -> bool:
    """Return whether two values agree within an error bar and a relative tolerance."""
    return abs(a - n) <= 4 * error + rtol * max(abs(a), abs(n)) + SMALLEST


def weigh(a: float, n: float, error: float, rtol: float, cancelled: float = 0.0) -> Ruling:
    """Compare two values, one with an error bar, that may be what is left of cancelled terms."""
    if not close(a, n, error, rtol):
        return Ruling(error, Verdict.FAIL)
    size = max(abs(a), abs(n))
    if 4 * error <= TOO_WIDE * size:
        return Ruling(error, Verdict.PASS)
    if size <= LEFT * cancelled and 4 * error <= SHARP * cancelled:
        return Ruling(error, Verdict.VACUOUS, "zero to rounding")
    return Ruling(error, Verdict.INCONCLUSIVE, "the error bar is too wide")


def weigh_not_finite(a: float, n: float, error: float) -> Ruling:
    """Decide where one of the values is inf or nan."""
    if not np.isfinite(a):
        return Ruling(error, Verdict.FAIL, "the analytic value is not finite")
    if np.isinf(n):
        return Ruling(error, Verdict.FAIL, "the slope of the function is not finite")
    return Ruling(error, Verdict.INCONCLUSIVE, "no step stays in the function's domain")


def weigh_kink(
    a: float, sides: tuple[float, float], error: float, rtol: float, sharers: int = 1
) -> Ruling:
    """Decide where the slopes to both sides differ: either is right, and so is their average.

    So is an equal share of the step between them, if several entries share it, as equal maxima do.
    """
    left, right = sides
    share = (right - left) / max(sharers, 2)
    slack = 4 * error + rtol * max(abs(left), abs(right))
    right_ones = (left, right, (left + right) / 2, left + share, right - share)
    agrees = any(abs(a - value) <= slack for value in right_ones)
    note = f"slopes {left:.6g} and {right:.6g} to the two sides"
    return Ruling(error, Verdict.KINK if agrees else Verdict.FAIL, note, kink=True)

"""One evaluation with a perturbation: which side of a tie it takes, and whether it is shaken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["RELATIVE_STEP", "STEP", "Run", "rounded"]

STEP = 2.0**-565
"""Its square underflows to exactly 0, and multiplying by a power of two rounds nothing."""

RELATIVE_STEP = 2.0**-30
"""Times the smallest input: for functions on whose way STEP would be too small, or too large.

Its square is still less than an ulp.
"""

ULP = float(np.finfo(float).eps)


class Run:
    """One evaluation: which side ties are broken to, and how many there were.

    With a generator `jitter`, every result is off by up to an ulp, at random: several such runs
    tell how much rounding matters. Source: Parker, Monte Carlo Arithmetic (1997).
    """

    __slots__ = ("jitter", "peak", "side", "step", "ties")

    def __init__(
        self, side: int = 1, jitter: np.random.Generator | None = None, step: float = STEP
    ) -> None:
        self.side = side
        self.step = step
        self.ties = 0
        self.jitter = jitter
        self.peak = 0.0  # the largest derivative on the way; noted with jitter only

    def count(self, ties: Any) -> int:
        """Count the places where the perturbation had to decide, and return how many they are."""
        found = int(np.count_nonzero(ties))
        self.ties += found
        return found

    def note(self, derivative: Any) -> None:
        """Remember the largest derivative on the way."""
        self.peak = max(self.peak, float(np.abs(derivative).max(initial=0.0)))

    def uniform(self, n: int) -> np.ndarray[Any, Any]:
        """Return n random numbers from -1 to 1."""
        assert self.jitter is not None  # noqa: S101
        return self.jitter.uniform(-1, 1, n)

    def shaken(self, numbers: Any) -> np.ndarray[Any, Any]:
        """Return numbers, each off by up to an ulp, complex ones in both of their parts."""
        assert self.jitter is not None  # noqa: S101
        if np.iscomplexobj(numbers):
            parts = self.shaken(np.real(numbers)), self.shaken(np.imag(numbers))
            return np.asarray(parts[0] + 1j * parts[1], complex)
        moved: np.ndarray[Any, Any] = numbers * (
            1 + ULP * self.jitter.uniform(-1, 1, np.shape(numbers))
        )
        return moved

    def shaken_where_rounded(self, numbers: Any, inputs: Sequence[Any]) -> np.ndarray[Any, Any]:
        """Return what a function made of the inputs, off by up to an ulp where it was rounded."""
        return np.where(rounded(numbers, inputs), self.shaken(numbers), numbers)


def rounded(result: Any, inputs: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return which elements of a result may have been rounded: those not among the inputs.

    What a function passes on as it is, or with its sign changed, is exact: max, sort, where, |x|.
    It must not be shaken, because a rule may look for it among the inputs.

    >>> rounded(np.array([3.0, 0.5]), [np.array([-3.0, 6.0])])
    array([False,  True])
    """
    if np.iscomplexobj(result):
        either: np.ndarray[Any, Any] = np.logical_or(
            rounded(np.real(result), inputs), rounded(np.imag(result), inputs)
        )
        return either
    arrays = [a for a in inputs if isinstance(a, np.ndarray | np.generic)]
    parts = [np.imag(a) for a in arrays if a.dtype.kind == "c"]
    parts += [np.real(a) for a in arrays if a.dtype.kind in "fc"]
    numbers = list(map(np.ravel, parts))
    known = np.sort(np.abs(np.concatenate([*numbers, [np.inf]])))
    size = np.abs(result)
    found = known[np.minimum(np.searchsorted(known, size), known.size - 1)]
    inexact: np.ndarray[Any, Any] = found != size
    return inexact

"""Entries that are equal, where functions of their order have kinks: sorted arrays, medians.

The median of (1, 2, 2, 2, 5) stays where it is when one of the twos moves, and follows all three of
them. So the slopes by single entries are 0 to both sides, and any gradient seems to be wrong. A
right one says how the median moves with all that tie, and shares that out evenly, or gives to each
entry what it gets if the tie is broken in some way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tinygrad_bp.gradcheck.comparison import Comparison, Spot, Vector
from tinygrad_bp.gradcheck.places import Place, along, scales
from tinygrad_bp.gradcheck.report import Entry, Verdict
from tinygrad_bp.gradcheck.subject import Subject

__all__ = ["move_together", "settle_ties"]

UNSETTLED = Verdict.FAIL, Verdict.INCONCLUSIVE  # rounding breaks ties, and then they jump
ORDERS = 8  # in which ties are broken, besides the entries' own and its reverse
APART = 1e-9  # of their size, how far entries are moved apart
ALIKE = 1e-6  # how well a gradient agrees with that of entries moved apart


def settle_ties(comparison: Comparison, chosen: list[Place], entries: list[Entry]) -> list[Entry]:
    """Call a kink what failed only because its entry of the inputs ties with others.

    The entries are those of `comparison.entries(chosen)`.
    """
    columns = len(comparison.weights)
    rows = {place: row for row, (_, _, place) in enumerate(chosen) if isinstance(place, int)}
    settled = list(entries)
    for group in _groups(comparison.subject, comparison.x):
        if not all(j in rows for j in group.tolist()):
            continue
        for column in range(columns):
            these = [rows[j] * columns + column for j in group.tolist()]
            failed = [k for k in these if entries[k].verdict in UNSETTLED]
            slopes = np.array([entries[k].numerical for k in these])
            if failed and _Tie(comparison, group, column).is_right(slopes):
                note = f"ties with {group.size - 1} other entries"
                for k in failed:
                    settled[k] = replace(entries[k], verdict=Verdict.KINK, note=note)
    return settled


def move_together(subject: Subject, x: Vector, direction: Vector) -> Vector:
    """Return a direction in which what ties stays tied."""
    result = direction.copy()
    for group in _groups(subject, x):
        result[group] = direction[group[0]]
    return result


def _groups(subject: Subject, x: Vector) -> Iterator[Vector]:
    """Yield where entries of one input are equal."""
    for _, part in subject.ranges():
        values, group = np.unique(x[part], return_inverse=True)
        for k in np.flatnonzero(np.isfinite(values) & (np.bincount(group) > 1)):
            yield part.start + np.flatnonzero(group == k)


class _Tie:
    """Equal entries of an input, and one combination of outputs."""

    def __init__(self, comparison: Comparison, group: Vector, column: int) -> None:
        self._comparison = comparison
        self._group = group
        self._column = column
        self._gradient = comparison.analytic[column, group]

    def is_right(self, slopes: Vector) -> bool:
        """Whether there is a kink, and the gradient is a right one."""
        together = self._judged(np.ones(self._group.size))
        return together is not Verdict.FAIL and self._bent(slopes) and self._is_fair()

    def _direction(self, u: Vector) -> Vector:
        direction = np.zeros(self._comparison.x.size)
        direction[self._group] = u
        return direction

    def _judged(self, u: Vector) -> Verdict:
        """The verdict on the gradient along a direction."""
        spot = Spot(self._direction(u), self._column)
        weights = self._comparison.weights
        found = self._comparison.witnesses.along(spot.place, weights, self._comparison.x)
        a = float(along(self._comparison.analytic, spot.place)[self._column])
        return self._comparison.judge(a, found, spot)[1].verdict

    def _bent(self, slopes: Vector) -> bool:
        """Whether a move of several entries is not the sum of its parts."""
        u = self._comparison.rng.permutation(np.linspace(-1.0, 1.5, self._group.size))
        found = self._comparison.witnesses.along(
            self._direction(u), self._comparison.weights, self._comparison.x
        )
        if found.left is not None:
            return True
        gap = abs(float(found.value[self._column]) - float(u @ slopes))
        return gap > 8 * float(found.error[self._column]) + ALIKE * float(np.abs(slopes).max())

    def _is_fair(self) -> bool:
        """Whether the gradient is shared evenly, or is what it is beside the tie."""
        largest = float(np.abs(self._gradient).max())
        if np.ptp(self._gradient) <= ALIKE * largest:
            return True
        n, rng = self._group.size, self._comparison.rng
        orders = [np.arange(n), np.arange(n)[::-1], *(rng.permutation(n) for _ in range(ORDERS))]
        return any(
            np.abs(self._beside(order) - self._gradient).max() <= ALIKE * largest
            for order in orders
        )

    def _beside(self, order: Vector) -> Vector:
        """The gradient where the entries stand in an order, close together."""
        subject, x = self._comparison.subject, self._comparison.x
        size = APART * scales(subject, x)[self._group]
        moved = x + self._direction(size * order / order.size)
        weights = self._comparison.weights[self._column]
        pulled: Vector = subject.pull([weights], flat=moved)[0]
        return pulled[self._group]

"""Kinks at several entries together: a gradient there must be one of the function as a whole.

The norm at 0 has slopes of -1 and 1 by every entry. (1, 0, 0) is a subgradient of it, and (1, 1, 1)
is none, though each of its entries is a slope to one side: along (1, 1, 1) it claims 3, and the
norm rises by 1.73. Where a function is convex, or concave, a gradient's product with any direction
lies between the slopes to the two sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinygrad_bp.gradcheck.comparison import Comparison, Vector
from tinygrad_bp.gradcheck.places import Place, along
from tinygrad_bp.gradcheck.report import Entry, Verdict
from tinygrad_bp.gradcheck.witnesses import FEWER, RTOL

__all__ = ["between_the_sides"]

LOOKED_AT = 3  # kinks of an output, and outputs


def between_the_sides(
    comparison: Comparison, chosen: list[Place], entries: list[Entry]
) -> Iterator[Entry]:
    """Yield what fails along directions in which all entries with kinks move together.

    The entries are those of `comparison.entries(chosen)`.
    """
    columns = len(comparison.weights)
    kinked: dict[int, list[int]] = {}
    for k, entry in enumerate(entries):
        place = chosen[k // columns][2]
        if entry.verdict is Verdict.KINK and isinstance(place, int):
            kinked.setdefault(k % columns, []).append(place)
    for column, places in list(kinked.items())[:LOOKED_AT]:
        if len(places) > 1:
            yield from _failures(comparison, column, np.array(places))


class _Sides(NamedTuple):
    claimed: float  # by the gradient
    left: float
    right: float
    slack: float


def _failures(comparison: Comparison, column: int, places: Vector) -> Iterator[Entry]:
    unit = np.zeros((len(places), comparison.x.size))
    unit[np.arange(len(places)), places] = 1.0
    gradient = comparison.analytic[column]
    signs = comparison.rng.choice([-1.0, 1.0], (2, len(unit)))
    together = [np.ones(len(unit)) @ unit, gradient[places] @ unit, *(signs @ unit)]
    found = [_sides(comparison, column, u) for u in (*unit[:LOOKED_AT], *together) if u.any()]
    up, down = (any(sign * (s.right - s.left) > s.slack for s in found) for sign in (1, -1))
    if up == down:  # neither convex nor concave, as a median is
        return
    for s in found:
        low, high = min(s.left, s.right) - s.slack, max(s.left, s.right) + s.slack
        if not low <= s.claimed <= high:
            yield Entry(
                "all kinks", "together", f"output {column}", s.claimed, (s.left + s.right) / 2,
                s.slack, Verdict.FAIL, f"slopes {s.left:.6g} and {s.right:.6g} to the two sides",
            )  # fmt: skip
            return


def _sides(comparison: Comparison, column: int, u: Vector) -> _Sides:
    """What the gradient claims along a direction, and what differences say to both sides."""
    witnesses = comparison.witnesses
    found = witnesses.by_differences(u, comparison.weights, comparison.x, FEWER)
    value, error = float(found.value[column]), float(found.error[column])
    left, right = (
        value if side is None else float(side[column]) for side in (found.left, found.right)
    )
    claimed = float(along(comparison.analytic, u)[column])
    size = max(abs(claimed), abs(left), abs(right))
    return _Sides(claimed, left, right, 4 * error + RTOL["differences"] * size)

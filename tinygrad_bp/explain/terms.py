"""One element of a contribution written out: a sum over the elements that it reached.

Moving element i of an input by t moves the output by J[:, i] t: forward mode gives that column.
What i receives on the way back is the sum of g[o] J[o, i], the same numbers read the other way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.engine import Op
from tinygrad_bp.errors import RuleError
from tinygrad_bp.explain.arrays import CORNER, IN_FULL
from tinygrad_bp.explain.record import Record, RecordedStep
from tinygrad_bp.explain.slopes import column

__all__ = ["Element", "Terms", "written_out"]

Array: TypeAlias = "np.ndarray[Any, Any]"

SHOWN = 8  # terms of a sum, the largest ones
AFFORDABLE = 4_000_000  # numbers that forward mode computes for all elements together: seconds


@dataclass(frozen=True, slots=True)
class Element:
    """`contribution[index]` as the sum over output elements o of g[o] times dy[o]/dx[index].

    Where several outputs take a gradient, o starts with the output's position among them.
    """

    index: tuple[int, ...]
    terms: list[tuple[list[int], float, float]]  # o, g[o] and the derivative; the largest first
    more: int  # terms left out
    rest: float  # what they add up to


class Terms:
    """The elements of each step, in the order of the steps, as long as there is time."""

    def __init__(self, recorded: Record) -> None:
        self._left = AFFORDABLE
        self._share = AFFORDABLE // max(1, len(recorded.steps))
        self._cost_of_all: dict[Op, int] = {}  # of the arrays of functions that take many

    def of(self, step: RecordedStep) -> list[Element]:
        """Return the elements of a step; none for scalars, or if there is no time for them."""
        x = step.parent.value
        sizes = [arrival.gradient.size for arrival in step.arrivals]
        if x.ndim == 0 and all(arrival.gradient.ndim == 0 for arrival in step.arrivals):
            return []
        cost = self._cost(step, sum(sizes))
        affordable = min(self._left, max(self._share, cost)) // cost
        try:
            found = [written_out(step, index) for index in islice(_shown(x.shape), affordable)]
        except RuleError:  # a user's rule that was given no forward mode
            return []
        self._left -= len(found) * cost
        return found

    def _cost(self, step: RecordedStep, reached: int) -> int:
        """About how many numbers one column costs; a call costs as much as 200 of them."""
        op = step.op
        if not op.rule.together:
            return reached + step.parent.value.size + 200
        if op not in self._cost_of_all:
            self._cost_of_all[op] = sum(int(np.size(a)) + 200 for a in op.arrays)
        return reached + self._cost_of_all[op]


def written_out(step: RecordedStep, index: tuple[int, ...]) -> Element:
    """Write one element of a contribution as the sum that it is."""
    with np.errstate(all="ignore"):
        found = column(step.op, step.edge.slot, index)
    columns = [found if a.node.output is None else found[a.node.output] for a in step.arrivals]
    slope = np.concatenate([np.ravel(c) for c in columns])
    g = np.concatenate([np.ravel(a.gradient) for a in step.arrivals])
    with np.errstate(all="ignore"):
        products = g * slope
    reached = np.flatnonzero(slope)
    order = reached[np.argsort(-np.abs(products[reached]), kind="stable")]
    shown, left = order[:SHOWN], order[SHOWN:]
    terms = [(_position(step, int(o)), float(g[o]), float(slope[o])) for o in shown]
    return Element(index, terms, len(left), float(products[left].sum()))


def _position(step: RecordedStep, o: int) -> list[int]:
    """The index of an element of the output, counted through all that take a gradient."""
    for i, arrival in enumerate(step.arrivals):
        if o < arrival.gradient.size:
            within = [int(k) for k in np.unravel_index(o, arrival.gradient.shape)]
            return within if len(step.arrivals) == 1 else [i, *within]
        o -= arrival.gradient.size
    raise IndexError(o)


def _shown(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The entries that views show: all of a small array, the corner of a large one."""
    if math.prod(shape) <= IN_FULL:
        return iter(np.ndindex(shape))
    lengths = [1] * max(0, len(shape) - 2) + [min(n, CORNER) for n in shape[-2:]]
    return product(*map(range, lengths))

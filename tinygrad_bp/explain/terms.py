"""One element of a contribution written out: a sum over the elements that it reached.

Moving element i of an input by t moves the output by J[:, i] t: forward mode gives that column.
What i receives on the way back is the sum of g[o] J[o, i], the same numbers read the other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tinygrad_bp.explain.trace import Trace, TracedStep

__all__ = ["Element", "Terms", "written_out"]

Array = np.ndarray[Any, Any]

SHOWN = 8  # terms of a sum, the largest ones
CORNER = 8  # rows and columns of an array that is not shown in full
IN_FULL = 256
AFFORDABLE = 4_000_000  # numbers that forward mode computes for all elements together: seconds


@dataclass(frozen=True, slots=True)
class Element:
    """`contribution[index]` as the sum over output elements o of g[o] times dy[o]/dx[index]."""

    index: tuple[int, ...]
    terms: list[tuple[list[int], float, float]]  # o, g[o] and the derivative; the largest first
    more: int  # terms left out
    rest: float  # what they add up to


class Terms:
    """The elements of every step that can be afforded, in the order of the steps."""

    def __init__(self, traced: Trace) -> None:
        self._left = AFFORDABLE
        self._share = AFFORDABLE // max(1, len(traced.steps))

    def of(self, step: TracedStep) -> list[Element]:
        """Return the elements of a step; none for scalars, or when too many numbers are needed."""
        x, y = step.parent.value, step.child.value
        if x.ndim == 0 and y.ndim == 0:
            return []
        cost = x.size + y.size + 200
        affordable = min(self._left, max(self._share, cost)) // cost
        found = [written_out(step, index) for index in islice(_shown(x.shape), affordable)]
        self._left -= len(found) * cost
        return found


def written_out(step: TracedStep, index: tuple[int, ...]) -> Element:
    """Write one element of a contribution as the sum that it is."""
    slope = _column(step, index)
    g = np.broadcast_to(step.arriving, slope.shape)
    with np.errstate(all="ignore"):
        products = (g * slope).ravel()
    reached = np.flatnonzero(slope)
    order = reached[np.argsort(-np.abs(products[reached]), kind="stable")]
    shown, left = order[:SHOWN], order[SHOWN:]
    positions = [[int(i) for i in np.unravel_index(o, slope.shape)] for o in shown]
    terms = [(where, float(g[tuple(where)]), float(slope[tuple(where)])) for where in positions]
    return Element(index, terms, len(left), float(products[left].sum()))


def _column(step: TracedStep, index: tuple[int, ...]) -> Array:
    """How the output moves when one element of the input does: one column of the Jacobian."""
    child, slot = step.child, step.edge.slot
    op = child.op
    assert op is not None  # noqa: S101
    moved = np.zeros(step.parent.value.shape)
    moved[index] = 1.0
    with np.errstate(all="ignore"):
        column = op.rule.pushes[slot](moved, child.value, *op.arrays, **op.options)
    return np.broadcast_to(column, child.value.shape)


def _shown(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The entries that views show: all of a small array, the corner of a large one."""
    if int(np.prod(shape)) <= IN_FULL:
        return iter(np.ndindex(shape))
    lengths = [1] * max(0, len(shape) - 2) + [min(n, CORNER) for n in shape[-2:]]
    return product(*map(range, lengths))

"""Finite differences through a recorded graph: each step confirmed by moving what it is about.

The graph is computed again with one argument of one op a little larger, then a little smaller.
What the loss does in between is what that step should have contributed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.engine import Op, Variable

if TYPE_CHECKING:
    from tinygrad_bp.explain.trace import Node, Trace, TracedStep

__all__ = ["Check", "confirm", "confirm_leaves"]

Array = np.ndarray[Any, Any]

AFFORDABLE = 200_000  # values computed again: about a second
OF_A_LEAF = 64  # entries of one leaf that are confirmed
STEP = float(np.finfo(float).eps) ** (1 / 3)  # where rounding and curvature cost the same


@dataclass(frozen=True, slots=True)
class Check:
    """What backpropagation says of one element, and what moving it a little says.

    >>> Check((), 2.0, 2.0000002).relative
    1e-07
    """

    index: tuple[int, ...]
    analytic: float
    difference: float

    @property
    def relative(self) -> float:
        """How far they are apart, as a part of the larger; 0 if both are 0."""
        size = max(abs(self.analytic), abs(self.difference))
        return round(abs(self.analytic - self.difference) / size, 12) if size else 0.0


def confirm(traced: Trace, wanted: bool | None) -> str:  # noqa: FBT001  (one of three)
    """Give every step its check if that is wanted, or affordable; say what was done."""
    replay = _Replay(traced)
    needed = 2 * sum(map(replay.cost_of, traced.steps))
    if wanted is False:
        return "no finite differences were asked for"
    if wanted is None and needed > AFFORDABLE:
        return (
            f"no finite differences: they would compute {needed:,} values again; checks=True "
            "takes the time"
        )
    for step in traced.steps:
        step.check = _confirm_step(replay, step)
    return "every step is confirmed by a central difference, at its largest element"


def confirm_leaves(traced: Trace) -> dict[int, list[Check]]:
    """Return central differences for the first 64 entries of each leaf, by the leaf's number."""
    replay = _Replay(traced)
    return {leaf.id: _confirm_leaf(replay, leaf) for leaf in traced.leaves()}


def _confirm_leaf(replay: _Replay, leaf: Node) -> list[Check]:
    grad = leaf.grad
    if grad is None:
        return []
    found = []
    for index in islice(np.ndindex(leaf.value.shape), OF_A_LEAF):
        slope = _central(lambda x: replay.with_leaf(leaf, x), leaf.value, index)
        found.append(Check(index, float(grad[index]), slope))
    return found


def _confirm_step(replay: _Replay, step: TracedStep) -> Check | None:
    size = np.abs(step.contribution)
    if not size.size or not np.isfinite(size).all():
        return None
    index = tuple(int(i) for i in np.unravel_index(int(size.argmax()), size.shape))
    edge = step.edge
    slope = _central(
        lambda x: replay.with_argument(edge.child, edge.slot, x), edge.parent.value, index
    )
    return Check(index, float(step.contribution[index]), slope)


def _central(loss: Any, x: Array, index: tuple[int, ...]) -> float:
    up, down = (np.array(x, np.float64) for _ in range(2))
    with np.errstate(all="ignore"):  # a point outside the domain gives nan, which says so
        h = STEP * max(abs(float(x[index])), 1.0)
        up[index] += h
        down[index] -= h
        return float((loss(up) - loss(down)) / (up[index] - down[index]))


class _Replay:
    """The forward pass of a graph, computed again in double precision."""

    def __init__(self, traced: Trace) -> None:
        self._seed = np.asarray(traced.loss.grad, np.float64)
        self._loss = traced.loss
        self._results = [node for node in traced.nodes if node.op is not None]
        self._later = {node.id: i + 1 for i, node in enumerate(self._results)}
        self._base: dict[int, Array] = {}
        with np.errstate(all="ignore"):
            for node in self._results:
                self._base[id(node.variable)] = self._compute(node, {})

    def cost_of(self, step: TracedStep) -> int:
        """How many values are computed again for one difference, at most."""
        first = self._later[step.child.id] - 1
        return len(self._results) - first

    def with_argument(self, child: Node, slot: int, x: Array) -> float:
        """The loss with one argument of one op replaced, and nothing else that holds it."""
        moved = {id(child.variable): self._compute(child, {}, {slot: x})}
        return self._rerun(self._later[child.id], moved)

    def with_leaf(self, leaf: Node, x: Array) -> float:
        """The loss with a leaf replaced wherever it is used."""
        return self._rerun(0, {id(leaf.variable): x})

    def _rerun(self, start: int, moved: dict[int, Array]) -> float:
        for node in self._results[start:]:
            if any(id(a) in moved for a in _args(node.op)):
                moved[id(node.variable)] = self._compute(node, moved)
        key = id(self._loss.variable)
        return float(np.sum(self._seed * moved.get(key, self._base[key])))

    def _compute(
        self, node: Node, moved: Mapping[int, Array], replaced: Mapping[int, Array] | None = None
    ) -> Array:
        op = node.op
        assert op is not None  # noqa: S101
        args = [self._value(a, moved) for a in _args(op)]
        for slot, x in (replaced or {}).items():
            args[slot] = x
        result: Array = np.asarray(op.rule.forward(*args, **op.options))
        return result

    def _value(self, argument: Any, moved: Mapping[int, Array]) -> Any:
        key = id(argument)
        if key in moved:
            return moved[key]
        if key in self._base:
            return self._base[key]
        value = argument._data if isinstance(argument, Variable) else argument  # noqa: SLF001
        is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        return value.astype(np.float64) if is_float else value


def _args(op: Op | None) -> Sequence[Any]:
    return (op and op.args) or ()

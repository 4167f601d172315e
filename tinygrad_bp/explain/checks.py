"""Finite differences through a recorded graph: each step confirmed by moving its argument.

The graph is computed again with one argument of one op a little larger, then a little smaller.
What the loss does in between is what that step should have contributed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate, islice
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.engine import Op
from tinygrad_bp.explain.graph import Node
from tinygrad_bp.explain.record import Check, Record, RecordedStep

__all__ = ["confirm", "confirm_leaves"]

Array: TypeAlias = "np.ndarray[Any, Any]"
Moved: TypeAlias = dict[int, Array]
"""Values that are not what they were in the forward pass, by the number of their node."""

AFFORDABLE = 400_000  # arguments that are read again: about a second
OF_A_LEAF = 64  # entries of one leaf that are confirmed
STEP = float(np.finfo(float).eps) ** (1 / 3)  # where rounding and curvature cost the same


def confirm(recorded: Record, wanted: bool | None) -> None:  # noqa: FBT001  (one of three)
    """Give every step its check if that is wanted, or affordable, and note what was done."""
    if wanted is False:
        return
    replay = _Replay(recorded)
    needed = 2 * sum(replay.cost_of(step) for step in recorded.steps)
    if wanted is None and needed > AFFORDABLE:
        recorded.checked = (
            f"no finite differences: they would take {needed:,} evaluations; checks=True makes them"
        )
        return
    for step in recorded.steps:
        step.check = _confirm_step(replay, step)
    recorded.checked = "every step is confirmed by a central difference, at its largest element"


def confirm_leaves(recorded: Record) -> dict[int, list[Check]]:
    """Return central differences for the first 64 entries of each leaf, by the leaf's number."""
    replay = _Replay(recorded)
    return {leaf.id: _confirm_leaf(replay, leaf) for leaf in recorded.leaves()}


def _confirm_leaf(replay: _Replay, leaf: Node) -> list[Check]:
    grad = leaf.grad
    if grad is None:
        return []
    found = []
    for index in islice(np.ndindex(leaf.value.shape), OF_A_LEAF):
        slope = _central(lambda x: replay.with_leaf(leaf, x), leaf.value, index)
        found.append(Check(index, float(grad[index]), slope))
    return found


def _confirm_step(replay: _Replay, step: RecordedStep) -> Check | None:
    size = np.abs(step.contribution)
    if not size.size or not np.isfinite(size).all():
        return None
    index = tuple(int(i) for i in np.unravel_index(int(size.argmax()), size.shape))
    slope = _central(lambda x: replay.with_argument(step, x), step.parent.value, index)
    return Check(index, float(step.contribution[index]), slope)


def _central(loss: Callable[[Array], float], x: Array, index: tuple[int, ...]) -> float:
    up, down = (np.array(x, np.float64) for _ in range(2))
    with np.errstate(all="ignore"):  # a point outside the domain gives nan, which says so
        h = STEP * max(abs(float(x[index])), 1.0)
        up[index] += h
        down[index] -= h
        return float((loss(up) - loss(down)) / (up[index] - down[index]))


class _Replay:
    """The forward pass of a graph, computed again in double precision."""

    def __init__(self, recorded: Record) -> None:
        self._seed = np.asarray(recorded.loss.grad, np.float64)
        self._loss = recorded.loss
        self._ops = list(recorded.outputs)  # in the order of recording
        self._place = {op: i for i, op in enumerate(self._ops)}
        self._outputs = list(recorded.outputs.values())
        self._arguments = list(recorded.arguments.values())
        self._read_before = list(accumulate(map(len, self._arguments), initial=0))
        self._base: Moved = {}
        with np.errstate(all="ignore"):
            for i in range(len(self._ops)):
                self._compute(i, self._base)

    def cost_of(self, step: RecordedStep) -> int:
        """How many arguments are read again for one difference, at most."""
        return self._read_before[-1] - self._read_before[self._place[step.op]]

    def with_argument(self, step: RecordedStep, x: Array) -> float:
        """The loss with one argument of one op replaced, and nothing else that holds it."""
        moved: Moved = {}
        place = self._place[step.op]
        self._compute(place, moved, {step.edge.slot: x})
        return self._rerun(place + 1, moved)

    def with_leaf(self, leaf: Node, x: Array) -> float:
        """The loss with a leaf replaced wherever it is used."""
        return self._rerun(0, {leaf.id: x})

    def _rerun(self, start: int, moved: Moved) -> float:
        for i in range(start, len(self._ops)):
            if any(isinstance(a, Node) and a.id in moved for a in self._arguments[i]):
                self._compute(i, moved)
        loss = self._loss
        return float(np.sum(self._seed * moved.get(loss.id, self._base.get(loss.id, loss.value))))

    def _compute(self, i: int, moved: Moved, replaced: Mapping[int, Array] | None = None) -> None:
        """Compute an op's outputs from what moved and, of the rest, what was there."""
        op: Op = self._ops[i]
        given = [self._value(a, moved) for a in self._arguments[i]]
        for slot, x in (replaced or {}).items():
            given[slot] = x
        result = op.rule.forward(*given, **op.options)
        results = result if type(op.y) is tuple else (result,)
        for node, value in zip(self._outputs[i], results, strict=True):
            if node.requires_grad:  # what is flat stays what it is
                moved[node.id] = np.asarray(value)

    def _value(self, argument: Any, moved: Moved) -> Any:
        if not isinstance(argument, Node):
            return argument
        if argument.id in moved:
            return moved[argument.id]
        value = self._base.get(argument.id, argument.value)
        return value.astype(np.float64) if value.dtype.kind == "f" else value

"""The backward pass of a graph, kept: every gradient, and every step that led to it.

The pass is the same iterator that `backward()` drains, so the numbers are the ones that ran, bit
for bit, and each formula is the derivative rule itself, fed with symbols. The graph is read and
left as it was: no gradient is added anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.backward import Step, arriving_at
from tinygrad_bp.engine import Op
from tinygrad_bp.errors import GradientError
from tinygrad_bp.explain.formulas import Formula, Formulas, Local, symbol_of_arriving
from tinygrad_bp.explain.graph import MAX_OPS, Edge, Graph, Node, graph_of, ops_of
from tinygrad_bp.tensor import Tensor

__all__ = ["Arrival", "Check", "Record", "RecordedStep"]

Array: TypeAlias = "np.ndarray[Any, Any]"


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
        """How far apart they are, as a part of the larger one; 0 if both are 0."""
        size = max(abs(self.analytic), abs(self.difference))
        return round(abs(self.analytic - self.difference) / size, 12) if size else 0.0


class Arrival(NamedTuple):
    """The gradient of one output, as the formulas of its op call it."""

    symbol: str
    node: Node
    gradient: Array


@dataclass(eq=False, slots=True)
class RecordedStep:
    """What one argument of one op is sent on the way back, and how.

    `edge` leads from the argument to the op's output, or to the first of several that takes a
    gradient; `arrivals` has the gradient of each.
    """

    index: int
    edge: Edge
    arrivals: Sequence[Arrival]
    contribution: Array
    before: Array | None
    after: Array
    reported: int  # how many of the parent's contributions have come in, this one included
    formula: Formula
    local: Local | None
    check: Check | None = None

    @property
    def child(self) -> Node:
        """The node whose gradient is passed on."""
        return self.edge.child

    @property
    def parent(self) -> Node:
        """The node that receives the contribution."""
        return self.edge.parent

    @property
    def op(self) -> Op:
        """The op that it goes back through."""
        assert self.child.op is not None  # noqa: S101  (children are results)
        return self.child.op

    @property
    def arriving(self) -> Array:
        """The gradient of the child."""
        return self.arrivals[0].gradient


@dataclass(eq=False, slots=True)
class Record(Graph):
    """A graph with a backward pass through it: the steps, in the order they were taken.

    >>> w = Tensor(3.0, requires_grad=True)
    >>> cost = w * w
    >>> recorded = Record.of(cost)
    >>> [(s.child.name, s.parent.name, float(s.contribution)) for s in recorded.steps]
    [('cost', 'w', 3.0), ('cost', 'w', 3.0)]
    """

    steps: list[RecordedStep] = field(default_factory=list, init=False)
    checked: str = field(default="no finite differences were asked for", init=False)
    """What was confirmed by finite differences, or why nothing was."""

    @classmethod
    def of(
        cls,
        loss: Tensor,
        gradient: Any = None,
        *,
        names: Mapping[str, Any] | None = None,
        max_ops: int = MAX_OPS,
    ) -> Self:
        """Go backward from a tensor, at which `gradient` arrives, and keep every step.

        Raises `GradientError` if nothing tracks or there are complex numbers on the way, and what
        `graph.ops_of` raises.
        """
        arriving = arriving_at(loss, gradient).data
        order = ops_of(loss, max_ops)
        _require_real(order)
        graph = graph_of(loss, order, names)
        recorded = cls(
            graph.loss, graph.nodes, graph.edges, graph.key, graph.arguments, graph.outputs
        )
        recorded.loss.grad = arriving
        recorded._go_backward(order, arriving)
        return recorded

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} of {self.loss.name}: {len(self.nodes)} nodes, {len(self.steps)} steps>"

    def steps_into(self, node: Node) -> list[RecordedStep]:
        """Return the steps that bring a node its contributions, in order."""
        return [step for step in self.steps if step.parent is node]

    def _go_backward(self, order: Sequence[Op], arriving: Array) -> None:
        edges: dict[tuple[Op, int], list[Edge]] = {}  # one for each output that takes a gradient
        for edge in self.edges:
            if edge.child.op is not None and edge.child.requires_grad:
                edges.setdefault((edge.child.op, edge.slot), []).append(edge)
        sweep = engine.sweep(order, {self.loss.key: arriving}, engine.read_arrays)
        for swept, steps in groupby(map(Step._make, sweep), key=lambda step: step.op):
            self._go_through(self.kept(swept), steps, edges)

    def _go_through(
        self, op: Op, steps: Iterator[Step], edges: Mapping[tuple[Op, int], Sequence[Edge]]
    ) -> None:
        """Keep all steps through one op, which share what arrives and the work on its formulas."""
        first = next(steps)
        arrivals = _arrivals(self.outputs[op], first.arriving)
        formulas = Formulas(op, self.outputs[op], self.arguments[op])
        backward = formulas.backward(first.arriving)
        for step in chain([first], steps):
            carrying = edges[op, step.slot]
            for edge in carrying:
                edge.step = len(self.steps)
            self.steps.append(
                RecordedStep(
                    index=len(self.steps),
                    edge=carrying[0],
                    arrivals=arrivals,
                    formula=backward[step.slot],
                    local=formulas.local(step.slot),
                    **_added(carrying[0].parent, step),
                )
            )


def _require_real(ops: Iterable[Op]) -> None:
    for op in ops:
        values = (*op.arrays, *(op.y if type(op.y) is tuple else (op.y,)))
        if any(np.iscomplexobj(value) for value in values):
            raise GradientError(
                f"'{op.rule.name}' (recorded at {op.site}) works with complex numbers, and an "
                "explanation shows real ones. Write the function in real and imaginary parts to "
                "see it explained."
            )


def _added(parent: Node, step: Step) -> dict[str, Any]:
    """What the parent had before a step, what it is sent, and what it has then."""
    before, total, held = parent.grad, np.asarray(step.total), parent.held
    parent.grad = total
    parent.consumers += 1
    if held is not None:  # from earlier passes
        before = held if before is None else held + before
        total = held + total
    return {
        "contribution": np.asarray(step.contribution),
        "before": before,
        "after": total,
        "reported": parent.consumers,
    }


def _arrivals(outputs: Sequence[Node], arriving: Any) -> list[Arrival]:
    """The finished gradients of an op's outputs; zeros where nothing arrived."""
    gradients = arriving if type(arriving) is tuple else (arriving,)
    found = [
        Arrival(symbol_of_arriving(node.output), node, np.asarray(g))
        for node, g in zip(outputs, gradients, strict=True)
        if node.requires_grad
    ]
    for _, node, gradient in found:
        if node.grad is None:
            node.grad = gradient
    return found

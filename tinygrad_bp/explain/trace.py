"""The backward pass of a graph, kept: every value, every gradient, every step between them.

A `Trace` consumes the same iterator that `backward()` drains, so its numbers are the ones that
ran, bit for bit; each formula is the derivative rule itself, fed with symbols. It reads the graph
and leaves it as it was: no gradient is added anywhere.

`Trace.to_dict()` is what every view is made from, the text and the page alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Op, Variable
from tinygrad_bp.errors import GradientError
from tinygrad_bp.explain.checks import Check, confirm
from tinygrad_bp.explain.formulas import Formula, Local, local_derivative, step_formula
from tinygrad_bp.explain.names import Names, names_of_the_caller
from tinygrad_bp.explain.source import Source, locate
from tinygrad_bp.tensor import Tensor, arriving_at

__all__ = ["Edge", "Node", "Trace", "TracedStep", "trace"]

Array = np.ndarray[Any, Any]

DRAWN = 100  # nodes that a drawing in a notebook may have


@dataclass(eq=False, slots=True)
class Node:
    """One value of the graph: a leaf, a constant, or the result of an op."""

    id: int
    variable: Any  # the tensor, or a constant as it was passed
    value: Array
    name: str
    op: Op | None = None
    source: Source | None = None
    requires_grad: bool = False
    grad: Array | None = None  # of this pass alone
    held: Array | None = None  # what `.grad` held before it
    consumers: int = 0  # how many contributions it receives

    @property
    def kind(self) -> str:
        """`result`, `leaf` or `constant`."""
        if self.op is not None:
            return "result"
        return "leaf" if self.requires_grad else "constant"

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name} of shape {self.value.shape}>"


@dataclass(eq=False, slots=True)
class Edge:
    """One argument of one op: `child` was computed from `parent`."""

    id: int
    child: Node
    parent: Node
    slot: int
    step: TracedStep | None = None  # None: it carries no gradient


@dataclass(eq=False, slots=True)
class TracedStep:
    """What one edge contributes on the way back, and how."""

    index: int
    edge: Edge
    arriving: Array
    contribution: Array
    before: Array | None
    after: Array
    reported: int  # the parent has heard from so many of its consumers, this one included
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


@dataclass(eq=False, slots=True)
class Trace:
    """A whole backward pass: nodes in the order they were computed, steps in the order taken.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor(3.0, requires_grad=True)
    >>> cost = w * w
    >>> pass_ = trace(cost)
    >>> [(s.child.name, s.parent.name, float(s.contribution)) for s in pass_.steps]
    [('cost', 'w', 3.0), ('cost', 'w', 3.0)]
    >>> pass_
    <Trace of cost: 2 nodes, 2 steps>
    """

    loss: Node
    nodes: list[Node]
    edges: list[Edge]
    steps: list[TracedStep] = field(default_factory=list)
    checked: str = ""  # what was confirmed by finite differences, or why nothing was
    _of: dict[int, Node] = field(init=False)

    def __post_init__(self) -> None:
        self._of = {id(node.variable): node for node in self.nodes}

    def __repr__(self) -> str:
        return f"<Trace of {self.loss.name}: {len(self.nodes)} nodes, {len(self.steps)} steps>"

    def _repr_html_(self) -> str:
        """Show a notebook the drawing, or the text of a graph that is too large to draw."""
        import html

        from tinygrad_bp.explain.drawing import to_svg
        from tinygrad_bp.explain.text import narrate

        if len(self.nodes) <= DRAWN:
            return to_svg(self)
        return f"<pre>{html.escape(narrate(self.to_dict()))}</pre>"

    def node(self, key: Any) -> Node:
        """Return the node of a tensor, of a name, or of a number.

        Raises `GradientError` if the loss was not computed from it.
        """
        if id(key) in self._of:
            return self._of[id(key)]
        for node in self.nodes:
            if isinstance(key, str) and node.name == key:
                return node
        if isinstance(key, int) and 0 <= key < len(self.nodes):
            return self.nodes[key]
        what = repr(key) if isinstance(key, str | int) else f"a value of shape {np.shape(key)}"
        names = ", ".join(node.name for node in self.nodes[:20])
        raise GradientError(
            f"{self.loss.name} was not computed from {what}. Its graph has "
            f"{names}{', ...' if len(self.nodes) > 20 else ''}."
        )

    def name_of(self, variable: Any) -> str | None:
        """Return what a value of the graph is called, None for any other."""
        node = self._of.get(id(variable))
        return None if node is None else node.name

    def arguments(self, node: Node) -> list[Any]:
        """Return what a node was computed from: nodes, and whatever else its op was called with."""
        args = (node.op and node.op.args) or ()
        return [self._of.get(id(a), a) for a in args]

    def steps_into(self, node: Node) -> list[TracedStep]:
        """Return the steps that bring a node its contributions, in order."""
        return [step for step in self.steps if step.parent is node]

    def leaves(self) -> list[Node]:
        """Return the leaves that receive a gradient."""
        return [node for node in self.nodes if node.kind == "leaf"]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain lists, numbers and text, ready for JSON."""
        from tinygrad_bp.explain.export import exported

        return exported(self)


def trace(
    loss: Tensor,
    gradient: Any = None,
    *,
    names: Mapping[str, Any] | None = None,
    checks: bool | None = None,
) -> Trace:
    """Go backward from a tensor and keep every step, without touching any `grad`.

    `gradient` is what arrives at the tensor, as for `backward()`. `names` names values that the
    source does not, such as `dict(model.named_parameters())`. With `checks` every step is
    confirmed by a finite difference; by default, where the graph is small enough.

    Raises `GradientError` if nothing tracks, `FreedGraphError` after a `backward()` that did not
    retain the graph.
    """
    arriving = engine.read_array(arriving_at(loss, gradient))
    order = engine.topological_order(loss)
    nodes = _Nodes(order, {**names_of_the_caller(), **(names or {})})
    traced = Trace(nodes.of[id(loss)], list(nodes.of.values()), nodes.edges())
    traced.loss.grad = arriving
    _go_backward(traced, order, arriving)
    traced.checked = confirm(traced, checks)
    return traced


class _Nodes:
    """The nodes of a graph, in the order of recording, made once for each value."""

    def __init__(self, order: Sequence[Variable], known: Mapping[str, Any]) -> None:
        self._results = order[::-1]
        self._names = Names(known, (_op(v) for v in order))
        self.of: dict[int, Node] = {}  # by the identity of the value
        for result in self._results:
            op = _op(result)
            for slot, argument in _values(op):
                if id(argument) not in self.of:
                    self._add(argument, self._names.of_input(argument, op, slot))
            node = self._add(result, self._names.of_result(result, op))
            node.op = op
            node.source = None if op.site is None else locate(op.site)

    def _add(self, value: Any, name: str | None) -> Node:
        number = len(self.of)
        array = value._data if isinstance(value, Variable) else value  # noqa: SLF001
        tracks = isinstance(value, Variable) and value._requires_grad  # noqa: SLF001
        held = value.grad if isinstance(value, Tensor) and value.op is None else None
        node = Node(number, value, np.asarray(array), self._names.unique(name, number))
        node.requires_grad = tracks
        node.held = None if held is None else held.data
        self.of[id(value)] = node
        return node

    def edges(self) -> list[Edge]:
        found: list[Edge] = []
        for result in self._results:
            child = self.of[id(result)]
            for slot, argument in _values(_op(result)):
                found.append(Edge(len(found), child, self.of[id(argument)], slot))
        return found


def _op(result: Variable) -> Op:
    assert result.op is not None  # noqa: S101  (the order holds results only)
    return result.op


def _values(op: Op) -> Iterator[tuple[int, Any]]:
    """The arguments that are nodes of the graph: numbers and options stand in the formulas."""
    for slot, argument in enumerate(op.args or ()):
        if isinstance(argument, Variable | np.ndarray):
            yield slot, argument


def _go_backward(traced: Trace, order: Sequence[Variable], arriving: Array) -> None:
    edges = {(id(edge.child.variable), edge.slot): edge for edge in traced.edges}
    pending: dict[Variable, Any] = {traced.loss.variable: arriving}
    for fields in engine.sweep(order, pending, engine.read_array):
        step = engine.Step(*fields)
        _keep(traced, step, edges[id(step.output), step.slot])


def _keep(traced: Trace, step: engine.Step, edge: Edge) -> None:
    parent, child = edge.parent, edge.child
    before = parent.grad
    parent.grad = np.asarray(step.total)
    parent.consumers += 1
    held = parent.held
    arguments = traced.arguments(child)
    edge.step = TracedStep(
        index=len(traced.steps),
        edge=edge,
        arriving=np.asarray(step.arriving),
        contribution=np.asarray(step.contribution),
        before=before if held is None else held + (0 if before is None else before),
        after=parent.grad if held is None else held + parent.grad,
        reported=parent.consumers,
        formula=step_formula(child, edge.slot, arguments, step.arriving),
        local=local_derivative(child, edge.slot, arguments),
    )
    traced.steps.append(edge.step)

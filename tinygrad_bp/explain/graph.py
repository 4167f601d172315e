"""The graph of a loss: a node for every value, an edge for every argument, with names and lines."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.backward import tensor_of
from tinygrad_bp.engine import Key, Op, key_of
from tinygrad_bp.errors import GradientError, TinygradError
from tinygrad_bp.explain.formatting import counted
from tinygrad_bp.explain.identity import Identity, outputs_of
from tinygrad_bp.explain.names import Names, names_of_the_caller, source_of
from tinygrad_bp.tensor import Tensor

if TYPE_CHECKING:
    from tinygrad_bp.explain.source import Source

__all__ = ["MAX_OPS", "Edge", "Graph", "Node", "graph_of", "ops_of", "size_of"]

Array: TypeAlias = "np.ndarray[Any, Any]"

MAX_OPS = 20_000
"""The most operations that are explained unless more are allowed: they take several seconds."""


@dataclass(eq=False, slots=True)
class Node:
    """One value of the graph: a leaf, a constant, or an output of an op.

    `variable` is a tensor that shows the value, or a constant as it was passed. `op` is a copy that
    keeps its arrays when a backward pass frees the graph, and `output` is which of its outputs the
    node is, if there are several.
    """

    id: int
    key: Key
    variable: Any
    value: Array
    name: str
    op: Op | None = None
    output: int | None = None
    source: Source | None = None
    requires_grad: bool = False
    grad: Array | None = None  # of this pass alone
    held: Array | None = None  # what `.grad` held before it
    held_passes: int = 0  # from how many passes
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
    step: int | None = None  # the step in which it carries a gradient


@dataclass(eq=False, repr=False, slots=True)
class Graph:
    """The nodes in the order they were computed, and the edges by child and argument."""

    loss: Node
    nodes: list[Node]
    edges: list[Edge]
    key: Identity
    arguments: dict[Op, list[Any]]
    """What each op was given: nodes, and whatever else it was called with."""
    outputs: dict[Op, list[Node]]
    """The nodes of each op's outputs."""
    _by_key: dict[Key, Node] = field(init=False)

    def __post_init__(self) -> None:
        self._by_key = {node.key: node for node in self.nodes}

    def find(self, value: Any) -> Node | None:
        """Return the node of a tensor or an array, None for anything else."""
        return self._by_key.get(self.key(value)) if _is_value(value) else None

    def node(self, what: Any) -> Node:
        """Return the node of a tensor or an array, of a name, or of a number.

        Raises `GradientError` if the loss was not computed from it.
        """
        found = self.find(what)
        if isinstance(what, str):
            found = next((node for node in self.nodes if node.name == what), None)
        elif isinstance(what, int) and 0 <= what < len(self.nodes):
            found = self.nodes[what]
        if found is not None:
            return found
        named = repr(what) if isinstance(what, str | int) else f"a value of shape {np.shape(what)}"
        names = ", ".join(node.name for node in self.nodes[:20])
        raise GradientError(
            f"{self.loss.name} was not computed from {named}. Its graph has "
            f"{names}{', ...' if len(self.nodes) > 20 else ''}."
        )

    def kept(self, recorded: Op) -> Op:
        """Return the copy of an op that was recorded, the one that the nodes have."""
        op = self._by_key[outputs_of(recorded)[0]].op
        assert op is not None  # noqa: S101  (outputs are results)
        return op

    def leaves(self) -> list[Node]:
        """Return the leaves that receive a gradient."""
        return [node for node in self.nodes if node.kind == "leaf"]


# --- how large it may be --------------------------------------------------------------------


def ops_of(loss: Tensor, max_ops: int) -> list[Op]:
    """Return the ops of a graph, beginning with the loss's.

    Raises `TinygradError`, before anything else is done, if there are more than `max_ops`, and
    `FreedGraphError` after a `backward()` that did not retain the graph.
    """
    order = engine.topological_order(loss)
    if len(order) > max_ops:
        raise TinygradError(
            f"the graph has {counted(len(order), 'operation')}, more than can be explained at once "
            f"(max_ops={max_ops:,}). Explain a smaller batch or fewer steps, start from a value "
            "nearer to the leaves, or allow more: bp.trace(loss, max_ops=...)."
        )
    return order


def size_of(loss: Tensor, limit: int) -> tuple[int, str]:
    """Return how many nodes a graph has, without making any.

    A graph of more than `limit` operations has more nodes than that; then only the operations are
    counted, which takes less than a second even for a million.

    >>> w = Tensor(3.0, requires_grad=True)
    >>> size_of(w * w * 2.0, limit=2), size_of(w * w * 2.0, limit=1)
    ((3, 'node'), (2, 'operation'))
    """
    order = engine.topological_order(loss)
    if len(order) > limit:
        return len(order), "operation"
    key = Identity(order)
    found = {key_of(loss)}
    for op in order:
        found.update(outputs_of(op), map(key, filter(_is_value, _arguments(op))))
    return len(found), "node"


# --- how it is made -------------------------------------------------------------------------


def graph_of(loss: Tensor, order: Sequence[Op], names: Mapping[str, Any] | None = None) -> Graph:
    """Return the graph of a loss, given its ops; `names` names what the source does not."""
    key = Identity(order)
    known = {**names_of_the_caller(), **(names or {})}
    made = _Nodes(loss, order, Names(known, order, key), key)
    nodes = list(made.of.values())
    return Graph(made.of[key_of(loss)], nodes, made.edges(), key, made.arguments, made.outputs)


class _Nodes:
    """The nodes of a graph, in the order of recording, one for each value."""

    def __init__(self, loss: Tensor, order: Sequence[Op], names: Names, key: Identity) -> None:
        self.of: dict[Key, Node] = {}
        self.arguments: dict[Op, list[Any]] = {}
        self.outputs: dict[Op, list[Node]] = {}
        self._key = key
        self._names = names
        self._shown = _shown(order, key) | {key_of(loss): loss}
        if loss.op is None:
            self._add(key_of(loss), loss, names.of_lone_leaf(key_of(loss), loss))
        for op in reversed(order):
            kept = copy.copy(op)
            arguments = self.arguments[kept] = [
                self._argument(a, op, slot) if _is_value(a) else a
                for slot, a in enumerate(_arguments(op))
            ]
            kept.arrays = [a.value if isinstance(a, Node) else a for a in arguments]
            self.outputs[kept] = [
                self._add_output(found, kept, op, i if type(op.y) is tuple else None)
                for i, found in enumerate(outputs_of(op))
            ]

    def edges(self) -> list[Edge]:
        """Return an edge for every argument that is a node, by child."""
        found: list[Edge] = []
        for child in self.of.values():
            for slot, parent in enumerate(self.arguments[child.op] if child.op else ()):
                if isinstance(parent, Node):
                    found.append(Edge(len(found), child, parent, slot))
        return found

    def _argument(self, argument: Any, op: Op, slot: int) -> Node:
        key = self._key(argument)
        if key in self.of:
            return self.of[key]
        return self._add(key, self._shown[key], self._names.of_input(key, argument, op, slot))

    def _add_output(self, key: Key, kept: Op, op: Op, output: int | None) -> Node:
        shown = self._shown[key] if key in self._shown else tensor_of(op, output)
        node = self._add(key, shown, self._names.of_result(key, shown, op, output))
        node.op, node.output = kept, output
        node.requires_grad = output not in op.rule.flat
        node.source = source_of(op)
        return node

    def _add(self, key: Key, value: Any, name: str | None) -> Node:
        number = len(self.of)
        array = np.asarray(value.data if isinstance(value, Tensor) else value)
        node = self.of[key] = Node(number, key, value, array, self._names.unique(name, number))
        if isinstance(value, Tensor) and value.requires_grad:
            node.requires_grad = True
            if value.op is None:  # a parameter, which the next step of an optimiser may change
                node.value = array.copy()
                node.held = None if value.grad is None else value.grad.data.copy()
                node.held_passes = value.backward_passes
        return node


def _shown(order: Sequence[Op], key: Identity) -> dict[Key, Any]:
    """A tensor or array that shows each value that is read, one with a name if there is any."""
    found: dict[Key, Any] = {}
    for op in order:
        for argument in filter(_is_value, _arguments(op)):
            if found.setdefault(key(argument), argument) is not argument and _has_name(argument):
                found[key(argument)] = argument
    return found


def _has_name(value: Any) -> bool:
    return isinstance(value, Tensor) and value.name is not None


def _is_value(argument: Any) -> bool:
    """Whether it becomes a node: numbers and options are written into the formulas."""
    return isinstance(argument, Tensor | np.ndarray)


def _arguments(op: Op) -> list[Any]:
    """The arrays of a call: tensors as they were passed, anything else as the function saw it."""
    pairs = zip(op.inputs or (), op.arrays, strict=True)
    return [given if isinstance(given, Tensor) else array for given, array in pairs]

"""Graphs that grow op by op and are gone through again and again, against their definition."""

from __future__ import annotations

import contextlib
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from paths import ELEMENTWISE, LINEAR, Graph, fits_elementwise
from quick import some_quick

from tinygrad_bp import Tensor, no_grad
from tinygrad_bp.errors import FreedGraphError, GradientError, StaleGraphError
from tinygrad_bp.gradcheck.mutants import plant
from tinygrad_bp.gradcheck.strategies import arrays

FITTING = {kind: (compute, fits_elementwise) for kind, (compute, _) in ELEMENTWISE.items()}
KINDS = [*FITTING, *LINEAR]
SHAPES = ((), (3,), (2, 1), (2, 3))  # all of them broadcast
MOST = 14  # nodes: the number of paths grows exponentially
TAME = 100.0

anything = st.integers(0, 10**6)  # picks one of whatever there is by then
mostly = st.sampled_from([True] * 7 + [False])
elements = arrays(st.sampled_from(SHAPES), dtype=np.float64)


class Sum:
    """What a leaf has received: the exact sum, and that of the absolute values."""

    def __init__(self, exact: Any, size: Any) -> None:
        self.exact = exact
        self.size = size


class Backpropagation(RuleBasedStateMachine):
    """The engine's tensors, and beside them the values and edges of the definition."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.tensors: list[Tensor] = []
        self.leaves: list[int] = []
        self.received: dict[int, Sum] = {}
        self.tracks: list[bool] = []
        self.versions: list[int] = []  # how often the value was assigned to
        self.read: list[dict[int, int]] = []  # what an op read, and in which version
        self.used_up: set[int] = set()
        self.memory: list[frozenset[int]] = []  # the leaf whose memory the value may be a view of
        self.aliased: set[int] = set()  # leaves with views that do not know of assignments

    # --- building ---------------------------------------------------------------------------

    @initialize(value=elements)
    def first_leaf(self, value: Any) -> None:
        self.new_leaf(value, tracks=True)

    @precondition(lambda self: len(self.tensors) < MOST)
    @rule(value=elements, tracks=mostly)
    def new_leaf(self, value: Any, tracks: bool) -> None:
        node = self.graph.leaf(value)
        self.leaves.append(node)
        self.add(Tensor(value, requires_grad=tracks), tracks=tracks, memory=frozenset({node}))

    @precondition(lambda self: len(self.tensors) < MOST)
    @rule(
        ops=st.lists(st.tuples(st.sampled_from(KINDS), anything, anything), min_size=1, max_size=4),
        record=mostly,
    )
    def compute(self, ops: list[tuple[str, int, int]], record: bool) -> None:
        for kind, i, j in ops:
            is_unary = kind in LINEAR and kind != "matmul"
            inputs = [self.node(i)] if is_unary else [self.node(i), self.node(j)]
            compute, fits = (LINEAR | FITTING)[kind]
            values = [self.graph.values[node] for node in inputs]
            if fits(*values) and np.all(np.abs(compute(*values)) < TAME):
                self.add_op(kind, inputs, record)

    def add_op(self, kind: str, inputs: list[int], record: bool) -> None:
        compute, _ = (LINEAR | FITTING)[kind]
        with contextlib.nullcontext() if record else no_grad():
            result = compute(*[self.tensors[node] for node in inputs])
        tracks = record and any(self.tracks[node] for node in inputs)
        memory = self.memory[inputs[0]] if kind in LINEAR else frozenset()
        self.add(result, tracks=tracks, memory=memory)
        self.read[-1] = {node: self.versions[node] for node in inputs} if tracks else {}
        if kind in LINEAR:
            self.graph.linear(kind, inputs, cut=not tracks)
        else:
            self.graph.elementwise(kind, *inputs, cut=not tracks)

    @precondition(lambda self: len(self.tensors) < MOST)
    @rule(i=anything)
    def detach(self, i: int) -> None:
        node = self.node(i)
        self.add(self.tensors[node].detach(), tracks=False, memory=self.memory[node])
        self.graph.detached(node)

    # --- changing ---------------------------------------------------------------------------

    @rule(i=anything, factor=st.sampled_from([-1.0, 0.5]))
    def assign(self, i: int, factor: float) -> None:
        """Change the data of a leaf: whatever was computed from it is stale."""
        leaf = self.leaves[i % len(self.leaves)]
        if leaf in self.aliased:  # only debug() would notice what happens to the views
            return
        self.tensors[leaf].data *= factor
        self.graph.values[leaf][...] *= factor  # and so do views of it
        self.versions[leaf] += 1

    @rule(i=anything)
    def zero_grad(self, i: int) -> None:
        leaf = self.leaves[i % len(self.leaves)]
        self.tensors[leaf].zero_grad()
        self.received.pop(leaf, None)

    # --- going backward ---------------------------------------------------------------------

    @rule(i=anything, of_op=mostly, retain=mostly, scale=st.sampled_from([1.0, -0.5, 0.0]))
    def backward(self, i: int, of_op: bool, retain: bool, scale: float) -> None:
        ops = [node for node, read in enumerate(self.read) if read]
        top = ops[-1 - i % len(ops)] if of_op and ops else self.node(i)
        arriving = scale * np.linspace(1.0, 2.0, self.graph.values[top].size)
        arriving = arriving.reshape(self.graph.values[top].shape)
        with self.refusal(top):
            self.tensors[top].backward(arriving, retain_graph=retain)
        if self.expected_error(top) is None:
            self.receive(top, arriving)
            self.used_up |= set() if retain else self.reached(top)

    @contextlib.contextmanager
    def refusal(self, top: int) -> Any:
        error = self.expected_error(top)
        with pytest.raises(error) if error else contextlib.nullcontext():
            yield

    def expected_error(self, top: int) -> type[Exception] | None:
        """What the engine has to say instead of a gradient, if anything."""
        reached = self.reached(top)
        if not self.tracks[top]:
            return GradientError
        if reached & self.used_up:
            return FreedGraphError
        return StaleGraphError if any(map(self.is_stale, reached)) else None

    def receive(self, top: int, arriving: Any) -> None:
        for leaf in self.leaves:
            found = self.graph.gradient(top, leaf, arriving) if self.tracks[leaf] else None
            if found is None:
                continue
            before = self.received.get(leaf, Sum(0.0, 0.0))
            self.received[leaf] = Sum(before.exact + found[0], before.size + found[1])

    # --- what must hold after every step ----------------------------------------------------

    @invariant()
    def leaves_hold_the_sum_over_all_paths(self) -> None:
        for leaf in self.leaves:
            grad, expected = self.tensors[leaf].grad, self.received.get(leaf)
            assert (grad is None) == (expected is None)
            if grad is not None and expected is not None:
                assert grad.shape == self.tensors[leaf].shape
                error = np.abs(grad.data - expected.exact)
                assert np.all(error <= 1e-12 * expected.size), (leaf, grad, expected.exact)

    @invariant()
    def values_are_numpys(self) -> None:
        for tensor, value, tracks in zip(self.tensors, self.graph.values, self.tracks, strict=True):
            assert np.array_equal(tensor.data, value)
            assert tensor.requires_grad == tracks

    # --- the definition's own state ---------------------------------------------------------

    def node(self, i: int) -> int:
        """One of all nodes, the youngest for 0: small numbers are drawn most often."""
        return len(self.tensors) - 1 - i % len(self.tensors)

    def add(self, tensor: Tensor, *, tracks: bool, memory: frozenset[int]) -> None:
        self.tensors.append(tensor)
        self.tracks.append(tracks)
        self.versions.append(0)
        self.read.append({})
        self.memory.append(memory)
        if len(self.tensors) - 1 not in memory and not tracks:
            self.aliased |= memory

    def reached(self, top: int) -> set[int]:
        """The ops that a backward pass goes through."""
        if not self.read[top]:
            return set()
        passing = [node for node in self.read[top] if self.tracks[node]]
        return {top}.union(*map(self.reached, passing))

    def is_stale(self, op: int) -> bool:
        return any(self.versions[node] != version for node, version in self.read[op].items())


TestBackpropagation = Backpropagation.TestCase


FAULTS = ["wrong sign", "factor 1.001", "missing sum over a broadcast axis"]


@pytest.mark.parametrize("fault", some_quick(FAULTS, 3))
def test_the_machine_notices_a_broken_rule(fault: str) -> None:
    # Many, for a rare fault: it ends with the first that is noticed, mostly after a few dozen.
    quick = settings(max_examples=2000, phases=[Phase.generate], derandomize=True, database=None)
    with plant(np.multiply, fault), pytest.raises(AssertionError):
        run_state_machine_as_test(Backpropagation, settings=quick)

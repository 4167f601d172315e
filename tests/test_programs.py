"""Random programs: the engine against differences, against itself, against a sum over paths."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, target
from paths import ELEMENTWISE, Graph

from tinygrad_bp import Tensor, engine, gradients
from tinygrad_bp.engine import key_of
from tinygrad_bp.gradcheck.strategies import (
    Program,
    arrays,
    broadcastable_shapes,
    dtypes,
    programs,
    shapes,
    tensors,
)
from tinygrad_bp.gradcheck.strategies.expressions import OF_ONE, OF_TWO, fitting, names_in

Array = Any


def leaves_of(program: Program) -> list[Tensor]:
    return [Tensor(value, requires_grad=True) for value in program.leaves.values()]


def gradient(program: Program, *, create_graph: bool = False) -> list[Array]:
    leaves = leaves_of(program)
    found = gradients(program(*leaves), leaves, create_graph=create_graph)
    return [np.zeros(x.shape) if g is None else g.data for g, x in zip(found, leaves, strict=True)]


def difference(program: Program, moves: list[Array]) -> tuple[float, float]:
    """The slope of the cost along a direction and its error bar.

    Central differences extrapolated to step 0. How far extrapolations disagree is the error; of
    them all, the one that disagrees least is the best (Ridders, 1982). A program may turn so
    sharply that none is good: then the bar is wide, as it should be.
    """
    point = list(program.leaves.values())
    row: list[float] = []
    best, bar = math.nan, math.inf
    for level in range(7):
        h = 2.0 ** -(8 + level)
        ends = [[p + side * m for p, m in zip(point, moves, strict=True)] for side in (h, -h)]
        finer = [float(program(*ends[0]) - program(*ends[1])) / (2 * h)]
        for order, coarse in enumerate(row, start=1):
            finer.append(finer[-1] + (finer[-1] - coarse) / (4**order - 1))
            error = max(abs(finer[-1] - finer[-2]), abs(finer[-1] - coarse))
            if error < bar:
                best, bar = finer[-1], error
        row = finer
    return best, bar


def moves_of(program: Program) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.choice([-1.0, 1.0], a.shape) for a in program.leaves.values()]


def inner(left: list[Array], right: list[Array]) -> float:
    return math.fsum(np.sum(a * b) for a, b in zip(left, right, strict=True))


# --- random programs ------------------------------------------------------------------------


@given(programs())
def test_reverse_mode_against_differences(program: Program) -> None:
    moves = moves_of(program)
    pulled = gradient(program)
    expected, bar = difference(program, moves)
    size = max(1.0, math.fsum(np.sum(np.abs(g)) for g in pulled))
    error = abs(inner(pulled, moves) - expected)
    target(error / size)
    assert error <= 1e-9 * size + 4 * bar, program


@given(programs())
def test_forward_mode_is_the_transpose_of_reverse_mode(program: Program) -> None:
    moves, leaves = moves_of(program), leaves_of(program)
    cost = program(*leaves)
    tangents = dict(zip(leaves, moves, strict=True))
    engine.push(reversed(engine.topological_order(cost)), tangents, engine.read_arrays)
    pulled = gradient(program)
    size = math.fsum(np.sum(np.abs(g)) for g in pulled)
    assert abs(tangents[key_of(cost)] - inner(pulled, moves)) <= 1e-12 * max(size, 1), program


@given(programs(dtype=dtypes()))
def test_recorded_pass_gives_the_same_bits(program: Program) -> None:
    for plain, recorded in zip(
        gradient(program), gradient(program, create_graph=True), strict=True
    ):
        assert plain.dtype == recorded.dtype
        assert plain.tobytes() == recorded.tobytes(), program


@given(programs())
def test_value_is_numpys(program: Program) -> None:
    contiguous = [np.array(value, order="C") for value in program.leaves.values()]
    assert program(*leaves_of(program)).item() == program(*contiguous)


@given(programs(), st.randoms(use_true_random=False))
def test_order_of_unrelated_lines_does_not_matter(program: Program, random: Any) -> None:
    """Any order in which each line follows what it uses gives the same gradient."""
    names = {line.partition(" = ")[0]: line for line in program.lines}
    waiting, done = list(program.lines), []
    while waiting:
        undone = set(names) - {line.partition(" = ")[0] for line in done}
        ready = [line for line in waiting if not undone & set(names_in(line.partition(" = ")[2]))]
        done.append(random.choice(ready))
        waiting.remove(done[-1])
    shuffled = Program(program.leaves, tuple(done))
    for g, again in zip(gradient(program), gradient(shuffled), strict=True):
        np.testing.assert_allclose(again, g, rtol=1e-12, atol=1e-12 * np.max(np.abs(g), initial=1))


@given(programs())
def test_printed_program_runs_and_gives_the_same_gradient(program: Program) -> None:
    names: dict[str, Any] = {"print": lambda *_: None}
    exec(str(program), names)  # noqa: S102  (that is what it is for)
    for g, name in zip(gradient(program), program.leaves, strict=True):
        left = names[name].grad
        assert np.array_equal(np.zeros(g.shape) if left is None else left.data, g)


@given(program=programs())
def test_nothing_is_left_for_the_cycle_collector(program: Program, no_garbage: Any) -> None:
    with no_garbage():
        program(*leaves_of(program)).backward()


# --- a sum over paths -----------------------------------------------------------------------


@st.composite
def scalar_graphs(draw: st.DrawFn) -> tuple[list[float], list[tuple[str, int, int]]]:
    """Up to 12 nodes: some leaves, then ops of any two earlier nodes."""
    leaves = draw(st.lists(st.integers(-8, 8).map(lambda k: k / 8), min_size=1, max_size=3))
    ops = []
    for n in range(len(leaves), draw(st.integers(len(leaves) + 1, 12))):
        earlier = st.integers(0, n - 1)
        ops.append((draw(st.sampled_from(sorted(ELEMENTWISE))), draw(earlier), draw(earlier)))
    return leaves, ops


@given(scalar_graphs())
def test_gradient_is_the_sum_over_all_paths(
    graph: tuple[list[float], list[tuple[str, int, int]]],
) -> None:
    leaves, ops = graph
    definition = Graph()
    tracked = [Tensor(value, requires_grad=True) for value in leaves]
    nodes: list[Any] = list(tracked)
    for value in leaves:
        definition.leaf(value)
    for kind, i, j in ops:
        definition.elementwise(kind, i, j)
        nodes.append(ELEMENTWISE[kind][0](nodes[i], nodes[j]))
    for leaf, g in enumerate(gradients(nodes[-1], tracked)):
        expected, size = definition.gradient(len(nodes) - 1, leaf) or (0.0, 0.0)
        assert abs((0.0 if g is None else g.item()) - expected) <= 1e-12 * max(size, 1e-300)


def test_a_diamond_counts_once() -> None:
    """60 diamonds on end have 2⁶⁰ paths and 120 edges; each edge is one step."""
    x = top = Tensor(1.0, requires_grad=True)
    for _ in range(60):
        top = top + top
    pending = {key_of(top): np.ones(())}
    steps = list(engine.sweep(engine.topological_order(top), pending, engine.read_arrays))
    assert len(steps) == 120
    assert pending[x] == 2.0**60


# --- the strategies keep their promises -----------------------------------------------------


@given(arrays(kinks=[0, 1], gap=0.25, low=-1.5, high=1.5))
def test_arrays_keep_away_from_kinks(array: Array) -> None:
    assert np.all(np.abs(array) >= 0.25)
    assert np.all(np.abs(array - 1) >= 0.25)
    assert np.all(np.abs(array) <= 1.5)
    assert np.all(array * 32 == np.rint(array * 32))
    assert array.dtype in (np.float32, np.float64)


@given(arrays(distinct=True, gap=0.25))
def test_distinct_values_are_apart(array: Array) -> None:
    assert np.all(np.diff(np.sort(array, axis=None)) >= 0.25)


@given(tensors((2, 3), dtype=np.float32))
def test_tensors_track(tensor: Tensor) -> None:
    assert tensor.requires_grad
    assert tensor.is_leaf
    assert tensor.shape == (2, 3)
    assert tensor.dtype == np.float32


@given(broadcastable_shapes(3))
def test_shapes_broadcast(drawn: tuple[tuple[int, ...], ...]) -> None:
    assert len(drawn) == 3
    np.broadcast_shapes(*drawn)


@pytest.mark.parametrize(
    "condition",
    [
        lambda a: a.ndim == 0,
        lambda a: a.size == 0,
        lambda a: a.ndim > 1 and 1 in a.shape,
        lambda a: a.size > 1 and not a.flags.c_contiguous,
        lambda a: a.ndim > 0 and a.size > 1 and a.strides[-1] < 0,
        lambda a: a.dtype == np.float32,
    ],
    ids=["no axes", "no elements", "length 1", "not contiguous", "backwards", "float32"],
)
def test_arrays_of_every_awkward_kind_are_drawn(condition: Callable[[Array], bool]) -> None:
    from hypothesis import find

    assert condition(find(arrays(), condition))


@given(shapes(max_dims=2, max_side=2))
def test_shapes_are_small(shape: tuple[int, ...]) -> None:
    assert len(shape) <= 2
    assert all(0 <= side <= 2 for side in shape)


def test_programs_use_every_expression() -> None:
    """Each expression in the tables is reached by some values, so none is there for show."""
    pool = [np.array(v) for v in ([[1.0, 2.0]], [[0.5], [1.5]], [1.0, 0.25], 0.5, 0.7)]
    seen: set[str] = set()
    for v, w in itertools.product(pool, pool):
        seen |= set(fitting({"v": v, "w": w}, "v", "w"))
    templates = {*OF_ONE, *OF_TWO}
    assert {template.format(v="v", w="w") for template in templates} - seen == set()


def test_error_bars_are_no_excuse() -> None:
    """Nearly all programs are tame enough for differences to be accurate."""
    tame = []

    @given(programs())
    def collect(program: Program) -> None:
        size = max(1.0, math.fsum(np.sum(np.abs(g)) for g in gradient(program)))
        tame.append(difference(program, moves_of(program))[1] < 1e-9 * size)

    collect()
    assert np.mean(tame) > 0.9

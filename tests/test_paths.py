"""Every path from the loss to a leaf, one by one: together they are the gradient."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from lesson_cases import chain

import tinygrad_bp as bp
from tinygrad_bp import Tensor
from tinygrad_bp.errors import GradientError, TinygradError
from tinygrad_bp.explain.paths import paths
from tinygrad_bp.rules import sigmoid

# --- random graphs --------------------------------------------------------------------------

SHAPES = [(), (3,), (2, 1), (2, 3), (1, 3)]
OPS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: np.sin(a) * b,
    lambda a, b: np.arctan2(a, b + 4.0),
    lambda a, b: np.mean(a) + np.sum(b, axis=-1, keepdims=True) if b.ndim else np.mean(a) * b,
]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Tensor, list[Tensor]]:
    """A loss and its leaves: values read twice and more, shapes that broadcast."""
    numbers = st.integers(-8, 8).map(lambda k: k / 8)
    leaves = [
        Tensor(np.reshape([draw(numbers) for _ in range(math.prod(shape))], shape),
               requires_grad=True)
        for shape in draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    ]  # fmt: skip
    values: list[Any] = list(leaves)
    for _ in range(draw(st.integers(1, 8))):
        op, a, b = (draw(st.sampled_from(choices)) for choices in (OPS, values, values))
        values.append(op(a, b))
    return np.sum(values[-1] * values[-1]), leaves


@given(graphs())
def test_the_products_of_all_paths_add_up_to_the_gradient(drawn: tuple[Tensor, Any]) -> None:
    loss, leaves = drawn
    for leaf, gradient in zip(leaves, bp.gradients(loss, leaves), strict=True):
        found = paths(loss, leaf, limit=100_000)
        expected = np.zeros(leaf.shape) if gradient is None else gradient.data
        size = sum((np.abs(path.product) for path in found), start=np.zeros(leaf.shape))
        assert found.total.shape == leaf.shape
        assert np.all(np.abs(found.total - expected) <= 1e-12 * size)


@given(graphs())
def test_each_path_leads_from_the_loss_to_the_leaf_and_is_met_once(
    drawn: tuple[Tensor, Any],
) -> None:
    loss, leaves = drawn
    for leaf in leaves:
        found = paths(loss, leaf, limit=100_000)
        assert len({(path.nodes, path.slots) for path in found}) == len(found)
        for path in found:
            assert path.nodes[0] is loss
            assert path.nodes[-1] is leaf
            assert len(path.nodes) == len(path) + 1 == len(path.ops) + 1
            for node, slot, below in zip(path.nodes, path.slots, path.nodes[1:], strict=False):
                assert node.op is not None
                assert (node.op.inputs or ())[slot] is below


@given(graphs())
def test_paths_are_counted_before_they_are_walked(drawn: tuple[Tensor, Any]) -> None:
    loss, leaves = drawn
    count = len(paths(loss, leaves[0], limit=100_000))
    assert len(paths(loss, leaves[0], limit=count)) == count
    if count:
        with pytest.raises(TinygradError, match=rf"there are {count:,} paths .* limit={count - 1}"):
            paths(loss, leaves[0], limit=count - 1)


@given(graphs())
def test_the_slopes_of_scalars_multiply_to_the_product(drawn: tuple[Tensor, Any]) -> None:
    loss, leaves = drawn
    for leaf in leaves:
        for path in paths(loss, leaf, limit=100_000):
            if all(node.ndim == 0 for node in path.nodes):
                slopes = [s for s in path.slopes if s is not None]
                assert math.isclose(math.prod(slopes), path.product, rel_tol=1e-12)
            assert [s is None for s in path.slopes] == [
                above.ndim + below.ndim > 0
                for above, below in zip(path.nodes, path.nodes[1:], strict=False)
            ]


# --- the chain of the lesson ----------------------------------------------------------------


PINNED = {
    "w1": 0.00942011, "b1": 0.0188402, "w2": -0.0111146, "b2": -0.0349121,
    "w3": -0.0741341, "b3": -0.1530639, "a2": -0.1397858, "a3": -0.681416,
}  # fmt: skip


@pytest.mark.parametrize("name", PINNED)
def test_the_lessons_chain_has_one_path_to_each(name: str) -> None:
    values = chain()
    found = paths(values["cost"], values[name])
    assert len(found) == 1
    np.testing.assert_allclose(found.total, PINNED[name], atol=5e-7)


def test_the_lessons_product_of_three_factors() -> None:
    values = chain()
    found = paths(values["cost"], values["w3"])
    assert str(found) == (
        "1 path from cost to w3\n"
        "  dcost/da3 · da3/dz3 · dz3/dw3  = -0.6814 · 0.2246 · 0.4843 = -0.07413"
    )
    assert found[0].ops == ("square", "subtract", "sigmoid", "add", "multiply")
    expected = [-0.681416, 1, 0.224626, 1, 0.484335]
    np.testing.assert_allclose(np.array(found[0].slopes, float), expected, atol=5e-7)


def test_the_lessons_long_chain_has_seven_factors() -> None:
    values = chain()
    (line,) = str(paths(values["cost"], values["w1"])).splitlines()[1:]
    assert line.count("/d") == 7
    assert "dz3/da2 · da2/dz2" in line
    assert line.endswith("= 0.00942")


def test_a_hidden_neuron_acts_along_one_path_for_each_output() -> None:
    """Three, three and two neurons: the sum over the layer behind is a sum over paths."""
    r = np.random.default_rng(9)
    a0 = [Tensor(x, name=f"a0_{i}") for i, x in enumerate(r.standard_normal(3))]
    w1, w2 = ([[Tensor(x, requires_grad=True) for x in row] for row in r.standard_normal(shape)]
              for shape in ((3, 3), (2, 3)))  # fmt: skip
    z1 = [row[0] * a0[0] + row[1] * a0[1] + row[2] * a0[2] for row in w1]
    a1 = [sigmoid(z) for z in z1]
    z2 = [row[0] * a1[0] + row[1] * a1[1] + row[2] * a1[2] for row in w2]
    a2 = [sigmoid(z) for z in z2]
    cost = (a2[0] - 1.0) ** 2 + a2[1] ** 2
    deltas = [2 * (a2[j].item() - (1 - j)) * a2[j].item() * (1 - a2[j].item()) for j in range(2)]
    for k in range(3):
        found = paths(cost, a1[k])
        products = [deltas[j] * w2[j][k].item() for j in range(2)]
        np.testing.assert_allclose([path.product for path in found], products, rtol=1e-14)
        assert [len(paths(cost, w1[k][i])) for i in range(3)] == [2, 2, 2]
    assert [len(paths(cost, w2[j][0])) for j in range(2)] == [1, 1]


# --- as text --------------------------------------------------------------------------------


def test_paths_that_share_all_names_are_told_apart() -> None:
    x = Tensor(3.0, requires_grad=True)
    cost = x * x + 5 * x
    assert str(paths(cost, x)).splitlines() == [
        "3 paths from cost to x",
        "  dcost/dv1 · dv1/dx  = 1 · 3 = 3  (argument 0 of multiply)",
        "  dcost/dv1 · dv1/dx  = 1 · 3 = 3  (argument 1 of multiply)",
        "  dcost/dv2 · dv2/dx  = 1 · 5 = 5",
        "  sum of all 3: 11",
    ]


def test_one_path_of_several_does_not_look_like_the_whole_derivative() -> None:
    a = Tensor(0.5, requires_grad=True)
    b = np.sin(a)
    c = b + np.exp(np.exp(a))
    _, through_b, past_b, _ = str(paths(c, a)).splitlines()
    assert through_b.split("=")[0].split() == ["dc/db", "·", "db/da"]
    assert re.fullmatch(r"dc/d(v\d+) · d\1/d(v\d+) · d\2/da", past_b.split("=")[0].strip())


def test_paths_through_arrays_show_the_way_and_the_product() -> None:
    W = Tensor(np.eye(2), requires_grad=True)
    h = np.tanh(W @ np.array([0.0, 1.0]))
    loss = np.sum(W @ h)
    first, direct, through_h, total = str(paths(loss, W)).splitlines()
    assert first == "2 paths from loss to W"
    assert direct.split() == ["loss", "<-", "W", "=", "(2,", "2),", "norm", "1.077"]
    assert through_h.split()[:5] == ["loss", "<-", "h", "<-", "W"]
    assert total.startswith("  sum of all 2: (2, 2), norm ")


def test_only_the_first_of_many_paths_are_written_out() -> None:
    x = top = Tensor(1.0, requires_grad=True)
    for _ in range(7):
        top = top + top
    lines = str(paths(top, x)).splitlines()
    assert lines[0].startswith("128 paths from")
    assert lines[-2:] == ["  ... and 88 more", "  sum of all 128: 128"]
    assert len(lines) == 43


def test_no_path_is_an_empty_sum() -> None:
    w, other = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
    loss = np.sum(w * 2)
    found = paths(loss, other)
    assert len(found) == 0
    assert np.array_equal(found.total, [0.0, 0.0])
    assert str(found).startswith("0 paths from loss")


def test_constants_have_no_path() -> None:
    values = chain()
    assert len(paths(values["cost"], values["y"])) == 0


def test_arrays_and_outputs_without_a_gradient_have_no_path() -> None:
    x, k = Tensor([7.5, 2.5], requires_grad=True), np.array([1.0, 2.0])
    whole, rest = np.divmod(x * k, 2.0)
    loss = np.sum(rest * whole)
    for key in ("k", "whole", whole):
        assert str(paths(loss, key)).startswith("0 paths from loss to ")
        assert paths(loss, key).total.tolist() == [0.0, 0.0]
    assert "to whole: nothing arrives there" in str(paths(loss, whole))


def test_a_name_stands_for_its_tensor() -> None:
    values = chain()
    assert paths(values["cost"], "w3")[0].nodes[-1] is values["w3"]
    with pytest.raises(GradientError, match="w9"):
        paths(values["cost"], "w9")


def test_what_arrives_at_the_loss_can_be_given() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3.0
    assert np.array_equal(paths(y, x, np.array([1.0, 10.0])).total, [3.0, 30.0])
    with pytest.raises(GradientError):
        paths(y, x)


# --- how many there may be ------------------------------------------------------------------


def diamonds(count: int) -> tuple[Tensor, Tensor]:
    x = top = Tensor(1.0, requires_grad=True)
    for _ in range(count):
        top = np.sin(top) * np.cos(top)
    return top, x


@pytest.mark.parametrize(
    ("count", "written"),
    [(14, "16,384"), (40, "1,099,511,627,776"), (1000, "about 1.07e+301"),
     (5000, "about 1.41e+1505")],
)  # fmt: skip
def test_too_many_paths_are_refused_with_their_number(count: int, written: str) -> None:
    with pytest.raises(TinygradError, match=rf"there are {re.escape(written)} paths.*limit=10,000"):
        paths(*diamonds(count))


def test_a_path_may_be_long() -> None:
    x = top = Tensor(1.0, requires_grad=True)
    for _ in range(3000):
        top = top * 1.0
    (path,) = paths(top, x)
    assert len(path) == 3000
    assert path.product == 1.0


def test_looking_at_paths_changes_nothing() -> None:
    values = chain()
    str(paths(values["cost"], values["w1"]))
    assert values["w1"].grad is None
    values["cost"].backward()
    assert values["w1"].grad is not None

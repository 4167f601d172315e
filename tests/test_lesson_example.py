"""One example: what it does, what it wants, and that every number of it is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinygrad_bp import Tensor, gradients, nn
from tinygrad_bp import functional as F
from tinygrad_bp.lesson import (
    OneExample,
    avenues,
    best_knobs,
    budget,
    committee,
    deltas_of,
    equations,
    flatten,
    hebb,
    index_of,
    lesson_network,
    name_of,
    network_of,
    paths_of,
    rank_of,
    sensitive_pair,
    unflatten,
)
from tinygrad_bp.lesson.deltas import COSTS, costs_of
from tinygrad_bp.lesson.drawn import drawn_data

SIZES = (784, 16, 16, 10)


@pytest.fixture(scope="module")
def two() -> OneExample:
    data = drawn_data(train=6, test=1)
    return OneExample(lesson_network(), data.train_images[5], int(data.train_labels[5]))


def random_example(seed: int, sizes: tuple[int, ...], cost: str = "sum_squares") -> OneExample:
    rng = np.random.default_rng(seed)
    image, label = rng.random(sizes[0]), int(rng.integers(sizes[-1]))
    return OneExample(lesson_network(seed, sizes), image, label, cost=cost)


# --- forward --------------------------------------------------------------------------------------


def test_matrix_form_is_the_sum_over_neurons(two: OneExample) -> None:
    for layer, before, z in zip(two.layers, two.activations, two.sums, strict=False):
        for j, row in enumerate(layer.weight):
            looped = sum(w * a for w, a in zip(row, before, strict=True)) + layer.bias[j]
            np.testing.assert_allclose(z[j], looped, atol=1e-12)


def test_a_row_of_a_batch_is_the_example_alone(rng: np.random.Generator) -> None:
    images, net = rng.random((5, 784)), lesson_network()
    together = deltas_of(flatten(net), images, [0, 1, 2, 3, 4])
    for i, image in enumerate(images):
        alone = OneExample(net, image, i)
        for a, b in zip(together.activations, alone.activations, strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-12)
        for a, b in zip(together.deltas, alone.deltas, strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-12)
        np.testing.assert_allclose(together.costs[i], alone.cost, atol=1e-12)


def test_13_002_parameters_layer_by_layer() -> None:
    counts = [layer.weight.size + layer.bias.size for layer in unflatten(np.zeros(13_002))]
    assert counts == [12_560, 272, 170]
    assert sum(counts) == 13_002 == sum(p.size for p in lesson_network().parameters())


def test_every_parameter_has_one_name() -> None:
    names = [name_of(i) for i in range(13_002)]
    assert len(set(names)) == 13_002
    assert [index_of(name) for name in names] == list(range(13_002))
    vector = np.arange(13_002.0)
    for name, (layer, part, place) in {
        "W1[15,783]": (0, 0, (15, 783)),
        "W2[3,5]": (1, 0, (3, 5)),
        "b3[2]": (2, 1, (2,)),
    }.items():
        assert unflatten(vector)[layer][part][place] == index_of(name)
    assert (flatten(network_of(vector)) == vector).all()


@pytest.mark.parametrize("name", ["W4[0,0]", "W3[10,0]", "W3[0,16]", "b3", "W1[1]", "b1[1,2]", "x"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(KeyError, match="no parameter"):
        index_of(name)


@pytest.mark.parametrize("index", [-1, 13_002])
def test_an_index_that_is_none_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match="counted from 0"):
        name_of(index)


def test_the_first_of_equals_is_the_prediction() -> None:
    tied = OneExample(network_of(np.zeros(13_002)), np.zeros(784), 3)
    assert (tied.prediction, tied.runner_up, tied.margin) == (0, 1, 0.0)


def test_prediction_runner_up_and_margin(two: OneExample) -> None:
    order = sorted(range(10), key=lambda j: -two.output[j])
    assert [two.prediction, two.runner_up] == order[:2]
    assert two.margin == two.output[order[0]] - two.output[order[1]]


def test_ten_squares_add_up_to_the_cost(two: OneExample) -> None:
    np.testing.assert_allclose(two.cost, sum((two.output - two.target) ** 2), atol=1e-12)
    assert costs_of(np.eye(10)[[2]], np.eye(10)[[2]])[0] == 0


def test_costs_rank_outputs_as_a_reader_would() -> None:
    target = np.eye(10)[[3, 3, 3, 3]]
    right, unsure, dark, wrong = target[0], 0.6 * target[0], np.zeros(10), np.eye(10)[7]
    costs = costs_of(np.array([right, unsure, dark, wrong]), target)
    assert (np.diff(costs) > 0).all()


# --- wishes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_label_should_be_brighter_and_all_others_darker(seed: int) -> None:
    example = random_example(seed, (12, 6, 10))
    assert (np.sign(example.wishes) == np.where(example.target == 1, 1, -1)).all()


def test_a_wish_is_twice_the_gap(two: OneExample) -> None:
    np.testing.assert_allclose(two.wishes / (two.target - two.output), 2, atol=1e-12)


def test_saturation_makes_a_great_wish_a_small_nudge(two: OneExample) -> None:
    nudges, slopes = -two.deltas[-1], two.slopes[-1]
    np.testing.assert_allclose(nudges, two.wishes * slopes, atol=1e-15)
    most = int(np.abs(two.wishes).argmax())
    assert abs(nudges[most]) < 0.1 * abs(nudges).max()


@pytest.mark.parametrize("seed", range(5))
def test_cross_entropy_takes_saturation_out(seed: int) -> None:
    example = random_example(seed, (12, 6, 10), "cross_entropy")
    np.testing.assert_allclose(example.deltas[-1], example.output - example.target, atol=1e-12)


def test_half_the_cost_has_half_the_gradient(two: OneExample) -> None:
    half = OneExample(two.net, two.image, two.label, cost="half_sum_squares")
    assert (2 * half.gradient == two.gradient).all()
    assert 2 * half.cost == two.cost


@pytest.mark.parametrize("cost", COSTS)
def test_the_closed_form_agrees_with_the_engine(cost: str) -> None:
    example = random_example(3, (20, 7, 5, 10), cost)
    found = deltas_of(
        example.parameters, example.image[None], [example.label], cost=cost, sizes=example.sizes
    )
    np.testing.assert_allclose(found.gradient(), example.gradient, atol=1e-14)
    np.testing.assert_allclose(found.costs[0], example.cost, rtol=1e-12)


@pytest.mark.parametrize("make", [lambda net: OneExample(net, np.zeros(784), 2, cost="x")])
def test_another_cost_is_refused(make: Callable[[nn.MLP], OneExample]) -> None:
    with pytest.raises(ValueError, match="cost must be one of"):
        make(lesson_network())


def test_another_cost_is_refused_of_many() -> None:
    with pytest.raises(ValueError, match="cost must be one of"):
        deltas_of(np.zeros(13_002), np.zeros((1, 784)), [2], cost="squares")


# --- bias, weights, activations -------------------------------------------------------------------


def test_three_avenues_add_up_to_first_order(two: OneExample) -> None:
    ways = avenues(two, 2)
    rng = np.random.default_rng(0)
    bias, weights, inputs = 0.02, 0.02 * rng.normal(size=16), 0.02 * rng.normal(size=16)
    errors = [
        ways.predicted(h * bias, h * weights, h * inputs)
        - ways.actual(h * bias, h * weights, h * inputs)
        for h in (1, 1 / 2, 1 / 4)
    ]
    np.testing.assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 4, rtol=0.05)
    assert ways.predicted(bias, weights, inputs) == pytest.approx(
        ways.predicted(bias) + ways.predicted(weights=weights) + ways.predicted(inputs=inputs)
    )


def test_a_bias_moves_the_sum_one_for_one(two: OneExample) -> None:
    z = Tensor(two.sums[-1], requires_grad=True)
    bias = Tensor(two.layers[-1].bias, requires_grad=True)
    moved = F.linear(two.activations[-2], Tensor(two.layers[-1].weight), bias)
    np.testing.assert_allclose(moved.data, z.data)
    for j in range(10):
        (g,) = gradients(moved[j], [bias])
        assert g is not None
        assert (g.data == np.eye(10)[j]).all()


def test_a_weight_acts_through_the_activation_it_comes_from(two: OneExample) -> None:
    weight, before = two.layers[-1].weight[2], two.activations[-2]
    for k in range(16):
        nudged = weight + 0.5 * np.eye(16)[k]
        np.testing.assert_allclose((nudged - weight) @ before / 0.5, before[k], atol=1e-12)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_weight_nudges_are_a_column_times_a_row(two: OneExample, layer: int) -> None:
    table = hebb(two, layer=layer)
    first, second = np.linalg.svd(table, compute_uv=False)[:2]
    assert second <= 3e-16 * first * 10
    start = index_of(f"W{layer + 1}[0,0]")
    np.testing.assert_allclose(table.ravel(), two.nudges[start : start + table.size], atol=1e-15)


def test_weight_nudges_follow_brightness(two: OneExample) -> None:
    before = two.activations[-2]
    for row in hebb(two):
        np.testing.assert_allclose(row / before, row[0] / before[0], rtol=1e-12)
        assert (np.argsort(np.abs(row)) == np.argsort(before)).all()


@pytest.mark.parametrize("seed", range(20))
def test_what_fires_together_wires_together(seed: int) -> None:
    example = random_example(seed, (12, 6, 10))
    table = hebb(example)
    j, k = np.unravel_index(table.argmax(), table.shape)
    assert (j, k) == (example.label, example.activations[-2].argmax())
    assert (np.delete(table, example.label, axis=0) < 0).all()


# --- backward -------------------------------------------------------------------------------------


def test_a_voter_wishes_in_proportion_to_its_weights(two: OneExample) -> None:
    votes, weight = committee(two), two.layers[-1].weight
    for j in range(10):
        np.testing.assert_allclose(votes.wishes[j], -two.deltas[-1][j] * weight[j], atol=1e-15)
        np.testing.assert_allclose(votes.wishes[j] / weight[j], -two.deltas[-1][j], rtol=1e-12)
    assert (np.sign(votes.wishes[2]) == np.sign(weight[2])).all()  # brighter for positive weights


def cost_from(example: OneExample, layer: int, a: NDArray[np.float64]) -> float:
    """The cost if the activations of a layer were `a`, which nobody can set."""
    output = Tensor(a)
    for weight, bias in example.layers[layer:]:
        output = F.sigmoid(F.linear(output, weight, bias))
    return F.sum_squares(output, example.target).item()


@pytest.mark.parametrize("layer", [1, 2])
def test_all_voters_together_are_the_chain_rule(two: OneExample, layer: int) -> None:
    votes, h = committee(two, layer=layer), 1e-6
    np.testing.assert_allclose(votes.total(), -two.by_activation[layer - 1], atol=1e-15)
    differences = [
        cost_from(two, layer, two.activations[layer] + h * e)
        - cost_from(two, layer, two.activations[layer] - h * e)
        for e in np.eye(16)
    ]
    np.testing.assert_allclose(-np.array(differences) / (2 * h), votes.total(), atol=1e-8)


def test_voters_can_be_switched_off(two: OneExample) -> None:
    votes = committee(two)
    assert (votes.total([]) == 0).all()
    np.testing.assert_allclose(votes.total([2]), votes.wishes[2])
    np.testing.assert_allclose(votes.total(range(5)) + votes.total(range(5, 10)), votes.total())
    assert set(votes.overruled(2)) == {
        k for k in range(16) if votes.total()[k] * votes.wishes[2, k] < 0
    }


def test_activations_are_no_parameters(two: OneExample) -> None:
    assert {p.size for p in two.net.parameters()} == {16 * 784, 16, 16 * 16, 10 * 16, 10}


@pytest.mark.parametrize("sizes", [(3, 2), (4, 3, 2), (5, 4, 4, 3, 10), SIZES])
def test_four_equations_hold_at_every_layer(sizes: tuple[int, ...]) -> None:
    found = equations(random_example(1, sizes))
    assert len(found) == 3 * (len(sizes) - 1)
    assert len({e.formula for e in found}) == (3 if len(sizes) == 2 else 4)
    assert max(e.difference for e in found) < 1e-12


@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=6),
    st.integers(0, 10**6),
    st.sampled_from(COSTS),
)
def test_the_recursion_does_not_depend_on_depth(sizes: list[int], seed: int, cost: str) -> None:
    example = random_example(seed, tuple(sizes), cost)
    assert max(e.difference for e in equations(example)) < 1e-12
    found = deltas_of(
        example.parameters, example.image[None], [example.label], cost=cost, sizes=sizes
    )
    np.testing.assert_allclose(found.gradient(), example.gradient, atol=1e-12)
    index = seed % len(example.gradient)
    total = sum(path.product for path in paths_of(example, index))
    np.testing.assert_allclose(total, example.gradient[index], atol=1e-12)


def test_one_first_layer_weight_by_its_160_paths(two: OneExample) -> None:
    bright = int(two.image.argmax())
    index = index_of(f"W1[7,{bright}]")
    paths = paths_of(two, index)
    assert len(paths) == 160
    assert {len(path.factors) for path in paths} == {7}
    np.testing.assert_allclose(sum(p.product for p in paths), two.gradient[index], rtol=1e-12)


@pytest.mark.parametrize("index", range(20))
def test_paths_add_up_in_the_small_network(index: int) -> None:
    """3-3-2: from the pinned seed, every weight and bias, one or two paths each."""
    small = OneExample(lesson_network(9, (3, 3, 2)), [0.2, 0.5, 0.9], 1)
    paths = paths_of(small, index)
    assert len(paths) == (2 if index < 12 else 1)
    np.testing.assert_allclose(sum(p.product for p in paths), small.gradient[index], rtol=1e-12)


def test_a_dead_pixel_gives_exact_zeros(two: OneExample) -> None:
    dark = np.flatnonzero(two.image == 0)
    first = two.gradient[: 16 * 784].reshape(16, 784)
    assert (first[:, dark] == 0).all()
    inked = 784 - len(dark)
    assert np.count_nonzero(two.gradient) == inked * 16 + 16 + 256 + 16 + 160 + 10


# --- belief ---------------------------------------------------------------------------------------


def central(example: OneExample, indices: NDArray[np.intp], h: float = 1e-6) -> NDArray[np.float64]:
    return np.array(
        [example.wiggle(name_of(int(i), example.sizes), h).central / h for i in indices]
    )


def test_wiggles_confirm_the_gradient(two: OneExample) -> None:
    last = np.arange(index_of("W2[0,0]"), 13_002)
    some = np.random.default_rng(0).choice(16 * 784, 300, replace=False)
    indices = np.concatenate([some, last])
    np.testing.assert_allclose(central(two, indices), two.gradient[indices], atol=2e-9)


@pytest.mark.slow
def test_wiggles_confirm_all_13_002(two: OneExample) -> None:
    np.testing.assert_allclose(central(two, np.arange(13_002)), two.gradient, atol=2e-9)


def test_the_200_largest_are_predicted_to_a_millionth(two: OneExample) -> None:
    for knob in best_knobs(two, 200):
        wiggle = two.wiggle(knob.name, 1e-4)
        np.testing.assert_allclose(wiggle.central, wiggle.predicted, rtol=1e-6)
        np.testing.assert_allclose(wiggle.actual, wiggle.predicted, rtol=1e-2)


def test_knobs_are_ranked_and_share_the_gradient(two: OneExample) -> None:
    knobs = best_knobs(two, 13_002)
    np.testing.assert_allclose(sum(knob.share for knob in knobs), 1.0)
    sizes = [abs(knob.gradient) for knob in knobs]
    assert sizes == sorted(sizes, reverse=True)
    assert [rank_of(two, knob.name) for knob in knobs[:5]] == [1, 2, 3, 4, 5]


def test_the_top_knobs_lower_the_cost_by_their_share(two: OneExample) -> None:
    change, lr = np.zeros(13_002), 1e-4
    for knob in best_knobs(two, 10):
        change[index_of(knob.name)] = -lr * knob.gradient
    gain = sum(knob.gradient**2 for knob in best_knobs(two, 10))
    np.testing.assert_allclose((two.cost - two.cost_after(change)) / lr, gain, rtol=1e-3)


@pytest.mark.parametrize("nudge", [0.01, 0.0001])
def test_a_ratio_of_gradients_is_a_ratio_of_what_happens(two: OneExample, nudge: float) -> None:
    pair = sensitive_pair(two, nudge=nudge)
    assert 25 < pair.ratio < 40
    np.testing.assert_allclose(pair.actual_ratio / pair.ratio, 1, atol=1e-4)
    np.testing.assert_allclose(pair.strong.predicted / pair.weak.predicted, np.sign(
        pair.strong.predicted * pair.weak.predicted) * pair.ratio)  # fmt: skip


def test_no_direction_is_steeper_than_the_negative_gradient(two: OneExample) -> None:
    norm = float(np.linalg.norm(two.gradient))
    ways = np.random.default_rng(0).normal(size=(500, 13_002))
    slopes = ways @ two.gradient / np.linalg.norm(ways, axis=1)
    assert slopes.min() > -norm / 5
    np.testing.assert_allclose(two.nudges / norm @ two.gradient, -norm)


@pytest.mark.parametrize("seed", range(10))
def test_no_budget_is_spent_better_than_on_the_gradient(two: OneExample, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [name_of(int(i)) for i in rng.choice(13_002, 8, replace=False)]
    names.append("b3[2]")
    spent = budget(two, dict(zip(names, rng.normal(size=9), strict=True)), length=0.01)
    assert spent.chosen >= spent.best
    with pytest.raises(ValueError, match="at least one knob"):
        budget(two, {"b3[2]": 0.0})


def test_a_small_step_pays_the_squared_gradient(two: OneExample) -> None:
    square = float(two.gradient @ two.gradient)
    lr = 1e-4
    gain = (two.cost_after(two.step(lr)) - two.cost) / lr
    np.testing.assert_allclose(gain, -square, rtol=1e-3)


def test_one_step_lowers_the_examples_own_cost(two: OneExample) -> None:
    assert two.cost_after(two.step(0.5)) < two.cost
    assert (two.step(0.5) == 0.5 * two.nudges).all()
    assert (two.nudges == -two.gradient).all()


def test_scaling_the_cost_scales_the_nudges_and_leaves_their_direction(two: OneExample) -> None:
    half = OneExample(two.net, two.image, two.label, cost="half_sum_squares")
    direction, other = (g / np.linalg.norm(g) for g in (two.gradient, half.gradient))
    np.testing.assert_allclose(direction, other, atol=1e-15)

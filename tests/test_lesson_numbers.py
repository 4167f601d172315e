"""The lesson's pinned numbers: a chain of single neurons, and what one image of a 2 wants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, data
from tinygrad_bp import functional as F
from tinygrad_bp.lesson import (
    OneExample,
    chain,
    committee,
    deltas_of,
    equations,
    flatten,
    hebb,
    lesson_network,
    sensitive_pair,
)
from tinygrad_bp.lesson.deltas import activations
from tinygrad_bp.lesson.descent import descend
from tinygrad_bp.lesson.network import network_of, unflatten
from tinygrad_bp.rules import sigmoid


def test_the_chain_of_single_neurons() -> None:
    r = np.random.RandomState(6)
    b = [Tensor(r.randn(), requires_grad=True) for _ in range(3)]
    w = [Tensor(r.randn(), requires_grad=True) for _ in range(3)]
    a = [Tensor(0.5)]
    z = []
    for w_l, b_l in zip(w, b, strict=True):
        z.append(w_l * a[-1] + b_l)
        a.append(sigmoid(z[-1]))
    cost = (a[-1] - 1.0) ** 2
    np.testing.assert_allclose([v.item() for v in z], [-0.761330, -0.062682, 0.660140], atol=5e-7)
    np.testing.assert_allclose(cost.item(), 0.116082, atol=5e-7)
    (by_a2,) = bp.gradients(cost, [a[2]])
    cost.backward()
    found = [v.grad.item() for pair in zip(w, b, strict=True) for v in pair if v.grad is not None]
    pinned = [0.00942011, 0.0188402, -0.0111146, -0.0349121, -0.0741341, -0.1530639]
    np.testing.assert_allclose(found, pinned, atol=1e-7)
    assert by_a2 is not None
    np.testing.assert_allclose(by_a2.item(), -0.1397858, atol=1e-7)
    np.testing.assert_allclose(0.484335 * 0.224626 * -0.681416, found[4], atol=1e-6)


@pytest.mark.mnist
def test_what_one_image_of_a_2_wants(mnist_folder: Path) -> None:
    mnist = data.mnist(mnist_folder)
    image, label = np.asarray(mnist.train_images[5], float), mnist.train_labels[5]
    image = np.round(image * 255) / 255
    assert label == 2
    net = lesson_network()
    target = np.eye(10)[label]
    hidden2 = sigmoid(net[2](sigmoid(net[0](image))))
    output = sigmoid(net[4](hidden2))
    cost = F.sum_squares(output, target)
    by_output, by_hidden2 = bp.gradients(cost, [output, hidden2])
    cost.backward()
    g = np.concatenate([p.grad.data.ravel() for p in net.parameters() if p.grad is not None])
    assert g.size == 13_002
    assert np.count_nonzero(g) == 3_466 == 188 * 16 + 16 + 256 + 16 + 160 + 10
    np.testing.assert_allclose(cost.item(), 4.10611, atol=5e-6)
    np.testing.assert_allclose(np.linalg.norm(g), 2.30729, atol=5e-6)
    np.testing.assert_allclose(
        output.data,
        [0.4570, 0.8440, 0.1991, 0.9957, 0.4439, 0.5655, 0.9942, 0.0054, 0.2024, 0.0751],
        atol=5e-5,
    )
    assert by_output is not None
    assert by_hidden2 is not None
    np.testing.assert_allclose(
        -by_output.data,
        [-0.914, -1.688, 1.602, -1.991, -0.888, -1.131, -1.988, -0.011, -0.405, -0.150],
        atol=5e-4,
    )
    np.testing.assert_allclose(-by_hidden2.data[[8, 13, 4]], [-1.1340, 1.3291, -0.1653], atol=5e-5)
    bias_nudges = -net[4].bias.grad.data
    np.testing.assert_allclose(bias_nudges[[2, 3]], [0.2554, -0.0085], atol=5e-5)


# --- the same figure by the lesson's own functions ------------------------------------------------

OUTPUT = [0.4570, 0.8440, 0.1991, 0.9957, 0.4439, 0.5655, 0.9942, 0.0054, 0.2024, 0.0751]
WISHES = [-0.914, -1.688, 1.602, -1.991, -0.888, -1.131, -1.988, -0.011, -0.405, -0.150]
BIAS_NUDGES = [
    -0.2268, -0.2222, 0.2554, -0.0085, -0.2192, -0.2779, -0.0114, -0.0001, -0.0654, -0.0104,
]  # fmt: skip
HIDDEN2 = [
    0.915795, 0.476868, 0.484344, 0.193524, 0.003629, 0.954518, 0.944411, 0.654762,
    0.988421, 0.000325, 0.752244, 0.740944, 0.179663, 0.526373, 0.062132, 0.087290,
]  # fmt: skip
WEIGHTS_OF_2 = [
    0.5747, -1.2268, 2.6996, 1.2447, 2.0238, -1.2390, -1.2546, 1.7317,
    -2.1253, 0.3928, 0.7086, -0.8432, -0.0852, 1.6294, -0.6161, 0.9239,
]  # fmt: skip
WEIGHT_NUDGES_OF_2 = [
    0.2339, 0.1218, 0.1237, 0.0494, 0.0009, 0.2438, 0.2412, 0.1672,
    0.2524, 0.0001, 0.1921, 0.1892, 0.0459, 0.1344, 0.0159, 0.0223,
]  # fmt: skip
WISHES_OF_2 = [
    0.1468, -0.3133, 0.6895, 0.3179, 0.5169, -0.3164, -0.3204, 0.4423,
    -0.5428, 0.1003, 0.1810, -0.2154, -0.0218, 0.4162, -0.1574, 0.2360,
]  # fmt: skip
WISHES_OF_ALL = [
    0.3757, 0.3827, 0.1552, 1.4730, -0.1653, -0.6702, -0.5530, 0.5439,
    -1.1340, 0.1513, 0.0982, -0.4995, -0.1439, 1.3291, -1.1974, -0.0310,
]  # fmt: skip


def check_the_last_layer(two: OneExample) -> None:
    np.testing.assert_allclose(two.output, OUTPUT, atol=1e-4)
    np.testing.assert_allclose(two.cost, 4.10611, atol=1e-4)
    np.testing.assert_allclose(two.wishes, WISHES, atol=6e-4)
    np.testing.assert_allclose(-two.deltas[-1], BIAS_NUDGES, atol=1e-4)
    np.testing.assert_allclose(two.layers[-1].weight[2], WEIGHTS_OF_2, atol=1e-4)
    np.testing.assert_allclose(hebb(two)[2], WEIGHT_NUDGES_OF_2, atol=1e-4)
    votes = committee(two)
    np.testing.assert_allclose(votes.wishes[2], WISHES_OF_2, atol=1e-4)
    np.testing.assert_allclose(votes.total(), WISHES_OF_ALL, atol=1e-4)
    assert 4 in votes.overruled(2)


def test_the_last_layer_from_its_pinned_activations() -> None:
    """The figure's outputs, wishes and nudges, from the 16 activations that lead to them."""
    last = unflatten(flatten(lesson_network()))[-1]
    net = network_of(np.concatenate([last.weight.ravel(), last.bias]), (16, 10))
    check_the_last_layer(OneExample(net, HIDDEN2, 2))


def test_to_raise_the_2_matters_four_times_as_much_as_to_lower_the_8() -> None:
    last = unflatten(flatten(lesson_network()))[-1]
    net = network_of(np.concatenate([last.weight.ravel(), last.bias]), (16, 10))
    two = OneExample(net, HIDDEN2, 2)
    np.testing.assert_allclose(abs(two.wishes[2] / two.wishes[8]), 3.96, atol=0.01)
    np.testing.assert_allclose(abs(two.deltas[-1][2] / two.deltas[-1][8]), 3.91, atol=0.01)


@pytest.fixture
def mnist_two(mnist_folder: Path) -> OneExample:
    mnist = data.mnist(mnist_folder)
    image = np.round(mnist.train_images[5].astype(float) * 255) / 255
    return OneExample(lesson_network(), image, int(mnist.train_labels[5]))


@pytest.mark.mnist
def test_the_figure_by_one_example(mnist_two: OneExample) -> None:
    check_the_last_layer(mnist_two)
    np.testing.assert_allclose(mnist_two.activations[2], HIDDEN2, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(mnist_two.gradient), 2.30729, atol=5e-6)
    assert np.count_nonzero(mnist_two.gradient) == 3_466
    assert np.sum(mnist_two.gradient == 0) == 9_536
    np.testing.assert_allclose(np.abs(mnist_two.gradient).max(), 0.331, atol=5e-4)
    np.testing.assert_allclose(mnist_two.cost_after(mnist_two.step(0.5)), 2.572, atol=5e-4)
    assert max(e.difference for e in equations(mnist_two)) < 1e-15
    pair = sensitive_pair(mnist_two)
    np.testing.assert_allclose(pair.actual_ratio / pair.ratio, 1, atol=1e-4)


@pytest.mark.mnist
@pytest.mark.slow
def test_67_pixels_are_black_in_every_image(mnist_folder: Path) -> None:
    mnist = data.mnist(mnist_folder)
    full = deltas_of(flatten(lesson_network()), mnist.train_images, mnist.train_labels).gradient()
    assert np.sum((mnist.train_images == 0).all(axis=0)) == 67
    assert np.sum(full == 0) == 1_072 == 67 * 16


# --- chains, and the small complete network -------------------------------------------------------


def test_the_chain_by_its_factors() -> None:
    found = chain()
    np.testing.assert_allclose(found.b, [-0.311784, 0.729004, 0.217821], atol=1e-6)
    np.testing.assert_allclose(found.w, [-0.899092, -2.486781, 0.913252], atol=1e-6)
    np.testing.assert_allclose(found.z, [-0.761330, -0.062682, 0.660140], atol=1e-6)
    np.testing.assert_allclose(found.a, [0.5, 0.318358, 0.484335, 0.659292], atol=1e-6)
    np.testing.assert_allclose(found.factors, [0.484335, 0.224626, -0.681416], atol=1e-6)
    np.testing.assert_allclose(np.prod(found.factors), -0.0741341, atol=1e-7)
    pinned = [0.00942011, 0.0188402, -0.0111146, -0.0349121, -0.0741341, -0.1530639]
    np.testing.assert_allclose(found.gradient, pinned, atol=1e-7)
    np.testing.assert_allclose(found.by_activation[-2], -0.1397858, atol=1e-7)


def test_a_weights_gradient_is_its_senders_activation_times_the_biass() -> None:
    found = chain()
    by_weight, by_bias = found.gradient[::2], found.gradient[1::2]
    np.testing.assert_allclose(by_weight, found.a[:-1] * by_bias, rtol=1e-12)
    np.testing.assert_allclose(found.by_activation[-2], found.w[-1] * by_bias[-1], rtol=1e-12)


def test_ratios_of_a_nudge_telescope_and_tend_to_the_derivative() -> None:
    found = chain()
    slope = found.gradient[4]
    errors = []
    for nudge in (0.01, 0.005, 0.0025):
        ripple = found.ripple(nudge)
        np.testing.assert_allclose(np.prod(ripple.ratios), ripple.cost / nudge, rtol=1e-12)
        errors.append(ripple.cost / nudge - slope)
    np.testing.assert_allclose(found.ripple(0.01).cost / 0.01, -0.0739587, atol=1e-7)
    np.testing.assert_allclose(errors[0] / slope, -0.0024, atol=5e-5)
    np.testing.assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 2, rtol=0.01)


@pytest.mark.parametrize(
    ("start", "target", "weights"),
    [(0.0, 1.0, [0.5, 0.1]), (0.5, None, [0.5, 0.1]), (0.5, 1.0, [60.0, 20.0])],
)
def test_a_dark_sender_a_perfect_output_or_saturation_stop_learning(
    start: float, target: float | None, weights: list[float]
) -> None:
    wanted = chain(weights, start=start).a[-1] if target is None else target
    found = chain(weights, start=start, target=wanted)
    assert abs(found.gradient[0]) < 1e-15
    assert found.slopes.max() <= 0.25


def test_a_long_chain_by_the_engine(rng: np.random.Generator) -> None:
    parameters = rng.normal(size=14)
    found = chain(parameters.tolist(), start=0.3, target=0.0)
    leaves = [Tensor(p, requires_grad=True) for p in parameters]
    a = Tensor(0.3)
    for w, b in zip(leaves[::2], leaves[1::2], strict=True):
        a = sigmoid(w * a + b)
    by_engine = [g.item() for g in bp.gradients(a * a, leaves) if g is not None]
    np.testing.assert_allclose(found.gradient, by_engine, rtol=1e-12)


def test_direction_and_importance_in_two_dimensions() -> None:
    x, y = (Tensor(1.0, requires_grad=True) for _ in range(2))
    found = bp.gradients(1.5 * x**2 + 0.5 * y**2, [x, y])
    assert [g.item() for g in found if g is not None] == [3.0, 1.0]


def test_the_small_complete_network() -> None:
    """3-3-2: rows of a matrix belong to the neurons that it leads to."""
    r = np.random.RandomState(9)
    b, b_out = r.randn(3, 1).ravel(), r.randn(2, 1).ravel()
    w, w_out = r.randn(3, 3), r.randn(2, 3)
    net = lesson_network(9, (3, 3, 2))
    for p, pinned in zip(net.parameters(), (w, b, w_out, b_out), strict=True):
        assert (p.data == pinned).all()
    assert [p.shape for p in net.parameters()] == [(3, 3), (3,), (2, 3), (2,)]


def test_noise_is_read_as_a_digit() -> None:
    """Of the lesson's untrained network too: there is always a brightest output."""
    noise = np.random.RandomState(4).random_sample(784)
    said = activations(unflatten(flatten(lesson_network())), noise[None])[-1][0]
    assert said.max() > 0.5


# --- what training gives --------------------------------------------------------------------------


@pytest.mark.mnist
@pytest.mark.slow
def test_the_lessons_start_learns_mnist(mnist_folder: Path) -> None:
    mnist = data.mnist(mnist_folder)
    net = network_of(flatten(lesson_network()), dtype=np.float32)
    list(descend(net, mnist.train_images, mnist.train_labels, steps=6_000))
    output = activations(unflatten(flatten(net)), mnist.test_images)[-1]
    assert np.mean(output.argmax(axis=1) == mnist.test_labels) > 0.9

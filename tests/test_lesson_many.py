"""Many examples: tables, averages, mini-batches, walks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinygrad_bp import Tensor, gradients, nn, optim
from tinygrad_bp import functional as F
from tinygrad_bp.data import Mnist
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.lesson import (
    OneExample,
    agreement,
    deltas_of,
    flatten,
    lesson_network,
    network_of,
    noise_scale,
    notable_rows,
    predicted_cosine,
    unflatten,
    wish_table,
)
from tinygrad_bp.lesson.deltas import Deltas
from tinygrad_bp.lesson.descent import accuracy_of, descend, mean_cost, walk
from tinygrad_bp.lesson.drawn import drawn_data
from tinygrad_bp.lesson.many import WishTable, class_effects
from tinygrad_bp.lesson.sampling import cosine, draws_for
from tinygrad_bp.rules import sigmoid


@pytest.fixture(scope="module")
def digits() -> Mnist:
    return drawn_data(train=600, test=300)


@pytest.fixture(scope="module")
def deltas(digits: Mnist) -> Deltas:
    return deltas_of(flatten(lesson_network()), digits.train_images, digits.train_labels)


@pytest.fixture(scope="module")
def few(digits: Mnist) -> Deltas:
    start = flatten(lesson_network())
    return deltas_of(start, digits.train_images[:30], digits.train_labels[:30])


@pytest.fixture(scope="module")
def learned(digits: Mnist) -> NDArray[np.float32]:
    """The parameters of a network that has learned all that these digits can teach it."""
    net = fresh()
    list(descend(net, digits.train_images, digits.train_labels, steps=1200))
    return flatten(net)


def fresh(dtype: type = np.float32) -> nn.MLP:
    return network_of(flatten(lesson_network()), dtype=dtype)


# --- every example has wishes ---------------------------------------------------------------------


def test_rows_are_the_gradients_of_single_examples(digits: Mnist, few: Deltas) -> None:
    rows = few.per_example()
    for k in range(0, 30, 7):
        alone = OneExample(lesson_network(), digits.train_images[k], int(digits.train_labels[k]))
        np.testing.assert_allclose(rows[k], alone.gradient, atol=1e-12)


def test_the_mean_of_gradients_is_the_gradient_of_the_mean(digits: Mnist, few: Deltas) -> None:
    net = lesson_network()
    x, y = digits.train_images[:30].astype(float), np.eye(10)[digits.train_labels[:30]]
    cost = F.sum_squares(net(x), y)
    found = gradients(cost, list(net.parameters()))
    by_engine = np.concatenate([g.data.ravel() for g in found if g is not None])
    np.testing.assert_allclose(few.per_example().mean(axis=0), by_engine, atol=1e-12)
    np.testing.assert_allclose(few.gradient(), by_engine, atol=1e-12)
    np.testing.assert_allclose(cost.item(), few.costs.mean(), rtol=1e-12)


def test_norms_need_no_gradient_written_out(few: Deltas) -> None:
    np.testing.assert_allclose(
        few.squared_norms(), (few.per_example() ** 2).sum(axis=1), rtol=1e-12
    )


def test_the_total_cost_is_the_mean(digits: Mnist) -> None:
    start = flatten(lesson_network())
    images, labels = digits.train_images, digits.train_labels
    parts = [mean_cost(start, images[rows], labels[rows]) for rows in (slice(200), slice(200, 600))]
    total = mean_cost(start, images, labels)
    np.testing.assert_allclose(total, (200 * parts[0] + 400 * parts[1]) / 600, rtol=1e-12)
    order = np.random.default_rng(0).permutation(600)
    np.testing.assert_allclose(mean_cost(start, images[order], labels[order]), total, rtol=1e-12)


NUDGES = np.random.default_rng(0).normal(size=(4, 30))


@given(st.lists(st.integers(0, 29), min_size=1, unique=True))
def test_the_last_column_is_the_mean_of_those_shown(chosen: list[int]) -> None:
    table = WishTable((0, 1, 2, 3), ("W1[0,0]", "W1[0,1]", "W1[0,2]", "W1[0,3]"), NUDGES)
    np.testing.assert_allclose(
        table.average(chosen), table.nudges[:, chosen].mean(axis=1), atol=1e-12
    )


def test_cells_are_nudges(few: Deltas) -> None:
    table = wish_table(few, pinned=[123, 13_000])
    assert table.indices[-2:] == (123, 13_000)
    np.testing.assert_allclose(table.nudges, -few.per_example()[:, table.indices].T, atol=1e-15)
    np.testing.assert_allclose(table.average(), -few.gradient()[list(table.indices)], atol=1e-12)


def test_rows_of_the_table_have_something_to_show(few: Deltas) -> None:
    average = -few.gradient()
    rows = notable_rows(average)
    assert len(rows) == 6
    assert rows[:3] == np.argsort(-np.abs(average), kind="stable")[:3].tolist()
    assert average[rows[3]] != 0
    assert average[rows[4]] == 0
    assert rows[5] == 13_001


def test_zero_rows_are_pixels_that_no_example_uses(digits: Mnist, few: Deltas) -> None:
    dark = (digits.train_images[:30] == 0).all(axis=0)
    zero = (few.per_example() == 0).all(axis=0)[: 16 * 784].reshape(16, 784)
    assert (zero == dark).all()


def test_identical_examples_have_identical_columns_and_count_twice(digits: Mnist) -> None:
    start, rows = flatten(lesson_network()), [0, 0, 5]
    found = deltas_of(start, digits.train_images[rows], digits.train_labels[rows])
    each = found.per_example()
    assert (each[0] == each[1]).all()
    np.testing.assert_allclose(found.gradient(), (2 * each[0] + each[2]) / 3, atol=1e-15)


def test_one_examples_step_is_felt_by_every_digit(digits: Mnist) -> None:
    images, labels = digits.train_images, digits.train_labels
    two = OneExample(lesson_network(), images[5], 2)
    before, after = (
        deltas_of(p, images, labels).costs for p in (two.parameters, two.parameters + two.step(0.5))
    )
    changes = class_effects(before, after, labels)
    assert changes.shape == (10,)
    assert after[5] < before[5]
    np.testing.assert_allclose(
        np.bincount(labels) @ changes / len(labels), (after - before).mean(), rtol=1e-9
    )


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match="images must be"):
        deltas_of(np.zeros(13_002), np.zeros((2, 783)), [0, 1])


# --- mini-batches ---------------------------------------------------------------------------------


def test_an_epochs_batches_add_up_to_the_full_gradient(deltas: Deltas) -> None:
    order = np.random.default_rng(1).permutation(600)
    parts = [deltas.gradient(order[start : start + 50]) for start in range(0, 600, 50)]
    full = deltas.gradient()
    assert np.linalg.norm(np.mean(parts, axis=0) - full) < 1e-12 * np.linalg.norm(full)


def test_the_work_is_counted(digits: Mnist) -> None:
    steps = descend(fresh(), digits.train_images, digits.train_labels, steps=13, batch_size=250)
    assert list(steps) == [250, 250, 100] * 4 + [250]


def test_a_batch_of_all_is_full_descent_bit_for_bit(digits: Mnist) -> None:
    images, targets = digits.train_images, np.eye(10, dtype=np.float32)[digits.train_labels]
    one, other, by_hand = fresh(), fresh(), fresh()
    for net, size in ((one, 600), (other, None)):
        assert (
            list(descend(net, images, digits.train_labels, steps=3, batch_size=size)) == [600] * 3
        )
    optimizer = optim.SGD(by_hand.parameters(), lr=1.5)
    for _ in range(3):
        optimizer.zero_grad()
        F.sum_squares(by_hand(images), targets).backward()
        optimizer.step()
    assert (flatten(one) == flatten(other)).all()
    assert (flatten(one) == flatten(by_hand)).all()


@pytest.mark.parametrize(("seed", "same"), [(0, True), (1, False)])
def test_the_seed_decides_a_run(digits: Mnist, seed: int, same: bool) -> None:
    nets = fresh(), fresh()
    for net, s in zip(nets, (0, seed), strict=True):
        list(descend(net, digits.train_images, digits.train_labels, steps=8, seed=s))
    assert (flatten(nets[0]) == flatten(nets[1])).all() == same


def test_the_cosine_is_predicted(deltas: Deltas) -> None:
    for found in agreement(deltas, [10, 30, 100, 300, 600]):
        assert abs(found.mean - found.predicted) < 0.08
        assert len(found.cosines) == draws_for(found.batch_size, 600)
    assert found.mean == pytest.approx(1.0, abs=1e-12)
    assert found.predicted == 1.0
    assert found.uphill == 0.0


def test_the_cosine_is_predicted_where_examples_disagree(
    digits: Mnist, learned: NDArray[np.float32]
) -> None:
    found = deltas_of(learned, digits.train_images, digits.train_labels)
    few_of_them, many = agreement(found, [10, 300])
    assert 0 < few_of_them.uphill < 0.5
    assert few_of_them.mean < 0.2 < many.mean
    for each in (few_of_them, many):
        assert abs(each.mean - each.predicted) < 0.08


def test_noise_is_what_is_left_of_the_norms(few: Deltas) -> None:
    each, mean = few.per_example(), few.per_example().mean(axis=0)
    scatter = ((each - mean) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(noise_scale(few), scatter / (mean @ mean), rtol=1e-10)


def test_predictions_at_the_ends() -> None:
    assert predicted_cosine(5.0, 10, 10) == predicted_cosine(3.0, 1, 1) == 1.0
    assert predicted_cosine(1.0, 1, 10**9) == pytest.approx(0.5**0.5)
    assert cosine(np.zeros(2), np.ones(2)) == 0.0


# --- walks ----------------------------------------------------------------------------------------


def test_full_descent_never_climbs_and_mini_batches_do(digits: Mnist) -> None:
    images, labels = digits.train_images, digits.train_labels
    careful, stumbling = (
        walk(fresh(), images, labels, steps=60, batch_size=size, lr=1.0) for size in (None, 10)
    )
    assert careful.uphill == 0.0
    assert stumbling.uphill > 0.1
    assert stumbling.length / stumbling.displacement > careful.length / careful.displacement >= 1
    assert careful.work[-1] == 60 * 600
    assert stumbling.work[-1] == 60 * 10


# --- learning, and where it ends ------------------------------------------------------------------


def test_nothing_is_learned_without_gradients(digits: Mnist) -> None:
    images, labels = digits.train_images, digits.train_labels
    start = accuracy_of(flatten(fresh()), images, labels)
    still, learning = fresh(), fresh()
    for p in still.parameters():
        p.data = p.data - 1.5 * np.zeros_like(p.data)
    list(descend(learning, images, labels, steps=400))
    assert accuracy_of(flatten(still), images, labels) == start < 0.2
    assert accuracy_of(flatten(learning), images, labels) > 0.8


def test_cost_and_gradient_fall_towards_a_minimum(
    digits: Mnist, deltas: Deltas, learned: NDArray[np.float32]
) -> None:
    later = deltas_of(learned, digits.train_images, digits.train_labels)
    assert later.costs.mean() < 0.1 * deltas.costs.mean()
    norms = [float(np.linalg.norm(found.gradient())) for found in (deltas, later)]
    assert 0 < norms[1] < 0.1 * norms[0]


def test_training_changes_only_weights_of_living_pixels(
    digits: Mnist, learned: NDArray[np.float32]
) -> None:
    before, after = (unflatten(vector)[0].weight for vector in (flatten(fresh()), learned))
    alive = digits.train_images.any(axis=0)
    assert 0 < alive.sum() < 784
    assert (before != after)[:, alive].any(axis=0).all()
    assert (before == after)[:, ~alive].all()


def test_shifted_digits_confuse_it(digits: Mnist, learned: NDArray[np.float32]) -> None:
    pictures = digits.test_images.reshape(-1, 28, 28)
    read = [
        accuracy_of(learned, np.roll(pictures, by, axis=2).reshape(-1, 784), digits.test_labels)
        for by in range(6)
    ]
    assert read == sorted(read, reverse=True)
    assert read[0] > 0.7
    assert read[4] < 0.5 * read[0]


def test_no_pixel_knows_its_neighbours(digits: Mnist, rng: np.random.Generator) -> None:
    """With pixels and their weights in another order, a network learns the same."""
    order, nets = rng.permutation(784), (fresh(float), fresh(float))
    weight = next(nets[1].parameters())
    weight.data = weight.data[:, order]
    for net, images in zip(nets, (digits.train_images, digits.train_images[:, order]), strict=True):
        list(descend(net, images, digits.train_labels, steps=20))
    plain, mixed = (unflatten(flatten(net)) for net in nets)
    np.testing.assert_allclose(plain[0].weight[:, order], mixed[0].weight, atol=1e-10)
    np.testing.assert_allclose(plain[-1].weight, mixed[-1].weight, atol=1e-10)


def test_data_are_not_changed_by_learning(digits: Mnist) -> None:
    images, labels = digits.train_images.copy(), digits.train_labels.copy()
    list(descend(fresh(), digits.train_images, digits.train_labels, steps=5))
    assert (images == digits.train_images).all()
    assert (labels == digits.train_labels).all()


def test_listening_to_2s_alone_makes_everything_a_2(digits: Mnist) -> None:
    twos = digits.train_labels == 2
    net = fresh()
    list(descend(net, digits.train_images[twos], digits.train_labels[twos], steps=300))
    output = deltas_of(flatten(net), digits.test_images, digits.test_labels).activations[-1]
    assert np.mean(output.argmax(axis=1) == 2) > 0.99


# --- neighbouring lessons -------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "valley"), [(-1.5, -1.0), (-0.2, -1.0), (0.2, 1.0), (2.0, 1.0)])
def test_different_starts_end_in_different_valleys(start: float, valley: float) -> None:
    """C = (x² - 1)² / 4: C'' = 2 in both valleys, so a rate below 1 gets there."""
    x = Tensor([start], requires_grad=True)
    optimizer = optim.SGD([x], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        ((x * x - 1) ** 2 / 4).sum().backward()
        optimizer.step()
    assert x.item() == pytest.approx(valley, abs=1e-9)


@pytest.mark.parametrize(("lr", "arrives"), [(0.6, True), (0.99, True), (1.01, False)])
def test_a_rate_above_two_over_the_curvature_overshoots(lr: float, arrives: bool) -> None:
    x = Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([x], lr=lr)
    with np.errstate(under="ignore"):  # how close it comes
        for _ in range(1200):
            optimizer.zero_grad()
            (x * x).sum().backward()  # C'' = 2
            optimizer.step()
    assert (abs(x.item()) < 1e-5) == arrives


def test_a_step_for_an_activation_cannot_learn() -> None:
    w = Tensor([0.3, -0.2], requires_grad=True)
    fired = np.heaviside(w * np.array([1.0, 2.0]) + 0.1, 0.5)  # flat: a plain array comes back
    assert not isinstance(fired, Tensor) or not fired.requires_grad


def test_weights_as_a_pattern_respond_to_what_is_like_them() -> None:
    """A pattern of a bar with a dark surround: the bar, half of it, a blank, the surround."""
    weight = np.array([-1.0, 1.0, 1.0, -1.0])
    bar, half, blank, surround = np.array(
        [[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]], float
    )
    sums = [pattern @ weight for pattern in (bar, half, blank, surround)]
    assert sums == sorted(sums, reverse=True) == [2, 1, 0, -2]


def test_a_bias_of_minus_10_is_a_threshold_at_10() -> None:
    z = np.array([9.0, 10.0, 11.0])
    below, at, above = sigmoid(z - 10)
    assert below < at == 0.5 < above


def test_sigmoid_is_safe_far_out_and_steepest_in_the_middle() -> None:
    z = Tensor([-1000.0, -20.0, 0.0, 20.0, 1000.0], requires_grad=True)
    y = F.sigmoid(z)
    np.sum(y).backward()
    assert y.data[0] == 0.0
    assert y.data[-1] == 1.0
    assert z.grad is not None
    assert z.grad.data.max() == z.grad.data[2] == 0.25
    assert (z.grad.data[[1, 3]] < 1e-8).all()


def test_relu_is_flat_for_negative_sums_only() -> None:
    z = Tensor([-3.0, 0.0, 3.0, 300.0], requires_grad=True)
    np.sum(F.relu(z)).backward()
    assert z.grad is not None
    assert z.grad.data.tolist() == [0, 0, 1, 1]

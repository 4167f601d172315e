"""Drawn digits: their format, their repeatability, and that they are neither trivial nor unfair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_bp.data import drawn_digits
from tinygrad_bp.errors import LabelError, ShapeError


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def accuracy_after_training(train, test, *, epochs, seed=0):
    """Train 784-16-16-10 sigmoid layers on the sum of squares; return the share of hits."""
    rng = np.random.default_rng(seed)
    sizes = [784, 16, 16, 10]
    W = [
        (rng.standard_normal((m, n)) / np.sqrt(m)).astype(np.float32)
        for m, n in itertools.pairwise(sizes)
    ]
    b = [np.zeros(n, np.float32) for n in sizes[1:]]

    def layers(a):
        outputs = [a]
        for weights, biases in zip(W, b, strict=True):
            outputs.append(sigmoid(outputs[-1] @ weights + biases))
        return outputs

    (x, y), (test_x, test_y) = train, test
    targets = np.eye(10, dtype=np.float32)[y]
    for _ in range(epochs):
        for rows in rng.permutation(len(x)).reshape(-1, 100):
            a = layers(x[rows])
            d = 2 * (a[3] - targets[rows]) / 100 * a[3] * (1 - a[3])
            for layer in (2, 1, 0):
                gradient = a[layer].T @ d, d.sum(axis=0)
                d = d @ W[layer].T * a[layer] * (1 - a[layer])
                W[layer] -= 1.5 * gradient[0]
                b[layer] -= 1.5 * gradient[1]
    return np.mean(layers(test_x)[3].argmax(axis=1) == test_y)


@given(st.integers(0, 30), st.integers(0, 2**32), st.sampled_from([0, 0.5, 1.0, 2, 5]))
def test_shapes_dtypes_and_range(n, seed, sloppiness):
    images, labels = drawn_digits(n, np.random.default_rng(seed), sloppiness=sloppiness)
    assert images.shape == (n, 784)
    assert images.dtype == np.float32
    assert labels.shape == (n,)
    assert labels.dtype == np.int64
    assert ((labels >= 0) & (labels <= 9)).all()
    assert ((images >= 0) & (images <= 1)).all()
    assert (images.max(axis=1, initial=0) > 0.9).all()


def test_no_floating_point_trouble():
    with np.errstate(all="raise"):
        for sloppiness in (0, 1, 5):
            drawn_digits(1000, np.random.default_rng(0), sloppiness=sloppiness)


def test_the_generator_decides():
    first, second, other = (drawn_digits(40, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert (first[0] != other[0]).any()


def test_pixels_survive_a_byte():
    images, _ = drawn_digits(100, np.random.default_rng(0))
    pixels = np.rint(images * 255).astype(np.uint8)
    np.testing.assert_array_equal(pixels / np.float32(255), images)
    np.testing.assert_array_equal(np.uint8(images * 255), pixels)  # truncation loses nothing


def test_labels_are_balanced_or_as_given():
    _, labels = drawn_digits(2000, np.random.default_rng(0))
    assert (np.abs(np.bincount(labels, minlength=10) - 200) < 60).all()
    images, labels = drawn_digits(3, np.random.default_rng(0), labels=[7, 0, 7])
    assert labels.tolist() == [7, 0, 7]
    assert (images[0] != images[2]).any()


def test_all_images_differ():
    images, _ = drawn_digits(3000, np.random.default_rng(0))
    assert len(np.unique(images, axis=0)) == len(images)


def test_digits_are_laid_out_like_those_of_mnist():
    images, _ = drawn_digits(2000, np.random.default_rng(0))
    pictures = images.reshape(-1, 28, 28)
    ink = pictures.sum(axis=(1, 2))
    position = np.arange(28)
    for axis in (1, 2):
        centre = pictures.sum(axis=3 - axis) @ position / ink
        assert abs(np.median(centre) - 14) < 0.1
        assert np.abs(centre - 14).max() < 3
    # About 20 pixels on the longer side: the pen's thin end may be lost, an edge straddle two.
    inked = pictures > 0.5
    sides = [inked.any(axis=axis).sum(axis=1) for axis in (1, 2)]
    longer = np.maximum(*sides)
    assert longer.min() >= 16
    assert longer.max() <= 21
    assert 19 <= np.median(longer) <= 20
    assert pictures[:, [0, -1]].max() < 0.5
    assert pictures[:, :, [0, -1]].max() < 0.5
    assert 0.1 < images.mean() < 0.16
    assert 0.27 < images.std() < 0.34


def test_without_sloppiness_only_the_pen_and_the_way_of_writing_vary():
    images, _ = drawn_digits(200, np.random.default_rng(0), labels=[8] * 200, sloppiness=0)
    neat = images.std(axis=0).mean()
    images, _ = drawn_digits(200, np.random.default_rng(0), labels=[8] * 200)
    assert neat < 0.7 * images.std(axis=0).mean()


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ([1, 2], ShapeError),
        ([[1, 2, 3]], ShapeError),
        (5, ShapeError),
        ([1, 2, 10], LabelError),
        ([1, 2, -1], LabelError),
        ([1.0, 2.0, 3.0], LabelError),
        ([True, False, True], LabelError),
    ],
)
def test_labels_that_are_refused(labels, error):
    with pytest.raises(error, match="labels"):
        drawn_digits(3, np.random.default_rng(0), labels=labels)


def test_numbers_that_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="n must be at least 0"):
        drawn_digits(-1, rng)
    with pytest.raises(TypeError):
        drawn_digits(2.5, rng)
    for sloppiness in (-0.1, 5.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="sloppiness"):
            drawn_digits(1, rng, sloppiness=sloppiness)


@pytest.mark.slow
def test_a_small_net_learns_most_digits_but_not_all():
    train = drawn_digits(10_000, np.random.default_rng(1))
    test = drawn_digits(3_000, np.random.default_rng(2))
    assert 0.9 < accuracy_after_training(train, test, epochs=10) < 0.99


@pytest.mark.slow
def test_more_digits_and_epochs_teach_more_but_not_all():
    train = drawn_digits(60_000, np.random.default_rng(1))
    test = drawn_digits(10_000, np.random.default_rng(2))
    assert 0.95 < accuracy_after_training(train, test, epochs=20) < 0.99

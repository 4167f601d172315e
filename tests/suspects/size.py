"""Ten thousand entries and more, of which a few are wrong, or none."""

from __future__ import annotations

from typing import Any

import numpy as np

from suspects.case import Case

Array = Any

RNG = np.random.default_rng(11)
SIGNAL = RNG.standard_normal(10_000)
BATCH = RNG.standard_normal((100, 100))
IMAGE = RNG.standard_normal((200, 200))
PIXELS = RNG.standard_normal((112, 112))
ERRORS = RNG.standard_normal(100_000)
FEATURES = RNG.standard_normal(200)
TARGETS = RNG.standard_normal(200)
KERNEL = np.fft.fft([0.5, 0.3, 0.15, 0.05], 10_000)  # not symmetric
TIMES = np.linspace(0, 10, 10_000)


# Wrong in one place.


def softplus_vjp(g: Array, x: Array) -> Array:
    gradient = g / (1 + np.exp(-x))
    gradient[-100:] *= 2
    return gradient


def texture(image: Array) -> Array:
    return np.sum(np.log1p(np.square(image - 0.2)))


def texture_gradient(image: Array) -> Array:
    d = image - 0.2
    gradient = 2 * d / (1 + d * d)
    gradient[69, 41] = 0
    return gradient


def log_cosh_in_blocks_vjp(g: Array, x: Array) -> Array:
    gradient = np.zeros(x.shape)
    for start in range(0, x.size - 1000, 1000):  # the last block is never reached
        gradient[start : start + 1000] = g * np.tanh(x[start : start + 1000]) / x.size
    return gradient


def dirichlet_energy(image: Array) -> Array:
    return (np.sum(np.diff(image, axis=0) ** 2) + np.sum(np.diff(image, axis=1) ** 2)) / 2


def dirichlet_energy_gradient(image: Array) -> Array:
    padded = np.pad(image, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    gradient = 4 * image - around
    gradient[-1] -= image[-1] - image[-2]  # the link to the row above is taken off
    return gradient


def softmax(x: Array) -> Array:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def softmax_vjp(g: Array, x: Array) -> Array:
    y = softmax(x)
    along = np.sum(g * y, axis=1, keepdims=True)
    along[37] = 0
    return y * (g - along)


# Right everywhere.


def pseudo_huber(x: Array) -> Array:
    return np.sum(np.sqrt(1 + x * x) - 1)


def least_squares(W: Array) -> Array:
    return np.sum(np.square(W @ FEATURES - TARGETS)) / 2


def oscillation(a: Array) -> Array:
    return a[0] * np.exp(-a[1] * TIMES) * np.cos(a[2] * TIMES)


def oscillation_vjp(g: Array, a: Array) -> Array:
    decay, angle = np.exp(-a[1] * TIMES), a[2] * TIMES
    columns = [
        decay * np.cos(angle),
        -TIMES * oscillation(a),
        -a[0] * TIMES * decay * np.sin(angle),
    ]
    return np.array([np.sum(g * column) for column in columns])


def filtered(x: Array) -> Array:
    return np.fft.ifft(np.fft.fft(x) * KERNEL).real


CASES = [
    Case(
        "slope of softplus doubled in the last 1 % of 10,000 entries",
        False,
        lambda x: np.logaddexp(0, x),
        (SIGNAL,),
        softplus_vjp,
    ),
    Case(
        "one pixel of 12,544 without a gradient",
        False,
        texture,
        (PIXELS,),
        gradient=texture_gradient,
    ),
    Case(
        "last of a hundred blocks of a mean over 100,000 never filled",
        False,
        lambda x: np.mean(np.logaddexp(x, -x)),
        (ERRORS,),
        log_cosh_in_blocks_vjp,
    ),
    Case(
        "last row of an image of 200 by 200 loses its neighbour",
        False,
        dirichlet_energy,
        (IMAGE,),
        gradient=dirichlet_energy_gradient,
    ),
    Case("one of a hundred softmaxes taken entry by entry", False, softmax, (BATCH,), softmax_vjp),
    Case(
        "running sum of 10,000 values",
        True,
        np.cumsum,
        (SIGNAL,),
        lambda g, x: np.cumsum(g[::-1])[::-1],
    ),
    Case(
        "robust loss of 100,000 errors",
        True,
        pseudo_huber,
        (ERRORS,),
        gradient=lambda x: x / np.sqrt(1 + x * x),
    ),
    Case(
        "least squares with a matrix of 200 by 200",
        True,
        least_squares,
        (IMAGE,),
        gradient=lambda W: np.outer(W @ FEATURES - TARGETS, FEATURES),
    ),
    Case(
        "10,000 readings of an oscillation with three parameters",
        True,
        oscillation,
        (np.array([1.5, 0.2, 3.0]),),
        oscillation_vjp,
    ),
    Case(
        "circular filter of 10,000 samples by Fourier transform",
        True,
        filtered,
        (SIGNAL,),
        lambda g, x: np.fft.ifft(np.fft.fft(g) * KERNEL.conj()).real,
    ),
]

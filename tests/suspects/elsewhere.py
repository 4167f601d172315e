"""Gradients that are right at the given point alone, and right ones with little room around it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suspects.case import Case

Array = Any

TURN = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
COUPLING = np.array([[2.0, 0.5, -1.0], [0.5, 1.5, 0.3], [-1.0, 0.3, 3.0]])
DATA = np.array([[0.5, -1.0, 2.0, 0.3], [1.5, 0.2, -0.4, 1.0], [-0.7, 0.9, 0.1, -1.2]])
FROZEN = np.array([[0.1, -0.6], [0.4, 0.2], [-0.9, 0.5], [0.3, 0.8]])
COUNTS = np.array([3, 0, 2, 5])
SIGNS = np.array([1, -1, 1, -1])

# --- a factor that is 1, a term that is 0, a matrix that is symmetric --------------------------


def direction(x: Array) -> Array:
    return x / np.sqrt(np.sum(x * x))


def direction_backward_for_unit_length(g: Array, x: Array) -> Array:
    y = direction(x)
    return g - y * np.sum(g * y)


def energy(x: Array, a: Array) -> Array:
    return x @ a @ x


def energy_backward_for_symmetric(g: Array, x: Array, a: Array) -> list[Array]:
    return [2 * g * a @ x, g * np.outer(x, x)]


def volume_backward_for_rotations(g: Array, a: Array) -> Array:
    return g * np.linalg.inv(a).T


def solution_backward_for_rotations(g: Array, a: Array, b: Array) -> list[Array]:
    by_b = a @ g  # the inverse of a rotation is its transpose
    return [-np.outer(by_b, np.linalg.solve(a, b)), by_b]


def eigenvalues(a: Array) -> Array:
    return np.linalg.eigvalsh((a + a.T) / 2)


def adapted(a: Array, b: Array) -> Array:
    return DATA @ (FROZEN + a @ b)


def adapted_backward_for_a_start_at_zero(g: Array, a: Array, b: Array) -> list[Array]:
    return [np.zeros_like(a), a.T @ DATA.T @ g]


def rows_times(x: Array, w: Array) -> Array:
    return x @ w


def rows_times_backward_for_equal_rows(g: Array, x: Array, w: Array) -> list[Array]:
    return [g @ w.T, np.outer(np.mean(x, axis=0), np.sum(g, axis=0))]


def mean_distance_backward_for_centred(g: Array, x: Array) -> Array:
    return g * x / (x.size * np.std(x))


# --- inputs that are sorted, positive, whole or all equal --------------------------------------


def expected_shortfall(returns: Array) -> Array:
    return np.mean(np.sort(returns)[:2])


def expected_shortfall_backward_for_sorted(g: Array, returns: Array) -> Array:
    d = np.zeros_like(returns)
    d[:2] = g / 2
    return d


def pressure_drop(flow: Array) -> Array:
    return flow * np.abs(flow)


def log_gamma(x: Array) -> Array:
    return np.array([math.lgamma(v) for v in x])


def log_gamma_backward_for_whole_numbers(g: Array, x: Array) -> Array:
    harmonic = [sum(1 / k for k in range(1, round(v))) for v in x]
    return g * (np.array(harmonic) - np.euler_gamma)


def smooth_maximum(x: Array) -> Array:
    return np.log(np.sum(np.exp(x)))


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


def elu_backward_without_exp(g: Array, x: Array) -> Array:
    return g * np.where(x > 0, 1.0, elu(x))  # to be elu(x) + 1


def sparsemax(x: Array) -> Array:
    largest = np.sort(x)[::-1]
    threshold = (np.cumsum(largest) - 1) / np.arange(1, x.size + 1)
    return np.maximum(x - threshold[np.sum(largest > threshold) - 1], 0)


def sparsemax_backward_for_full_support(g: Array, x: Array) -> Array:
    return g - np.mean(g)


def sparsemax_backward(g: Array, x: Array) -> Array:
    support = sparsemax(x) > 0
    return np.where(support, g - np.mean(g[support]), 0)


# --- memories ----------------------------------------------------------------------------------

FIRST: dict[str, Array] = {}
BY_LENGTH: dict[float, Array] = {}
BY_TWO_DECIMALS: dict[bytes, Array] = {}
BY_CONTENT: dict[Any, Array] = {}
LAST: dict[str, Array] = {"x": np.empty(0), "slope": np.empty(0)}


def tanh_backward_from_first_call(g: Array, x: Array) -> Array:
    if "y" not in FIRST:
        FIRST["y"] = np.tanh(x)
    return g * (1 - FIRST["y"] ** 2)


def exp_backward_by_length(g: Array, x: Array) -> Array:
    key = float(np.sum(x * x))
    if key not in BY_LENGTH:
        BY_LENGTH[key] = np.exp(x)
    return g * BY_LENGTH[key]


def sine_backward_by_two_decimals(g: Array, x: Array) -> Array:
    return g * BY_TWO_DECIMALS.setdefault(np.round(x, 2).tobytes(), np.cos(x))


def exp_backward_by_content(g: Array, x: Array) -> Array:
    key = (x.shape, x.dtype.str, x.tobytes())
    if key not in BY_CONTENT:
        BY_CONTENT[key] = np.exp(x)
    return g * BY_CONTENT[key]


def sine_backward_from_last_call(g: Array, x: Array) -> Array:
    if LAST["x"].dtype != x.dtype or not np.array_equal(LAST["x"], x):
        LAST.update(x=x.copy(), slope=np.cos(x))
    return g * LAST["slope"]


# --- right, with borders near by ---------------------------------------------------------------


def entropy(p: Array) -> Array:
    return -np.sum(p * np.log(p))


def poisson(rate: Array) -> Array:
    if np.any(rate <= 0):
        raise ValueError("a rate must be positive")
    return np.sum(rate - COUNTS * np.log(rate))


def log_volume(a: Array) -> Array:
    return 2 * np.sum(np.log(np.diagonal(np.linalg.cholesky((a + a.T) / 2))))


def huber(r: Array) -> Array:
    return np.where(np.abs(r) <= 1, r * r / 2, np.abs(r) - 0.5)


def softmax(x: Array) -> Array:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def softmax_backward(g: Array, x: Array) -> Array:
    y = softmax(x)
    return (np.diag(y) - np.outer(y, y)) @ g  # symmetric everywhere


def mirrored(v: Array, x: Array) -> Array:
    return x - 2 * v * (v @ x) / (v @ v)


def mirrored_backward(g: Array, v: Array, x: Array) -> list[Array]:
    along, g_along, x_along = v @ v, v @ g, v @ x
    by_v = -2 * (g * x_along + x * g_along) / along + 4 * v * g_along * x_along / along**2
    return [by_v, mirrored(v, g)]  # a mirror image is its own transpose


def interpolated(knots: Array, values: Array) -> Array:
    if np.any(np.diff(knots) <= 0):
        raise ValueError("the knots must increase")
    return np.interp(1.3, knots, values)


def interpolated_backward(g: Array, knots: Array, values: Array) -> list[Array]:
    i = int(np.searchsorted(knots, 1.3)) - 1
    width = knots[i + 1] - knots[i]
    t = (1.3 - knots[i]) / width
    d_knots, d_values = np.zeros_like(knots), np.zeros_like(values)
    d_values[i : i + 2] = 1 - t, t
    d_knots[i : i + 2] = -(values[i + 1] - values[i]) / width * d_values[i : i + 2]
    return [g * d_knots, g * d_values]


def phase(turns: Array) -> Array:
    return turns - np.floor(turns)


def digamma(x: float) -> float:
    below = 0.0
    while x < 10:
        below, x = below + 1 / x, x + 1
    z = 1 / (x * x)
    tail = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z / 132))))
    return math.log(x) - 0.5 / x - tail - below


def log_gamma_backward(g: Array, x: Array) -> Array:
    return g * np.array([digamma(float(v)) for v in x]).astype(x.dtype)


def hinge(scores: Array) -> Array:
    return np.maximum(0, 1 - SIGNS * scores)


CASES = [
    Case(
        "direction of a vector that has length 1 here",
        right=False,
        function=direction,
        vjp=direction_backward_for_unit_length,
        inputs=(np.array([2.0, -1.0, 2.0]) / 3,),
    ),
    Case(
        "quadratic form whose matrix is symmetric here",
        right=False,
        function=energy,
        vjp=energy_backward_for_symmetric,
        inputs=(np.array([1.0, -0.5, 2.0]), COUPLING),
    ),
    Case(
        "determinant that is 1 here",
        right=False,
        function=np.linalg.det,
        vjp=volume_backward_for_rotations,
        inputs=(TURN,),
    ),
    Case(
        "linear system whose matrix is a rotation here",
        right=False,
        function=np.linalg.solve,
        vjp=solution_backward_for_rotations,
        inputs=(TURN, np.array([0.5, -1.0, 2.0])),
    ),
    Case(
        "eigenvalues of a matrix that is diagonal here",
        right=False,
        function=eigenvalues,
        vjp=lambda g, _: np.diag(g),
        inputs=(np.diag([0.5, 1.3, 2.4]),),
    ),
    Case(
        "low-rank adapter that starts at zero",
        right=False,
        function=adapted,
        vjp=adapted_backward_for_a_start_at_zero,
        inputs=(np.array([[1.0], [-0.5], [0.3], [0.8]]), np.zeros((1, 2))),
    ),
    Case(
        "weight gradient of a batch whose rows are equal here",
        right=False,
        function=rows_times,
        vjp=rows_times_backward_for_equal_rows,
        inputs=(np.tile([1.0, -0.5, 2.0], (4, 1)), DATA[:, :2].copy()),
    ),
    Case(
        "standard deviation of data whose mean is 0 here",
        right=False,
        function=np.std,
        vjp=mean_distance_backward_for_centred,
        inputs=(np.array([1.0, -2.0, 0.5, 3.0, -2.5]),),
    ),
    Case(
        "expected shortfall of returns that are sorted here",
        right=False,
        function=expected_shortfall,
        vjp=expected_shortfall_backward_for_sorted,
        inputs=(np.array([-1.0, 0.5, 2.0, 2.7, 9.0]),),
    ),
    Case(
        "pressure drop of a flow that is forwards here",
        right=False,
        function=pressure_drop,
        vjp=lambda g, flow: 2 * g * flow,
        inputs=(np.array([0.5, 1.5, 2.0]),),
    ),
    Case(
        "log-gamma with harmonic numbers, at whole numbers here",
        right=False,
        function=log_gamma,
        vjp=log_gamma_backward_for_whole_numbers,
        inputs=(np.array([2.0, 5.0, 3.0]),),
    ),
    Case(
        "smooth maximum of numbers that are equal here",
        right=False,
        function=smooth_maximum,
        vjp=lambda g, x: np.full_like(x, g / x.size),
        inputs=(np.full(4, 0.7),),
    ),
    Case(
        "square with the derivative x + 2, where every x is 2",
        right=False,
        function=np.square,
        vjp=lambda g, x: g * (x + 2),
        inputs=(np.array([2.0, 2.0, 2.0]),),
    ),
    Case(
        "elu whose wrong branch is not taken here",
        right=False,
        function=elu,
        vjp=elu_backward_without_exp,
        inputs=(np.array([0.4, 2.0, 1.1]),),
    ),
    Case(
        "sparsemax in which no entry is 0 here",
        right=False,
        function=sparsemax,
        vjp=sparsemax_backward_for_full_support,
        inputs=(np.array([0.05, 0.0, 0.1, 0.8]),),
    ),
    Case(
        "tanh remembered from the first call ever",
        right=False,
        function=np.tanh,
        vjp=tanh_backward_from_first_call,
        inputs=(np.array([0.3, -0.9, 1.4]),),
    ),
    Case(
        "exponential remembered by the length of its input",
        right=False,
        function=np.exp,
        vjp=exp_backward_by_length,
        inputs=(np.array([0.5, -1.0, 0.25, 2.0]),),
    ),
    Case(
        "slope remembered by two decimals of the input",
        right=False,
        function=np.sin,
        vjp=sine_backward_by_two_decimals,
        inputs=(np.array([0.3, -0.9, 1.4]),),
    ),
    Case(
        "exponential remembered by all that its input holds",
        right=True,
        function=np.exp,
        vjp=exp_backward_by_content,
        inputs=(np.array([0.5, -1.0, 0.25, 2.0]),),
    ),
    Case(
        "slope remembered from the last call, if the input is equal",
        right=True,
        function=np.sin,
        vjp=sine_backward_from_last_call,
        inputs=(np.array([0.3, -0.9, 1.4]),),
    ),
    Case(
        "entropy, not defined at the mirrored point",
        right=True,
        function=entropy,
        vjp=lambda g, p: -g * (np.log(p) + 1),
        inputs=(np.array([0.2, 0.5, 0.001, 0.299]),),
    ),
    Case(
        "Poisson loss that refuses rates below 0",
        right=True,
        function=poisson,
        vjp=lambda g, rate: g * (1 - COUNTS / rate),
        inputs=(np.array([2.5, 0.4, 1.7, 6.0]),),
    ),
    Case(
        "log determinant of a matrix that must stay positive definite",
        right=True,
        function=log_volume,
        vjp=lambda g, a: g * np.linalg.inv((a + a.T) / 2),
        inputs=(COUPLING,),
    ),
    Case(
        "arcsine a step away from 1",
        right=True,
        function=np.arcsin,
        vjp=lambda g, x: g / np.sqrt((1 - x) * (1 + x)),
        inputs=(np.array([0.9996, -0.3, -0.9998]),),
    ),
    Case(
        "log odds of a probability that is nearly 1",
        right=True,
        function=lambda p: np.log(p) - np.log(1 - p),
        vjp=lambda g, p: g / (p * (1 - p)),
        inputs=(np.array([0.5, 0.9997, 0.0625]),),
    ),
    Case(
        "knots that may not change their order",
        right=True,
        function=interpolated,
        vjp=interpolated_backward,
        inputs=(np.array([0.0, 0.8, 1.9, 3.0]), np.array([1.0, 4.0, 2.0, 2.5])),
    ),
    Case(
        "log-gamma whose mirrored point lies between poles",
        right=True,
        function=log_gamma,
        vjp=log_gamma_backward,
        inputs=(np.array([0.7, 2.4, 5.1]),),
    ),
    Case(
        "phase of a turn just short of its jump",
        right=True,
        function=phase,
        vjp=lambda g, _: g,
        inputs=(np.array([0.9995, -0.3, 2.0004, 1.5]),),
    ),
    Case(
        "hinge loss with margins close to 1 on either side",
        right=True,
        function=hinge,
        vjp=lambda g, scores: np.where(SIGNS * scores < 1, -SIGNS * g, 0.0),
        inputs=(np.array([1.0003, -0.9998, 0.4, 2.0]),),
    ),
    Case(
        "Huber loss, mirrored into its other branches",
        right=True,
        function=huber,
        vjp=lambda g, r: g * np.clip(r, -1, 1),
        inputs=(np.array([0.4, 3.0, 0.9, 1.2]),),
    ),
    Case(
        "sparsemax that drops other entries at the mirrored point",
        right=True,
        function=sparsemax,
        vjp=sparsemax_backward,
        inputs=(np.array([0.05, 0.0, 0.1, 0.8]),),
    ),
    Case(
        "softmax, whose Jacobian is symmetric everywhere",
        right=True,
        function=softmax,
        vjp=softmax_backward,
        inputs=(np.array([0.2, -1.0, 1.5]),),
    ),
    Case(
        "mirror image, whose matrix is symmetric and its own inverse everywhere",
        right=True,
        function=mirrored,
        vjp=mirrored_backward,
        inputs=(np.array([1.0, -0.5, 2.0]), np.array([0.3, 0.8, -1.1])),
    ),
]

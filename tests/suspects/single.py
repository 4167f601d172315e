"""Single precision within double: stairs that look smooth, and float32 data that does no harm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suspects.case import Case

Array = Any

RNG = np.random.default_rng(9)
LAYER = RNG.standard_normal((4, 3), dtype=np.float32)
HEAD = RNG.standard_normal((2, 4), dtype=np.float32)
WEIGHTS = RNG.standard_normal((3, 4))
X = np.array([0.7, -1.3, 0.45])


# Wrong: whatever the stairs hide, these gradients are not theirs.


def smoothed_cross_entropy(z: Array) -> Array:
    z = z.astype(np.float32) - np.max(z).astype(np.float32)
    target = np.array([0.9990, 0.0005, 0.0005], np.float32)
    return np.log(np.sum(np.exp(z))) - np.sum(target * z)


def cross_entropy_vjp(g: Array, z: Array) -> Array:
    p = np.exp(z - np.max(z))
    return g * (p / np.sum(p) - np.array([1.0, 0.0, 0.0]))


def gelu(x: Array) -> Array:
    x = x.astype(np.float32)
    return 0.5 * x * (1 + np.tanh(np.float32(0.79788456) * (x + np.float32(0.044715) * x**3)))


def exact_gelu_vjp(g: Array, x: Array) -> Array:
    below = np.array([0.5 + 0.5 * math.erf(v / math.sqrt(2)) for v in x])
    return g * (below + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


def half_distance(x: Array, y: Array) -> Array:
    return np.sum(np.square(x.astype(np.float16) - y.astype(np.float16)))


def half_distance_vjp(g: Array, x: Array, y: Array) -> tuple[Array, Array]:
    return g * (x - y), g * (y - x)


def log_likelihood(x: Array) -> Array:
    z = (np.asarray(x, dtype=np.float32) - np.float32(0.2)) / np.float32(1.5)
    return -np.sum(z * z) / 2


def negative_log_likelihood_vjp(g: Array, x: Array) -> Array:
    return g * (x - 0.2) / 1.5**2


def cosine(x: Array, y: Array) -> float:
    a, b = x.astype("f4"), y.astype("f4")
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def invoice(price: Array) -> Array:
    return np.round(1.19 * price * np.array([3, 1, 12]), 2)


def invoice_vjp(g: Array, price: Array) -> Array:
    return g * 1.19**2 * np.array([3, 1, 12])


def layer(x: Array) -> Array:
    return np.tanh(WEIGHTS.T @ x)


def half_weights_vjp(g: Array, x: Array) -> Array:
    return WEIGHTS.astype(np.float16) @ (g * (1 - layer(x) ** 2))


def truncated(x: Array) -> Array:
    """Keep the upper 16 bits of a float32, as bfloat16 does."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return (bits & np.uint32(0xFFFF0000)).view(np.float32).reshape(np.shape(x))


def swish(x: Array) -> Array:
    return x / (1 + np.exp(-x))


def truncated_swish_vjp(g: Array, x: Array) -> Array:
    s = 1 / (1 + np.exp(-x))
    return g * truncated(s + x * s * (1 - s))


def residual(x: Array) -> Array:
    return x + 1e-3 * np.tanh(x.astype(np.float32))


def half_precision_arrivals_vjp(g: Array, x: Array) -> Array:
    with np.errstate(over="ignore"):
        return 3 * x * x * g.astype(np.float16)


def printed_error(x: Array) -> float:
    return round(float(np.sqrt(np.mean(np.square(x)))), 4)


def printed_error_vjp(g: Array, x: Array) -> Array:
    return g * 2 * x / x.size / np.sqrt(np.mean(np.square(x)))


def entropy(p: Array) -> Array:
    return -np.sum(p * np.log(p), dtype=np.float32)


def sine_series(x: Array) -> Array:
    x = x.astype(np.float32)
    return x - x**3 / 6 + x**5 / 120


def sine_series_vjp(g: Array, x: Array) -> Array:
    return g * (1 - x**2 / 2 + x**4 / 20)


# Right: float32 data, seeds and decisions in float64 arithmetic.


def network(x: Array) -> Array:
    return HEAD @ np.tanh(LAYER @ x)


def network_vjp(g: Array, x: Array) -> Array:
    return LAYER.T @ ((HEAD.T @ g) * (1 - np.tanh(LAYER @ x) ** 2))


def logsumexp(x: Array) -> Array:
    shift = np.float64(np.max(x).astype(np.float32))
    return shift + np.log(np.sum(np.exp(x - shift)))


def logsumexp_vjp(g: Array, x: Array) -> Array:
    return g * np.exp(x - logsumexp(x))


def unit(x: Array) -> Array:
    s = np.sum(x * x)
    r = 1 / np.sqrt(np.float32(s))
    for _ in range(3):
        r = r * (1.5 - 0.5 * s * r * r)
    return x * r


def unit_vjp(g: Array, x: Array) -> Array:
    norm = np.sqrt(np.sum(x * x))
    return g / norm - x * np.sum(g * x) / norm**3


def exp_by_table(x: Array) -> Array:
    nearest = np.round(x, 2)
    d = x - nearest
    return np.exp(nearest) * (1 + d * (1 + d / 2 * (1 + d / 3 * (1 + d / 4 * (1 + d / 5)))))


def dot_in_halves(a: Array, b: Array) -> Array:
    high_a, high_b = (v.astype(np.float32).astype(np.float64) for v in (a, b))
    return high_a @ high_b + high_a @ (b - high_b) + (a - high_a) @ b


QUANTISED = np.array([[127, -56, 3], [-128, 99, 40]], np.int8)
SCALES = np.array([[0.0123], [0.0456]], np.float32)


def dequantised(x: Array) -> Array:
    return np.sin((QUANTISED * SCALES) @ x)


def dequantised_vjp(g: Array, x: Array) -> Array:
    W = QUANTISED * SCALES
    return W.T @ (g * np.cos(W @ x))


MEAN = np.array([0.1, -0.2, 0.3], np.float32)
STEP = 1 / np.sqrt(np.array([1.7, 0.9, 0.25], np.float32) + np.float32(1e-5))


def normalised(x: Array) -> Array:
    return np.square((x - MEAN) * STEP)


KNOTS = np.linspace(-2, 2, 9, dtype=np.float32)
VALUES = np.exp(KNOTS)


def straight_lines(x: Array) -> Array:
    return np.interp(x, KNOTS, VALUES)


def straight_lines_vjp(g: Array, x: Array) -> Array:
    i = np.clip(np.searchsorted(KNOTS, x, side="right") - 1, 0, len(KNOTS) - 2)
    slope = np.diff(VALUES.astype(float))[i] / np.diff(KNOTS.astype(float))[i]
    return g * np.where((x > KNOTS[0]) & (x < KNOTS[-1]), slope, 0)


def growth(y: Array) -> Array:
    for _ in range(8):
        y = y + np.float32(0.1) * y * (1 - y)
    return y


def growth_vjp(g: Array, y: Array) -> Array:
    for _ in range(8):
        g = g * (1 + np.float32(0.1) * (1 - 2 * y))
        y = y + np.float32(0.1) * y * (1 - y)
    return g


def weighted_ranks(x: Array) -> Array:
    return np.array([0.1, 0.5, 0.9, 0.2]) @ np.sin(x[np.argsort(x.astype(np.float32))])


def weighted_ranks_vjp(g: Array, x: Array) -> Array:
    gradient = np.empty(x.shape)
    gradient[np.argsort(x)] = [0.1, 0.5, 0.9, 0.2]
    return g * gradient * np.cos(x)


def huber(r: Array) -> Array:
    near = (np.abs(r) < 1).astype(np.float32)
    return near * r * r / 2 + (1 - near) * (np.abs(r) - 0.5)


CASES = [
    Case(
        "label smoothing of 0.1 % that the gradient of a float32 loss forgets",
        False,
        smoothed_cross_entropy,
        (X,),
        cross_entropy_vjp,
    ),
    Case(
        "tanh formula of gelu in float32, slope of the exact one", False, gelu, (X,), exact_gelu_vjp
    ),
    Case(
        "halved gradient of a squared distance in float16",
        False,
        half_distance,
        (X, np.array([1.1, 0.6, -0.8])),
        half_distance_vjp,
    ),
    Case(
        "float32 log-likelihood with the gradient of its negative",
        False,
        log_likelihood,
        (X,),
        negative_log_likelihood_vjp,
    ),
    Case(
        "zero gradient of a cosine similarity in float32",
        False,
        cosine,
        (X, np.array([1.1, 0.6, -0.8])),
        lambda g, x, y: (np.zeros(x.shape), np.zeros(y.shape)),
    ),
    Case("tax taken twice on a sum in whole cents", False, invoice, (X + 9,), invoice_vjp),
    Case("gradient through weights rounded to float16", False, layer, (X,), half_weights_vjp),
    Case("slope of swish cut to bfloat16", False, swish, (X,), truncated_swish_vjp),
    Case(
        "small float32 branch that the gradient leaves out", False, residual, (X,), lambda g, x: g
    ),
    Case(
        "arriving gradient cast to float16, exact at ones",
        False,
        lambda x: x**3,
        (np.array([0.5, -1.5, 2.0]),),
        half_precision_arrivals_vjp,
    ),
    Case(
        "doubled gradient of an error in four digits", False, printed_error, (X,), printed_error_vjp
    ),
    Case(
        "entropy summed in float32, its gradient one too small",
        False,
        entropy,
        (np.array([0.2, 0.5, 0.3]),),
        lambda g, p: -g * np.log(p),
    ),
    Case(
        "float32 series of a sine, one coefficient of its slope misprinted",
        False,
        sine_series,
        (X,),
        sine_series_vjp,
    ),
    Case("network with float32 weights", True, network, (X,), network_vjp),
    Case("logsumexp shifted by a maximum in float32", True, logsumexp, (X + 50,), logsumexp_vjp),
    Case("unit vector by Newton's steps from a float32 seed", True, unit, (X,), unit_vjp),
    Case(
        "exponential from values at two digits and a series",
        True,
        exp_by_table,
        (X + 0.0012,),
        lambda g, x: g * np.exp(x),
    ),
    Case(
        "dot product of numbers split into float32 halves",
        True,
        dot_in_halves,
        (X / 3, np.array([1.1, 0.6, -0.8]) / 3),
        lambda g, a, b: (g * b, g * a),
    ),
    Case("weights in int8 with float32 scales", True, dequantised, (X,), dequantised_vjp),
    Case(
        "normalisation by float32 running statistics",
        True,
        normalised,
        (X,),
        lambda g, x: g * 2 * (x - MEAN) * STEP.astype(float) ** 2,
    ),
    Case("straight lines between float32 knots", True, straight_lines, (X,), straight_lines_vjp),
    Case("logistic growth in float32 time steps", True, growth, (np.abs(X),), growth_vjp),
    Case(
        "weights by rank, sorted by float32 keys",
        True,
        weighted_ranks,
        (np.array([0.7, -1.3, 0.45, 0.1]),),
        weighted_ranks_vjp,
    ),
    Case(
        "Huber loss that switches by a float32 mask",
        True,
        huber,
        (np.array([0.3, -0.8, 2.5, -1.7]),),
        lambda g, r: g * np.clip(r, -1, 1),
    ),
]

"""Gradients of nothing: right where a function stands still, wrong where it only seems to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suspects.case import Case

Array = Any


def nothing(g: Array, *inputs: Array) -> list[Array]:
    """A vjp that passes nothing back to any input."""
    return [np.zeros_like(x) for x in inputs]


# --- functions that do depend on x --------------------------------------------------------------


def energy(x: Array) -> Array:
    return np.array(sum(float(v) ** 2 for v in x))


def trimmed_mean(x: Array) -> Array:
    kept = sorted(float(v) for v in x)[1:-1]
    return np.array(sum(kept) / len(kept))


def sawtooth(x: Array) -> Array:
    return x - np.floor(x)


def soft_count(x: Array) -> Array:
    """How many are above 0.5, counted softly and one at a time."""
    return np.array(sum(1 / (1 + math.exp(-8 * (v - 0.5))) for v in x.tolist()))


def gamma_curve(x: Array, exponent: Array) -> Array:
    return x**exponent


def gamma_curve_vjp_with_exponent_constant(
    g: Array, x: Array, exponent: Array
) -> tuple[Array, Array]:
    return g * exponent * x ** (exponent - 1), np.zeros_like(exponent)


def kernel(x: Array, centre: Array, width: Array) -> Array:
    return np.sum(np.exp(-((x - centre) ** 2) / (2 * width**2)))


def kernel_vjp_without_width(
    g: Array, x: Array, centre: Array, width: Array
) -> tuple[Array, Array, Array]:
    dx = -g * (x - centre) / width**2 * np.exp(-((x - centre) ** 2) / (2 * width**2))
    return dx, -np.sum(dx), np.zeros_like(width)


def tanh_vjp_cut_at_five(g: Array, x: Array) -> Array:
    return g * np.where(np.abs(x) > 5, 0.0, 1 - np.tanh(x) ** 2)


def half_detached(x: Array) -> Array:
    return np.sum(np.tanh(x.detach()) * x)


def all_detached(x: Array) -> Array:
    return np.sum(np.tanh(x.detach()))


# --- dead here, and not there -------------------------------------------------------------------

W = np.array([[1.0, 0.5], [0.3, 0.1], [-0.7, -2.0]])


def layer(x: Array) -> Array:
    return np.maximum(x @ W, 0.0)


def layer_vjp(g: Array, x: Array) -> Array:
    return (g * (x @ W > 0)) @ W.T


def layer_vjp_with_threshold_at_one(g: Array, x: Array) -> Array:
    return (g * (x @ W > 1)) @ W.T


def output_layer(x: Array, w: Array) -> Array:
    return np.tanh(x) @ w


def output_layer_vjp(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
    return np.outer(g, w) * (1 - np.tanh(x) ** 2), np.tanh(x).T @ g


def output_layer_vjp_to_weights_alone(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
    return np.zeros_like(x), np.tanh(x).T @ g


def two_experts(x: Array, left: Array, right: Array) -> Array:
    return np.tanh(left * x) if np.sum(x) < 0 else np.sin(right * x)


def two_experts_vjp(g: Array, x: Array, left: Array, right: Array) -> tuple[Array, Array, Array]:
    if np.sum(x) < 0:
        d = g * (1 - np.tanh(left * x) ** 2)
        return d * left, d * x, np.zeros_like(right)
    d = g * np.cos(right * x)
    return d * right, np.zeros_like(left), d * x


def two_experts_vjp_to_the_right(
    g: Array, x: Array, left: Array, right: Array
) -> tuple[Array, Array, Array]:
    dx, _, dright = two_experts_vjp(g, x, left, right)
    return dx, np.zeros_like(left), dright


def unused_bias(x: Array, bias: Array) -> Array:
    return np.sin(x)


def unused_bias_vjp(g: Array, x: Array, bias: Array) -> tuple[Array, Array]:
    return g * np.cos(x), np.zeros_like(bias)


def unused_bias_vjp_as_if_added(g: Array, x: Array, bias: Array) -> tuple[Array, Array]:
    return g * np.cos(x), g.copy()


ROWS = np.array([2, 0, 2])


def embedded(table: Array) -> Array:
    return table[ROWS] ** 2


def embedded_vjp(g: Array, table: Array) -> Array:
    gradient = np.zeros_like(table)
    np.add.at(gradient, ROWS, 2 * g * table[ROWS])
    return gradient


# --- stairs -------------------------------------------------------------------------------------


def quantised(x: Array) -> Array:
    return np.round(4 * x) / 4


def straight_through(g: Array, x: Array) -> Array:
    return g.copy()


def one_hot_of_largest(x: Array) -> Array:
    return (x == np.max(x)).astype(float)


def histogram(x: Array) -> Array:
    return np.histogram(x, bins=4, range=(-2.0, 2.0))[0].astype(float)


def number_of_entries(x: Array) -> Array:
    return np.array(float(x.size))


def rounded_price(x: Array) -> Array:
    """Whole units at a discount that grows with the quantity, which is continuous."""
    return np.floor(x) * 3 + 1 / (1 + x**2)


# --- saturated ----------------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def sigmoid_vjp(g: Array, x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return g * e / (1 + e) ** 2


def hard_tanh(x: Array) -> Array:
    return np.clip(x, -1.0, 1.0)


def hard_tanh_vjp(g: Array, x: Array) -> Array:
    return g * (np.abs(x) < 1)


def bell(x: Array) -> Array:
    return np.exp(-0.5 * x**2)


def bell_vjp(g: Array, x: Array) -> Array:
    return -g * x * bell(x)


# --- inputs of size 0 ---------------------------------------------------------------------------


def two_sums(x: Array, more: Array) -> Array:
    return np.sum(x**2) + np.sum(np.exp(more))


def two_sums_vjp(g: Array, x: Array, more: Array) -> tuple[Array, Array]:
    return 2 * g * x, g * np.exp(more)


def two_sums_vjp_flat(g: Array, x: Array, more: Array) -> tuple[Array, Array]:
    return 2 * g * x, (g * np.exp(more)).ravel()


def affine(w: Array, x: Array) -> Array:
    return x @ w


def affine_vjp(g: Array, w: Array, x: Array) -> tuple[Array, Array]:
    return x.T @ g, g @ w.T


def affine_vjp_over_batch(g: Array, w: Array, x: Array) -> tuple[Array, Array]:
    return x.T @ g / np.float64(len(x)), g @ w.T


X = np.array([0.4, -1.3, 2.2])
ASLEEP = np.array([[-1.0, 0.2, 0.9], [-0.6, 0.5, 0.4]])  # and awake if reversed or mirrored

CASES = [
    Case(
        "sum of squares through float(), with a gradient of nothing",
        right=False,
        function=energy,
        vjp=nothing,
        inputs=(X,),
    ),
    Case(
        "trimmed mean through sorted(), with a gradient of nothing",
        right=False,
        function=trimmed_mean,
        vjp=nothing,
        inputs=(np.array([0.4, -1.3, 2.2, 0.9, 1.7]),),
    ),
    Case(
        "sawtooth taken for a staircase",
        right=False,
        function=sawtooth,
        vjp=nothing,
        inputs=(X,),
    ),
    Case(
        "soft count through tolist(), taken for a count",
        right=False,
        function=soft_count,
        gradient=np.zeros_like,
        inputs=(X,),
    ),
    Case(
        "exponent taken for a constant",
        right=False,
        function=gamma_curve,
        vjp=gamma_curve_vjp_with_exponent_constant,
        inputs=(np.array([0.4, 1.3, 2.2]), np.array([2.0, 3.0, 0.5])),
    ),
    Case(
        "kernel, far from its centre, that forgets its width",
        right=False,
        function=kernel,
        vjp=kernel_vjp_without_width,
        inputs=(np.array([36.0, 37.0]), np.array(0.0), np.array(1.0)),
    ),
    Case(
        "tanh whose gradient is cut to nothing beyond 5",
        right=False,
        function=np.tanh,
        vjp=tanh_vjp_cut_at_five,
        inputs=(np.array([7.0, -6.0, 8.0]),),
    ),
    Case(
        "product with one factor detached",
        right=False,
        function=half_detached,
        inputs=(X,),
    ),
    Case(
        "everything detached",
        right=False,
        function=all_detached,
        inputs=(X,),
    ),
    Case(
        "dead layer with a gradient of nothing, though it wakes up elsewhere",
        right=False,
        function=layer,
        vjp=nothing,
        inputs=(ASLEEP,),
    ),
    Case(
        "dead layer with its mask at 1 instead of 0",
        right=False,
        function=layer,
        vjp=layer_vjp_with_threshold_at_one,
        inputs=(0.3 * ASLEEP,),
    ),
    Case(
        "dead layer",
        right=True,
        function=layer,
        vjp=layer_vjp,
        inputs=(ASLEEP,),
    ),
    Case(
        "zero-initialised output layer that passes nothing to its input",
        right=False,
        function=output_layer,
        vjp=output_layer_vjp_to_weights_alone,
        inputs=(np.array([[0.4, -1.3], [2.2, 0.6], [0.1, 0.8]]), np.zeros(2)),
    ),
    Case(
        "zero-initialised output layer",
        right=True,
        function=output_layer,
        vjp=output_layer_vjp,
        inputs=(np.array([[0.4, -1.3], [2.2, 0.6], [0.1, 0.8]]), np.zeros(2)),
    ),
    Case(
        "two experts of which the idle one never learns",
        right=False,
        function=two_experts,
        vjp=two_experts_vjp_to_the_right,
        inputs=(X, np.array([0.5, 0.1, -0.2]), np.array([0.7, -0.4, 1.1])),
    ),
    Case(
        "two experts of which one is idle here",
        right=True,
        function=two_experts,
        vjp=two_experts_vjp,
        inputs=(X, np.array([0.5, 0.1, -0.2]), np.array([0.7, -0.4, 1.1])),
    ),
    Case(
        "gradient for a bias that the layer forgets to add",
        right=False,
        function=unused_bias,
        vjp=unused_bias_vjp_as_if_added,
        inputs=(X, np.array([0.5, 0.1, -0.2])),
    ),
    Case(
        "bias that is never added",
        right=True,
        function=unused_bias,
        vjp=unused_bias_vjp,
        inputs=(X, np.array([0.5, 0.1, -0.2])),
    ),
    Case(
        "embedding with rows that nobody looks up",
        right=True,
        function=embedded,
        vjp=embedded_vjp,
        inputs=(np.array([[0.4, -1.3], [2.2, 0.6], [0.1, 0.8], [1.0, 0.2], [0.3, 3.0]]),),
    ),
    Case(
        "quantiser with a straight-through gradient",
        right=False,
        function=quantised,
        vjp=straight_through,
        inputs=(X,),
    ),
    Case(
        "quantiser with a gradient of nothing",
        right=True,
        function=quantised,
        vjp=nothing,
        inputs=(X,),
    ),
    Case(
        "one-hot vector of the largest",
        right=True,
        function=one_hot_of_largest,
        vjp=nothing,
        inputs=(X,),
    ),
    Case(
        "histogram",
        right=True,
        function=histogram,
        vjp=nothing,
        inputs=(X,),
    ),
    Case(
        "number of entries",
        right=True,
        function=number_of_entries,
        gradient=np.zeros_like,
        inputs=(X,),
    ),
    Case(
        "price in whole units whose discount is forgotten",
        right=False,
        function=rounded_price,
        vjp=nothing,
        inputs=(np.array([400.3, 812.6]),),
    ),
    Case(
        "sigmoid at 40, flat to the last digit, with its true gradient",
        right=True,
        function=sigmoid,
        vjp=sigmoid_vjp,
        inputs=(np.array([40.0, 0.5, -38.0]),),
    ),
    Case(
        "hard tanh that is saturated everywhere",
        right=True,
        function=hard_tanh,
        vjp=hard_tanh_vjp,
        inputs=(np.array([3.0, -5.0, 1.5]),),
    ),
    Case(
        "bell so far away that nothing is left of it",
        right=True,
        function=bell,
        vjp=bell_vjp,
        inputs=(np.array([50.0, -51.0, 75.0]),),
    ),
    Case(
        "empty input whose gradient comes in another shape",
        right=False,
        function=two_sums,
        vjp=two_sums_vjp_flat,
        inputs=(X, np.zeros((0, 3))),
    ),
    Case(
        "empty input beside one that is not",
        right=True,
        function=two_sums,
        vjp=two_sums_vjp,
        inputs=(X, np.zeros((0, 3))),
    ),
    Case(
        "weights' gradient divided by the size of an empty batch",
        right=False,
        function=affine,
        vjp=affine_vjp_over_batch,
        inputs=(np.array([[0.4, -1.3], [2.2, 0.6], [0.1, 0.8]]), np.zeros((0, 3))),
    ),
    Case(
        "empty batch",
        right=True,
        function=affine,
        vjp=affine_vjp,
        inputs=(np.array([[0.4, -1.3], [2.2, 0.6], [0.1, 0.8]]), np.zeros((0, 3))),
    ),
]

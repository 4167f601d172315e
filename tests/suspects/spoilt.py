"""Gradients that overwrite what is not theirs, and right ones that share memory without harm."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np

from suspects.case import Case
from tinygrad_bp import custom_rule
from tinygrad_bp.registry import primitive, rule

Array = Any

# --- the arriving gradient ---------------------------------------------------------------------


def softmax(x: Array) -> Array:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def softmax_backward_in_place(g: Array, x: Array) -> Array:
    y = softmax(x)
    g -= np.sum(g * y)
    g *= y
    return g


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def relu_backward_unless_write_protected(dout: Array, x: Array) -> Array:
    dx = np.require(dout, requirements=["W"])  # a copy only of what may not be written to
    dx[x <= 0] = 0
    return dx


def relu_backward_on_a_copy(dout: Array, x: Array) -> Array:
    dx = np.array(dout)
    dx[x <= 0] = 0
    return dx


def channel_means(images: Array) -> Array:
    return np.mean(images, axis=-1)


def channel_means_backward(g: Array, images: Array) -> Array:
    g.shape = (-1,)
    return np.repeat(g, images.shape[-1]).reshape(images.shape) / images.shape[-1]


def tanh_rule_in_place(g: Array, y: Array, x: Array) -> Array:
    g *= 1 - y * y
    return g


@primitive
def careless_tanh(x: Array) -> Array:
    return np.tanh(x)


rule(careless_tanh, vjp=tanh_rule_in_place, jvp=lambda t, y, x: t * (1 - y * y))


def tanh_beside_its_input(x: Array) -> Array:
    return np.sum(np.sin(careless_tanh(x) + x))


@custom_rule(tanh_rule_in_place)
def tanh_with_a_copy(x: Array) -> Array:
    return np.tanh(x)


def copying_tanh_beside_its_input(x: Array) -> Array:
    return np.sum(np.sin(tanh_with_a_copy(x) + x))


@custom_rule(lambda g, y, a, b: g, lambda g, y, a, b: g)
def plain_sum(a: Array, b: Array) -> Array:
    return a + b


def sum_used_three_times(x: Array) -> Array:
    return np.sum(plain_sum(plain_sum(x, np.sin(x)), x) ** 2)


# --- buffers -----------------------------------------------------------------------------------

ONE_BUFFER = np.empty(4)
TWO_BUFFERS = cycle([np.empty(4), np.empty(4)])
WORK = np.empty(4)
WEIGHT_GRADIENT = np.zeros((3, 2))
KERNEL = np.array([1.0, -2.0, 0.5])
ANSWERS: dict[Any, Array] = {}


def sine_backward(g: Array, x: Array) -> Array:
    return np.multiply(g, np.cos(x), out=ONE_BUFFER)


def arctan_backward(g: Array, x: Array) -> Array:
    return np.divide(g, 1 + x * x, out=next(TWO_BUFFERS))


def gaussian_bump(x: Array) -> Array:
    return np.exp(-x * x / 2)


def gaussian_bump_backward(g: Array, x: Array) -> Array:
    np.multiply(-x, gaussian_bump(x), out=WORK)
    np.multiply(WORK, g, out=WORK)
    return WORK.astype(x.dtype)  # always a copy


def linear(x: Array, w: Array) -> Array:
    return x @ w


def linear_backward_adding_up(g: Array, x: Array, w: Array) -> list[Array]:
    WEIGHT_GRADIENT[...] += x.T @ g
    return [g @ w.T, np.array(WEIGHT_GRADIENT)]


def filtered(signal: Array) -> Array:
    return np.convolve(signal, KERNEL, mode="valid")


def filtered_backward(g: Array, signal: Array) -> Array:
    KERNEL[:] = KERNEL[::-1].copy()
    return np.convolve(g, KERNEL)


def remembered_reciprocal_backward(g: Array, x: Array) -> Array:
    key = (g.dtype.str, g.tobytes(), x.dtype.str, x.tobytes())
    if key not in ANSWERS:
        ANSWERS[key] = -g / (x * x)
        ANSWERS[key].setflags(write=False)
    return ANSWERS[key]


# --- inputs ------------------------------------------------------------------------------------


def variance_backward(g: Array, x: Array) -> Array:
    x -= np.mean(x)
    return g * 2 * x / x.size


def gini(incomes: Array) -> Array:
    incomes.sort()
    n = incomes.size
    return (2 * np.arange(n) - n + 1) @ incomes / (n * np.sum(incomes))


def gini_backward(g: Array, incomes: Array) -> Array:
    n, total = incomes.size, np.sum(incomes)
    weights = 2 * np.argsort(np.argsort(incomes)) - n + 1
    return g * (weights / total - weights @ incomes / total**2) / n


def tempered_softmax(x: Array) -> Array:
    return softmax(x / 0.7)


def tempered_softmax_backward(g: Array, x: Array) -> Array:
    x /= 0.7
    y = softmax(x)
    x *= 0.7  # as it was, but for the rounding
    return y * (g - np.sum(g * y)) / 0.7


def surprise(logits: Array, labels: Array) -> Array:  # labels count from 1
    chosen = logits[np.arange(len(labels)), labels - 1]
    return np.log(np.sum(np.exp(logits), axis=1)) - chosen


def surprise_backward(g: Array, logits: Array, labels: Array) -> Array:
    e = np.exp(logits)
    p = e / np.sum(e, axis=1, keepdims=True)
    labels -= 1
    p[np.arange(len(labels)), labels] -= 1
    return g[:, np.newaxis] * p


def half_squared_error(prediction: Array, target: Array) -> Array:
    return np.sum((prediction - target) ** 2) / 2


def residuals_in_place(prediction: Array, target: Array) -> list[Array]:
    prediction -= target
    return [prediction, -prediction]


def heat_step(u: Array) -> Array:
    u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u.copy()


def heat_step_backward(g: Array, u: Array) -> Array:
    du = np.array(g)
    du[1:-1] -= 0.2 * g[1:-1]
    du[2:] += 0.1 * g[1:-1]
    du[:-2] += 0.1 * g[1:-1]
    return du


def gaps(x: Array) -> Array:
    before = x.copy()
    try:
        x.sort()
        return np.diff(x) ** 2
    finally:
        x[...] = before


def gaps_backward(g: Array, x: Array) -> Array:
    order = np.argsort(x)
    slope = 2 * g * np.diff(x[order])
    dx = np.zeros_like(x)
    dx[order[1:]] += slope
    dx[order[:-1]] -= slope
    return dx


def rewards_to_go(r: Array) -> Array:
    r[:] = r[::-1].copy()
    total = np.cumsum(r)
    r[:] = r[::-1].copy()
    return total[::-1]


CASES = [
    Case(
        "softmax whose backward pass overwrites the arriving gradient",
        right=False,
        function=softmax,
        vjp=softmax_backward_in_place,
        inputs=(np.array([0.2, -1.0, 1.5]),),
    ),
    Case(
        "relu that overwrites the arriving gradient unless it is write-protected",
        right=False,
        function=relu,
        vjp=relu_backward_unless_write_protected,
        inputs=(np.array([[0.5, -1.2, 2.0], [-0.3, 0.8, -1.1]]),),
    ),
    Case(
        "arriving gradient flattened by setting its shape",
        right=False,
        function=channel_means,
        vjp=channel_means_backward,
        inputs=(np.linspace(-1.0, 2.0, 24).reshape(2, 3, 4),),
    ),
    Case(
        "rule that overwrites a gradient which another branch still needs",
        right=False,
        function=tanh_beside_its_input,
        inputs=(np.array([0.4, -0.9, 1.3]),),
    ),
    Case(
        "custom rule that overwrites the gradient it is given, which is its own copy",
        right=True,
        function=copying_tanh_beside_its_input,
        inputs=(np.array([0.4, -0.9, 1.3]),),
    ),
    Case(
        "every gradient returned in the same buffer",
        right=False,
        function=np.sin,
        vjp=sine_backward,
        inputs=(np.array([0.3, 1.1, -0.7, 2.5]),),
    ),
    Case(
        "gradients returned in two buffers by turns",
        right=False,
        function=np.arctan,
        vjp=arctan_backward,
        inputs=(np.array([0.3, 1.1, -0.7, 2.5]),),
    ),
    Case(
        "weight gradient added to that of the calls before",
        right=False,
        function=linear,
        vjp=linear_backward_adding_up,
        inputs=(
            np.array([[1.0, -0.5, 2.0], [0.3, 0.7, -1.0]]),
            np.array([[0.2, 1.0], [-0.4, 0.6], [1.5, -0.8]]),
        ),
    ),
    Case(
        "convolution that turns its own kernel round at every backward pass",
        right=False,
        function=filtered,
        vjp=filtered_backward,
        inputs=(np.array([0.5, 1.0, -2.0, 0.25, 3.0, -1.0]),),
    ),
    Case(
        "variance that leaves its input centred",
        right=False,
        function=np.var,
        vjp=variance_backward,
        inputs=(np.array([1.0, 4.0, 2.5, -0.5]),),
    ),
    Case(
        "Gini coefficient that sorts its input, here sorted already",
        right=False,
        function=gini,
        vjp=gini_backward,
        inputs=(np.array([1.0, 2.5, 3.0, 7.0, 12.0]),),
    ),
    Case(
        "softmax that divides its input by a temperature and multiplies it back",
        right=False,
        function=tempered_softmax,
        vjp=tempered_softmax_backward,
        inputs=(np.array([0.1, -1.3, 0.9, 2.2, -0.6, 1.7]),),
    ),
    Case(
        "cross-entropy that counts the caller's labels down by one",
        right=False,
        function=surprise,
        vjp=surprise_backward,
        inputs=(np.array([[0.5, -1.0, 0.2], [1.5, 0.3, -0.7]]), np.array([2, 3])),
    ),
    Case(
        "residuals left in the place of the predictions",
        right=False,
        function=half_squared_error,
        gradient=residuals_in_place,
        inputs=(np.array([1.0, 2.0, 4.5]), np.array([1.5, 1.0, 4.0])),
    ),
    Case(
        "heat equation stepped in the caller's own array",
        right=False,
        function=heat_step,
        vjp=heat_step_backward,
        inputs=(np.array([0.0, 1.0, 3.0, -1.0, 0.5]),),
    ),
    Case(
        "transpose whose gradient is a view of the arriving one",
        right=True,
        function=np.transpose,
        vjp=lambda g, _: g.T,
        inputs=(np.array([[1.0, -2.0, 0.5], [0.3, 4.0, -1.0]]),),
    ),
    Case(
        "sum over rows whose gradient repeats one row with stride 0",
        right=True,
        function=lambda x: np.sum(x, axis=0),
        vjp=lambda g, x: np.broadcast_to(g, x.shape),
        inputs=(np.array([[1.0, -2.0, 0.5], [0.3, 4.0, -1.0]]),),
    ),
    Case(
        "concatenation whose gradients are two parts of one array",
        right=True,
        function=lambda a, b: np.concatenate([a, b]),
        vjp=lambda g, a, _: [g[: len(a)], g[len(a) :]],
        inputs=(np.array([1.0, 2.0]), np.array([-1.0, 0.5, 3.0])),
    ),
    Case(
        "border of zeros whose gradient is the inside of the arriving one",
        right=True,
        function=lambda image: np.pad(image, 1),
        vjp=lambda g, _: g[1:-1, 1:-1],
        inputs=(np.array([[1.0, 2.0, 0.5], [-1.0, 0.5, 3.0]]),),
    ),
    Case(
        "inner product whose gradients are the inputs themselves, crosswise",
        right=True,
        function=np.dot,
        gradient=lambda a, b: [b, a],
        inputs=(np.array([1.0, 2.0, -0.5]), np.array([0.4, -1.0, 3.0])),
    ),
    Case(
        "kinetic energy whose gradient is its own input",
        right=True,
        function=lambda v: np.sum(v * v) / 2,
        gradient=lambda v: v,
        inputs=(np.array([0.5, -1.5, 2.0]),),
    ),
    Case(
        "sine of a sum with one array returned for both inputs",
        right=True,
        function=lambda a, b: np.sin(a + b),
        vjp=lambda g, a, b: [g * np.cos(a + b)] * 2,
        inputs=(np.array([0.3, -0.8]), np.array([1.0, 0.6])),
    ),
    Case(
        "output that is the input itself",
        right=True,
        function=lambda x: x,
        vjp=lambda g, _: g,
        inputs=(np.array([0.3, -0.8, 2.0]),),
    ),
    Case(
        "rule that hands the arriving gradient itself to both summands",
        right=True,
        function=sum_used_three_times,
        inputs=(np.array([0.3, -0.8, 2.0]),),
    ),
    Case(
        "relu that overwrites a copy of the arriving gradient",
        right=True,
        function=relu,
        vjp=relu_backward_on_a_copy,
        inputs=(np.array([[0.5, -1.2, 2.0], [-0.3, 0.8, -1.1]]),),
    ),
    Case(
        "gradient worked out in a kept buffer and returned as a copy",
        right=True,
        function=gaussian_bump,
        vjp=gaussian_bump_backward,
        inputs=(np.array([0.3, 1.1, -0.7, 2.5]),),
    ),
    Case(
        "same read-only gradient returned again for the same call",
        right=True,
        function=lambda x: 1 / x,
        vjp=remembered_reciprocal_backward,
        inputs=(np.array([0.5, -2.0, 3.0]),),
    ),
    Case(
        "input sorted in place and put back from a copy",
        right=True,
        function=gaps,
        vjp=gaps_backward,
        inputs=(np.array([2.0, -1.0, 0.5, 3.5]),),
    ),
    Case(
        "input turned round in place, and round again",
        right=True,
        function=rewards_to_go,
        vjp=lambda g, _: np.cumsum(g),
        inputs=(np.array([1.0, 0.0, -0.5, 2.0]),),
    ),
]

"""What a gradient does with the gradient that arrives: right for some of them, or for all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suspects.case import Case

Array = Any

W = np.array([[0.6, -0.2, 0.3], [0.1, 0.9, -0.5]])


# --- clipped, thresholded, rounded, cast --------------------------------------------------------


def layer(x: Array) -> Array:
    return np.tanh(x @ W)


def layer_vjp(g: Array, x: Array) -> Array:
    return (g * (1 - layer(x) ** 2)) @ W.T


def layer_vjp_clipped(g: Array, x: Array) -> Array:
    return layer_vjp(np.clip(g, -100, 100), x)


def layer_vjp_clipped_by_norm(g: Array, x: Array) -> Array:
    return layer_vjp(g * min(1.0, 1e3 / (np.linalg.norm(g) + 1e-300)), x)


def layer_vjp_in_memory_order(g: Array, x: Array) -> Array:
    return layer_vjp(g.ravel(order="K").reshape(g.shape), x)


def layer_vjp_in_c_order(g: Array, x: Array) -> Array:
    return layer_vjp(np.ascontiguousarray(g), x)


def recurrence(x: Array) -> Array:
    h, states = 0.0 * x[0], []
    for value in x:
        h = np.sin(0.9 * h + value)
        states.append(h)
    return np.stack(states)


def recurrence_vjp_that_drops_small(g: Array, x: Array) -> Array:
    before = np.concatenate([[0.0], recurrence(x)[:-1]])
    dx, carried = np.zeros_like(x), 0.0
    for t in reversed(range(len(x))):
        carried = (g[t] + carried) * np.cos(0.9 * before[t] + x[t])
        if abs(carried) < 1e-9:
            break  # nothing left to carry
        dx[t] = carried
        carried = 0.9 * carried
    return dx


def recurrence_vjp(g: Array, x: Array) -> Array:
    before = np.concatenate([[0.0], recurrence(x)[:-1]])
    dx, carried = np.zeros_like(x), 0.0
    for t in reversed(range(len(x))):
        dx[t] = (g[t] + carried) * np.cos(0.9 * before[t] + x[t])
        carried = 0.9 * dx[t]
    return dx


def softmax(x: Array) -> Array:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def softmax_vjp(g: Array, x: Array) -> Array:
    y = softmax(x)
    return y * (g - np.sum(g * y))


def softmax_vjp_rounded(g: Array, x: Array) -> Array:
    return softmax_vjp(np.round(g, 12), x)


def softmax_vjp_through_single(g: Array, x: Array) -> Array:
    return softmax_vjp(g.astype(np.float32).astype(g.dtype), x)


def softmax_vjp_of_the_largest_half(g: Array, x: Array) -> Array:
    kept = np.abs(g) >= np.median(np.abs(g))
    return softmax_vjp(g * kept, x)


# --- normalised, sign-ed, assumed positive ------------------------------------------------------


def autocorrelation(x: Array) -> Array:
    return np.array([np.sum(x[: len(x) - lag] * x[lag:]) for lag in range(3)])


def autocorrelation_vjp(g: Array, x: Array) -> Array:
    dx = np.zeros_like(x)
    for lag in range(3):
        dx[: len(x) - lag] += g[lag] * x[lag:]
        dx[lag:] += g[lag] * x[: len(x) - lag]
    return dx


def autocorrelation_vjp_normalised(g: Array, x: Array) -> Array:
    length = np.linalg.norm(g)
    return autocorrelation_vjp(g / length if length > 0 else g, x)


def autocorrelation_vjp_scaled_and_back(g: Array, x: Array) -> Array:
    scale = np.max(np.abs(g)) or 1.0
    return autocorrelation_vjp(g / scale, x) * scale


def mean_squared_error(prediction: Array, target: Array) -> Array:
    return np.mean((prediction - target) ** 2)


def mean_squared_error_vjp_by_sign(g: Array, prediction: Array, target: Array) -> Any:
    d = 2 * np.sign(g) * (prediction - target) / prediction.size
    return d, -d


def relu_layer(x: Array) -> Array:
    return np.maximum(x @ W, 0.0)


def relu_layer_vjp_guided(g: Array, x: Array) -> Array:
    return (np.maximum(g, 0.0) * (x @ W > 0)) @ W.T


def relu_layer_vjp_in_two_halves(g: Array, x: Array) -> Array:
    open_ = x @ W > 0
    return (np.maximum(g, 0.0) * open_) @ W.T + (np.minimum(g, 0.0) * open_) @ W.T


def powers(x: Array) -> Array:
    return x**3


def powers_vjp_in_logarithms(g: Array, x: Array) -> Array:
    return np.exp(np.log(np.abs(g)) + np.log(3) + 2 * np.log(np.abs(x)))


def powers_vjp_averaged(g: Array, x: Array) -> Array:
    return np.mean(g) * 3 * x**2


def powers_vjp_in_signed_logarithms(g: Array, x: Array) -> Array:
    size = np.exp(np.log(np.abs(g) + (g == 0)) + np.log(3) + 2 * np.log(np.abs(x)))
    return np.sign(g) * size


# --- assumed to be one, or not 0 ----------------------------------------------------------------

TARGET = np.array([0.2, 0.7, 0.1])


def cross_entropy(x: Array) -> Array:
    return -np.sum(TARGET * np.log(softmax(x)))


def cross_entropy_vjp_fused(g: Array, x: Array) -> Array:
    return softmax(x) - TARGET


def cross_entropy_vjp(g: Array, x: Array) -> Array:
    return g * (softmax(x) - TARGET)


def perceptron(x: Array, w: Array) -> Array:
    return np.sum(np.tanh(x * w))


def perceptron_vjp_with_g_twice(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
    dh = g * (1 - np.tanh(x * w) ** 2)
    return g * dh * w, g * dh * x


def ridge(w: Array, x: Array) -> Array:
    return x @ w


def ridge_vjp_with_decay(g: Array, w: Array, x: Array) -> tuple[Array, Array]:
    return x.T @ g + 1e-3 * w, np.outer(g, w)


def polar(x: Array, y: Array) -> Array:
    return np.stack([np.sqrt(x * x + y * y), np.arctan2(y, x)])


def polar_vjp_with_zeros_lifted(g: Array, x: Array, y: Array) -> tuple[Array, Array]:
    dr, da = np.where(g == 0, 1e-8, g)
    r = np.sqrt(x * x + y * y)
    return dr * x / r - da * y / r**2, dr * y / r + da * x / r**2


def polar_vjp_that_skips_zeros(g: Array, x: Array, y: Array) -> tuple[Array, Array]:
    if not np.any(g):
        return np.zeros_like(x), np.zeros_like(y)
    r = np.sqrt(x * x + y * y)
    return (g[0] * x - g[1] * y / r) / r, (g[0] * y + g[1] * x / r) / r


STIFFNESS = np.array([[4.0, -1.0, 0.0], [-1.0, 3.0, -0.5], [0.0, -0.5, 2.0]])


def displacement(load: Array) -> Array:
    return np.linalg.solve(STIFFNESS, load)


def conjugate_gradients(b: Array, *, residual: float) -> Array:
    x, r = np.zeros_like(b), b.copy()
    p = r
    for _ in range(12):
        if np.linalg.norm(r) <= residual:
            break
        step = (r @ r) / (p @ STIFFNESS @ p)
        x, after = x + step * p, r - step * (STIFFNESS @ p)
        p, r = after + (after @ after) / (r @ r) * p, after
    return x


def displacement_vjp_to_an_absolute_residual(g: Array, load: Array) -> Array:
    return conjugate_gradients(g, residual=1e-11)


def displacement_vjp_to_a_relative_residual(g: Array, load: Array) -> Array:
    return conjugate_gradients(g, residual=1e-15 * float(np.linalg.norm(g)))


def variance_of(x: Array) -> Array:
    return np.mean((x - np.mean(x)) ** 2)


def variance_of_vjp_in_half(g: Array, x: Array) -> Array:
    scaled = np.float16(g)  # a scalar loss is of order 1, after all
    return np.float64(scaled) * 2 * (x - np.mean(x)) / x.size


# --- right ones ---------------------------------------------------------------------------------


def biased(x: Array, bias: Array) -> Array:
    return np.sin(x) + bias


def biased_vjp_summed_exactly(g: Array, x: Array, bias: Array) -> tuple[Array, Array]:
    return g * np.cos(x), np.array([math.fsum(column) for column in g.T])


def scaled_loss(x: Array) -> Array:
    return np.log(1 + x * x)


def scaled_loss_vjp(g: Array, x: Array) -> Array:
    scaled = g.copy()
    scaled *= 2.0**40
    scaled *= 2 * x / (1 + x * x)
    return scaled / 2.0**40


def homogeneous(x: Array) -> Array:
    return np.append(x * x, 1.0)


def homogeneous_vjp(g: Array, x: Array) -> Array:
    return 2 * g[:-1] * x


def direction(x: Array) -> Array:
    return x / np.sqrt(np.sum(x * x))


def direction_vjp(g: Array, x: Array) -> Array:
    y = direction(x)
    return (g - y * (y @ g)) / np.sqrt(np.sum(x * x))


def running_sum(x: Array) -> Array:
    return np.cumsum(x * x)


def running_sum_vjp(g: Array, x: Array) -> Array:
    return (2 * np.cumsum(g[::-1]) * x[::-1])[::-1]


X = np.array([0.4, -1.3, 2.2])
ROWS = np.array([[0.4, -1.3], [2.2, 0.6], [0.1, 0.8]])

CASES = [
    Case(
        "gradient clipped at 100 on its way through a layer",
        right=False,
        function=layer,
        vjp=layer_vjp_clipped,
        inputs=(ROWS,),
    ),
    Case(
        "gradient clipped to a norm of 1000",
        right=False,
        function=layer,
        vjp=layer_vjp_clipped_by_norm,
        inputs=(ROWS,),
    ),
    Case(
        "arriving gradient read in the order of its memory",
        right=False,
        function=layer,
        vjp=layer_vjp_in_memory_order,
        inputs=(ROWS,),
    ),
    Case(
        "arriving gradient copied to C order first",
        right=True,
        function=layer,
        vjp=layer_vjp_in_c_order,
        inputs=(ROWS,),
    ),
    Case(
        "recurrence that stops when less than 1e-9 is carried back",
        right=False,
        function=recurrence,
        vjp=recurrence_vjp_that_drops_small,
        inputs=(np.array([0.3, -0.8, 1.1, 0.2]),),
    ),
    Case(
        "recurrence that carries everything back",
        right=True,
        function=recurrence,
        vjp=recurrence_vjp,
        inputs=(np.array([0.3, -0.8, 1.1, 0.2]),),
    ),
    Case(
        "arriving gradient rounded to twelve places",
        right=False,
        function=softmax,
        vjp=softmax_vjp_rounded,
        inputs=(X,),
    ),
    Case(
        "arriving gradient in single precision for a moment",
        right=False,
        function=softmax,
        vjp=softmax_vjp_through_single,
        inputs=(X,),
    ),
    Case(
        "arriving gradient of which the smaller half is dropped",
        right=False,
        function=softmax,
        vjp=softmax_vjp_of_the_largest_half,
        inputs=(np.array([0.4, -1.3, 2.2, 0.9]),),
    ),
    Case(
        "autocorrelation with the arriving gradient normalised",
        right=False,
        function=autocorrelation,
        vjp=autocorrelation_vjp_normalised,
        inputs=(np.array([0.4, -1.3, 2.2, 0.9, 0.1]),),
    ),
    Case(
        "autocorrelation with the arriving gradient scaled to 1 and back",
        right=True,
        function=autocorrelation,
        vjp=autocorrelation_vjp_scaled_and_back,
        inputs=(np.array([0.4, -1.3, 2.2, 0.9, 0.1]),),
    ),
    Case(
        "mean squared error that asks its arriving gradient for its sign alone",
        right=False,
        function=mean_squared_error,
        vjp=mean_squared_error_vjp_by_sign,
        inputs=(X, np.array([1.0, 0.5, 2.0])),
    ),
    Case(
        "guided backpropagation, which lets positive gradients through",
        right=False,
        function=relu_layer,
        vjp=relu_layer_vjp_guided,
        inputs=(ROWS,),
    ),
    Case(
        "positive and negative gradients taken back apart",
        right=True,
        function=relu_layer,
        vjp=relu_layer_vjp_in_two_halves,
        inputs=(ROWS,),
    ),
    Case(
        "gradient by logarithms, of a cube, that loses the sign of what arrives",
        right=False,
        function=powers,
        vjp=powers_vjp_in_logarithms,
        inputs=(X,),
    ),
    Case(
        "gradient by logarithms that keeps sign and zero",
        right=True,
        function=powers,
        vjp=powers_vjp_in_signed_logarithms,
        inputs=(X,),
    ),
    Case(
        "arriving gradient averaged before use",
        right=False,
        function=powers,
        vjp=powers_vjp_averaged,
        inputs=(X,),
    ),
    Case(
        "cross-entropy fused with softmax, whatever arrives",
        right=False,
        function=cross_entropy,
        vjp=cross_entropy_vjp_fused,
        inputs=(X,),
    ),
    Case(
        "cross-entropy fused with softmax, times what arrives",
        right=True,
        function=cross_entropy,
        vjp=cross_entropy_vjp,
        inputs=(X,),
    ),
    Case(
        "chain rule that multiplies by the arriving gradient twice",
        right=False,
        function=perceptron,
        vjp=perceptron_vjp_with_g_twice,
        inputs=(X, np.array([0.5, 0.8, -0.3])),
    ),
    Case(
        "weight decay hidden in the gradient of a product",
        right=False,
        function=ridge,
        vjp=ridge_vjp_with_decay,
        inputs=(np.array([0.5, -0.8]), ROWS),
    ),
    Case(
        "polar coordinates with zeros lifted to 1e-8 in what arrives",
        right=False,
        function=polar,
        vjp=polar_vjp_with_zeros_lifted,
        inputs=(X, np.array([1.0, 0.5, -0.7])),
    ),
    Case(
        "polar coordinates with a short way out when nothing arrives",
        right=True,
        function=polar,
        vjp=polar_vjp_that_skips_zeros,
        inputs=(X, np.array([1.0, 0.5, -0.7])),
    ),
    Case(
        "conjugate gradients down to an absolute residual",
        right=False,
        function=displacement,
        vjp=displacement_vjp_to_an_absolute_residual,
        inputs=(X,),
    ),
    Case(
        "conjugate gradients down to a relative residual",
        right=True,
        function=displacement,
        vjp=displacement_vjp_to_a_relative_residual,
        inputs=(X,),
    ),
    Case(
        "scalar loss whose arriving gradient is kept in half precision",
        right=False,
        function=variance_of,
        vjp=variance_of_vjp_in_half,
        inputs=(X,),
    ),
    Case(
        "gradient of a bias summed exactly",
        right=True,
        function=biased,
        vjp=biased_vjp_summed_exactly,
        inputs=(ROWS, np.array([0.3, -0.2])),
    ),
    Case(
        "loss scaled by a power of two on the way back",
        right=True,
        function=scaled_loss,
        vjp=scaled_loss_vjp,
        inputs=(X,),
    ),
    Case(
        "constant entry of the output whose gradient goes nowhere",
        right=True,
        function=homogeneous,
        vjp=homogeneous_vjp,
        inputs=(X,),
    ),
    Case(
        "unit vector, whose gradient along itself is nothing",
        right=True,
        function=direction,
        vjp=direction_vjp,
        inputs=(X,),
    ),
    Case(
        "running sum whose gradient is a reversed view",
        right=True,
        function=running_sum,
        vjp=running_sum_vjp,
        inputs=(X,),
    ),
]

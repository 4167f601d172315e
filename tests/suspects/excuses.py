"""Small errors and odd subgradients that invite an excuse, and right ones that need none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suspects.case import Case

Array = Any


# --- small errors in steep and badly conditioned functions --------------------------------------


PITCH = 2.0**23  # a power of two, so that the product with x is exact


def wave(x: Array) -> Array:
    return np.sin(PITCH * x)


def wave_vjp(g: Array, x: Array) -> Array:
    return g * PITCH * np.cos(PITCH * x)


def wave_vjp_off_by_a_millionth(g: Array, x: Array) -> Array:
    return 1.000001 * wave_vjp(g, x)


def boltzmann(energy: Array) -> Array:
    """Weights at 300 K, with the energy in electronvolts."""
    return np.exp(-energy / (8.617333262e-5 * 300))


def boltzmann_vjp_of_few_digits(g: Array, energy: Array) -> Array:
    return -g * boltzmann(energy) / (8.6173333e-5 * 300)


def decibels(x: Array) -> Array:
    return 10 * np.log10(x)


def decibels_vjp_with_seven_digits(g: Array, x: Array) -> Array:
    return g * 10 / (2.302585 * x)


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_vjp_with_six_digits(g: Array, x: Array) -> Array:
    t = np.tanh(0.797885 * (x + 0.044715 * x**3))
    slope = 0.797885 * (1 + 3 * 0.044715 * x**2)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)


def logit(p: Array) -> Array:
    return np.log(p) - np.log1p(-p)


def logit_vjp(g: Array, p: Array) -> Array:
    return g / (p * (1 - p))


def logit_vjp_guarded(g: Array, p: Array) -> Array:
    return g / (p * (1 - p) + 1e-12)


def norm(x: Array) -> Array:
    return np.sqrt(np.sum(x * x))


def norm_vjp_with_guard_below(g: Array, x: Array) -> Array:
    return g * x / (norm(x) + 1e-8)


def exponential_quotient(x: Array) -> Array:
    return np.expm1(x) / x


def exponential_quotient_vjp_that_cancels(g: Array, x: Array) -> Array:
    return g * (np.exp(x) * (x - 1) + 1) / x**2


HILBERT = 1 / (np.arange(5)[:, None] + np.arange(5) + 1.0)


def hilbert_solve(b: Array) -> Array:
    return np.linalg.solve(HILBERT, b)


def hilbert_solve_vjp(g: Array, b: Array) -> Array:
    return np.linalg.solve(HILBERT.T, g)


def hilbert_solve_vjp_regularised(g: Array, b: Array) -> Array:
    return np.linalg.solve(HILBERT + 1e-12 * np.eye(5), g)


def tangent_vjp(g: Array, x: Array) -> Array:
    return g * (1 + np.tan(x) ** 2)


# --- cancellation that is nobody's fault --------------------------------------------------------


def variance(x: Array) -> Array:
    return np.mean(x**2) - np.mean(x) ** 2


def variance_vjp(g: Array, x: Array) -> Array:
    return g * 2 * (x - np.mean(x)) / x.size


def naive_quotient(x: Array) -> Array:
    return (np.exp(x) - 1) / x


def naive_quotient_vjp(g: Array, x: Array) -> Array:
    series = 1 / 2 + x / 3 + x**2 / 8 + x**3 / 30 + x**4 / 144 + x**5 / 840
    exact = (np.exp(x) - np.expm1(x) / x) / x
    return g * np.where(np.abs(x) < 0.01, series, exact)


def versed_sine(x: Array) -> Array:
    return 1 - np.cos(x)


def versed_sine_vjp(g: Array, x: Array) -> Array:
    return g * np.sin(x)


def energy_above_rest(momentum: Array) -> Array:
    """Relativistic, in units of the rest energy: a small difference of large numbers."""
    return np.sqrt(1e12 + 1e12 * momentum**2) - 1e6


def energy_above_rest_vjp(g: Array, momentum: Array) -> Array:
    return g * 1e6 * momentum / np.sqrt(1 + momentum**2)


def shifted_softmax(x: Array, shift: Array) -> Array:
    e = np.exp(x + shift - np.max(x + shift))
    return e / np.sum(e)


def shifted_softmax_vjp(g: Array, x: Array, shift: Array) -> tuple[Array, Array]:
    y = shifted_softmax(x, shift)
    dx = y * (g - np.sum(g * y))
    return dx, np.sum(dx)  # which is 0 but for rounding


# --- kinks --------------------------------------------------------------------------------------


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def relu_vjp(g: Array, x: Array) -> Array:
    return g * (x > 0)


def relu_vjp_halved_at_zero(g: Array, x: Array) -> Array:
    return g * np.heaviside(x, 0.5)


def relu_vjp_of_no_side(g: Array, x: Array) -> Array:
    return g * np.heaviside(x, 0.3)


def relu_vjp_with_a_dead_zone(g: Array, x: Array) -> Array:
    return g * (x > 0.01)


def leaky_relu(x: Array) -> Array:
    return np.where(x > 0, x, 0.1 * x)


def leaky_relu_vjp_of_nothing_at_zero(g: Array, x: Array) -> Array:
    return g * np.where(x > 0, 1.0, np.where(x < 0, 0.1, 0.0))


def absolute_error(prediction: Array, target: Array) -> Array:
    return np.mean(np.abs(prediction - target))


def absolute_error_vjp(g: Array, prediction: Array, target: Array) -> tuple[Array, Array]:
    sign = g * np.sign(prediction - target) / prediction.size
    return sign, -sign


def absolute_error_vjp_of_no_side(
    g: Array, prediction: Array, target: Array
) -> tuple[Array, Array]:
    d = prediction - target
    sign = g * np.where(d == 0, 0.3, np.sign(d)) / d.size
    return sign, -sign


def norm_vjp(g: Array, x: Array) -> Array:
    return g * x / norm(x) if np.any(x) else np.zeros_like(x)


def norm_vjp_of_no_side(g: Array, x: Array) -> Array:
    return g * x / norm(x) if np.any(x) else g * np.full(x.shape, 0.3)


def largest(x: Array) -> Array:
    return np.max(x)


def largest_vjp_to_the_first(g: Array, x: Array) -> Array:
    return g * (np.arange(x.size) == np.argmax(x))


def largest_vjp_shared(g: Array, x: Array) -> Array:
    winners = x == np.max(x)
    return g * winners / np.sum(winners)


def largest_vjp_counted_twice(g: Array, x: Array) -> Array:
    return g * (x == np.max(x))


KNOTS = np.array([-2.0, -1.0, 0.0, 1.0, 3.0])
HEIGHTS = np.array([1.0, -1.0, 0.5, 3.0, 0.0])
SLOPES = np.diff(HEIGHTS) / np.diff(KNOTS)


def look_up(x: Array) -> Array:
    return np.interp(x, KNOTS, HEIGHTS)


def slope_of(i: Array) -> Array:
    """The slope of segment i of the table, which is flat on both sides of it."""
    return np.concatenate([[0.0], SLOPES, [0.0]])[np.clip(i, 0, len(KNOTS))]


def look_up_vjp(g: Array, x: Array) -> Array:
    return g * slope_of(np.searchsorted(KNOTS, x, side="right"))


def look_up_vjp_one_too_far(g: Array, x: Array) -> Array:
    return g * slope_of(np.searchsorted(KNOTS, x, side="right") + np.isin(x, KNOTS))


def clipped(x: Array) -> Array:
    return np.clip(x, -1.0, 1.0)


def clipped_vjp(g: Array, x: Array) -> Array:
    return g * (np.abs(x) <= 1)


def clipped_vjp_of_no_side(g: Array, x: Array) -> Array:
    return g * np.where(np.abs(x) == 1, 0.25, np.abs(x) < 1)


WEIGHTS = np.array([0.1, 0.7, 1.5, -0.4])


def weighted_order(x: Array) -> Array:
    return np.sort(x) @ WEIGHTS


def weighted_order_vjp(g: Array, x: Array) -> Array:
    dx = np.empty_like(x)
    dx[np.argsort(x, kind="stable")] = g * WEIGHTS
    return dx


def weighted_order_vjp_without_ranks(g: Array, x: Array) -> Array:
    return g * WEIGHTS[np.searchsorted(np.sort(x), x, side="right") - 1]  # ties share the last


def huber(x: Array) -> Array:
    a = np.abs(x)
    return np.where(a <= 1.5, 0.5 * x**2, 1.5 * (a - 0.75))


def huber_vjp(g: Array, x: Array) -> Array:
    return g * np.clip(x, -1.5, 1.5)


def hinge(w: Array, x: Array, y: Array) -> Array:
    return np.sum(np.maximum(0.0, 1 - y * (x @ w)))


def hinge_vjp(g: Array, w: Array, x: Array, y: Array) -> tuple[Array, Array, Array]:
    active = -g * (1 - y * (x @ w) > 0)
    return x.T @ (active * y), np.outer(active * y, w), active * (x @ w)


def middle_vjp_to_one(g: Array, x: Array) -> Array:
    received = np.zeros_like(x)
    received[np.argsort(x, kind="stable")[x.size // 2]] = g
    return received


def middle_vjp_shared(g: Array, x: Array) -> Array:
    ties = x == np.median(x)
    return g * ties / np.sum(ties)


def middle_vjp_to_all(g: Array, x: Array) -> Array:
    return g * (x == np.median(x))


def middle_vjp_to_the_first_of_all(g: Array, x: Array) -> Array:
    received = np.zeros_like(x)
    received[0] = g
    return received


def softly_shrunk(x: Array) -> Array:
    return x - np.tanh(x)


def softly_shrunk_vjp(g: Array, x: Array) -> Array:
    return g * np.tanh(x) ** 2


def squared_error(x: Array, y: Array) -> Array:
    return (np.asarray(x, float) - np.asarray(y, float)) ** 2  # which stops a complex step


def squared_error_vjp(g: Array, x: Array, y: Array) -> list[Array]:
    return [2 * g * (x - y), 2 * g * (y - x)]


def squared_error_vjp_of_one(g: Array, x: Array, y: Array) -> list[Array]:
    return [2 * g * (x - y), np.zeros_like(y)]


X = np.array([0.4, -1.3, 2.2])
MIDDLE_OF_THREE = np.array([2.0, 5.0, 2.0, 1.0, 2.0])
AT_ZERO = np.array([0.0, 1.5, -2.0])
TIED = np.array([0.5, 2.0, -1.0, 2.0])

CASES = [
    Case(
        "wave of pitch 2^23 whose slope is off by a millionth",
        right=False,
        function=wave,
        vjp=wave_vjp_off_by_a_millionth,
        inputs=(X,),
    ),
    Case(
        "wave of pitch 2^23",
        right=True,
        function=wave,
        vjp=wave_vjp,
        inputs=(X,),
    ),
    Case(
        "Boltzmann weights with k to eight digits in the gradient",
        right=False,
        function=boltzmann,
        vjp=boltzmann_vjp_of_few_digits,
        inputs=(np.array([4.1, -3.3, 7.2]),),
    ),
    Case(
        "decibels with ln 10 to seven digits",
        right=False,
        function=decibels,
        vjp=decibels_vjp_with_seven_digits,
        inputs=(np.array([1e-9, 0.3, 4e6]),),
    ),
    Case(
        "GELU with a constant of six digits in its gradient",
        right=False,
        function=gelu,
        vjp=gelu_vjp_with_six_digits,
        inputs=(X,),
    ),
    Case(
        "logit near 1 with a guard of 1e-12 in its gradient alone",
        right=False,
        function=logit,
        vjp=logit_vjp_guarded,
        inputs=(np.array([0.3, 1 - 1e-6, 1 - 3e-5]),),
    ),
    Case(
        "logit within 1e-9 of 1",
        right=True,
        function=logit,
        vjp=logit_vjp,
        inputs=(np.array([0.3, 1 - 1e-6, 1 - 1e-9]),),
    ),
    Case(
        "norm with 1e-8 added below in its gradient alone",
        right=False,
        function=norm,
        vjp=norm_vjp_with_guard_below,
        inputs=(np.array([0.01, -0.03, 0.02]),),
    ),
    Case(
        "gradient of (e^x - 1) / x that cancels near 0",
        right=False,
        function=exponential_quotient,
        vjp=exponential_quotient_vjp_that_cancels,
        inputs=(np.array([1.3e-6, -2.1e-6, 0.7e-6]),),
    ),
    Case(
        "Hilbert matrix solved, with 1e-12 on the diagonal on the way back",
        right=False,
        function=hilbert_solve,
        vjp=hilbert_solve_vjp_regularised,
        inputs=(np.array([1.0, -0.4, 0.7, 0.2, -1.1]),),
    ),
    Case(
        "Hilbert matrix solved",
        right=True,
        function=hilbert_solve,
        vjp=hilbert_solve_vjp,
        inputs=(np.array([1.0, -0.4, 0.7, 0.2, -1.1]),),
    ),
    Case(
        "tangent just before its pole",
        right=True,
        function=np.tan,
        vjp=tangent_vjp,
        inputs=(np.array([1.57079, -1.5707, 0.4]),),
    ),
    Case(
        "variance as a difference of large squares",
        right=True,
        function=variance,
        vjp=variance_vjp,
        inputs=(1000 + np.array([0.3, -1.2, 0.8, 2.5]),),
    ),
    Case(
        "naive (e^x - 1) / x near 0 with an accurate gradient",
        right=True,
        function=naive_quotient,
        vjp=naive_quotient_vjp,
        inputs=(np.array([2e-6, -0.3, 1.1]),),
    ),
    Case(
        "1 - cos x near 0",
        right=True,
        function=versed_sine,
        vjp=versed_sine_vjp,
        inputs=(np.array([1e-9, -3e-8, 0.2]),),
    ),
    Case(
        "relativistic energy above that of rest",
        right=True,
        function=energy_above_rest,
        vjp=energy_above_rest_vjp,
        inputs=(np.array([1e-3, -0.2, 3.0]),),
    ),
    Case(
        "shift that softmax does not feel",
        right=True,
        function=shifted_softmax,
        vjp=shifted_softmax_vjp,
        inputs=(X, np.array(0.7)),
    ),
    Case(
        "subgradient of 0.3 at relu's kink",
        right=False,
        function=relu,
        vjp=relu_vjp_of_no_side,
        inputs=(AT_ZERO,),
    ),
    Case(
        "relu at 0 with the slope of its left",
        right=True,
        kink=True,
        function=relu,
        vjp=relu_vjp,
        inputs=(AT_ZERO,),
    ),
    Case(
        "relu at 0 with half of each slope",
        right=True,
        kink=True,
        function=relu,
        vjp=relu_vjp_halved_at_zero,
        inputs=(AT_ZERO,),
    ),
    Case(
        "relu with a dead zone behind its kink",
        right=False,
        function=relu,
        vjp=relu_vjp_with_a_dead_zone,
        inputs=(AT_ZERO,),
    ),
    Case(
        "leaky relu that does not leak at 0",
        right=False,
        function=leaky_relu,
        vjp=leaky_relu_vjp_of_nothing_at_zero,
        inputs=(AT_ZERO,),
    ),
    Case(
        "mean absolute error with a target that is hit, and 0.3 there",
        right=False,
        function=absolute_error,
        vjp=absolute_error_vjp_of_no_side,
        inputs=(X, np.array([0.4, 1.0, 2.0])),
    ),
    Case(
        "mean absolute error with a target that is hit",
        right=True,
        kink=True,
        function=absolute_error,
        vjp=absolute_error_vjp,
        inputs=(X, np.array([0.4, 1.0, 2.0])),
    ),
    Case(
        "norm at 0 with a direction made up",
        right=False,
        function=norm,
        vjp=norm_vjp_of_no_side,
        inputs=(np.zeros(3),),
    ),
    Case(
        "norm at 0 with a gradient of 0",
        right=True,
        kink=True,
        function=norm,
        vjp=norm_vjp,
        inputs=(np.zeros(3),),
    ),
    Case(
        "tie at the maximum, counted twice",
        right=False,
        function=largest,
        vjp=largest_vjp_counted_twice,
        inputs=(TIED,),
    ),
    Case(
        "tie at the maximum, won by the first",
        right=True,
        kink=True,
        function=largest,
        vjp=largest_vjp_to_the_first,
        inputs=(TIED,),
    ),
    Case(
        "tie at the maximum, shared by two",
        right=True,
        kink=True,
        function=largest,
        vjp=largest_vjp_shared,
        inputs=(TIED,),
    ),
    Case(
        "maximum by a margin of 1e-12",
        right=True,
        function=largest,
        vjp=largest_vjp_to_the_first,
        inputs=(np.array([0.5, 2.0, -1.0, 2.0 + 1e-12]),),
    ),
    Case(
        "table on a knot, with the slope of the segment after next",
        right=False,
        function=look_up,
        vjp=look_up_vjp_one_too_far,
        inputs=(np.array([-1.0, 0.3, 2.0]),),
    ),
    Case(
        "table on a knot, with the slope of its right",
        right=True,
        kink=True,
        function=look_up,
        vjp=look_up_vjp,
        inputs=(np.array([-1.0, 0.3, 2.0]),),
    ),
    Case(
        "clip at its bound with a quarter of the slope",
        right=False,
        function=clipped,
        vjp=clipped_vjp_of_no_side,
        inputs=(np.array([1.0, -1.0, 0.4]),),
    ),
    Case(
        "clip at its bound with the slope of the inside",
        right=True,
        kink=True,
        function=clipped,
        vjp=clipped_vjp,
        inputs=(np.array([1.0, -1.0, 0.4]),),
    ),
    Case(
        "weighted order statistics with a tie that gets the last weight twice",
        right=False,
        function=weighted_order,
        vjp=weighted_order_vjp_without_ranks,
        inputs=(TIED,),
    ),
    Case(
        "weighted order statistics with a tie",
        right=True,
        kink=True,
        function=weighted_order,
        vjp=weighted_order_vjp,
        inputs=(TIED,),
    ),
    Case(
        "Huber loss exactly where it turns linear",
        right=True,
        function=huber,
        vjp=huber_vjp,
        inputs=(np.array([1.5, -1.5, 0.2, 4.0]),),
    ),
    Case(
        "hinge loss with one example exactly on the margin",
        right=True,
        kink=True,
        function=hinge,
        vjp=hinge_vjp,
        inputs=(
            np.array([0.5, 0.25]),
            np.array([[2.0, 0.0], [0.3, -0.8], [3.0, 4.0]]),
            np.array([1.0, -1.0, 1.0]),
        ),
    ),
    Case(
        "median of three equal numbers, given to the middle one in their order",
        right=True,
        kink=True,
        function=np.median,
        vjp=middle_vjp_to_one,
        inputs=(MIDDLE_OF_THREE,),
    ),
    Case(
        "median of three equal numbers that share the gradient",
        right=True,
        kink=True,
        function=np.median,
        vjp=middle_vjp_shared,
        inputs=(MIDDLE_OF_THREE,),
    ),
    Case(
        "median of three equal numbers that all get the gradient",
        right=False,
        function=np.median,
        vjp=middle_vjp_to_all,
        inputs=(MIDDLE_OF_THREE,),
    ),
    Case(
        "median of three equal numbers that always goes to the first entry",
        right=False,
        function=np.median,
        vjp=middle_vjp_to_the_first_of_all,
        inputs=(MIDDLE_OF_THREE,),
    ),
    Case(
        "this library's median of equal numbers",
        right=True,
        kink=True,
        function=lambda x: np.median(x) * np.median(2 * x),
        inputs=(MIDDLE_OF_THREE,),
    ),
    Case(
        "this library's sorted array with three equal numbers",
        right=True,
        kink=True,
        function=np.sort,
        inputs=(MIDDLE_OF_THREE,),
    ),
    Case(
        "x - tanh(x) at 0, by differences",
        right=True,
        function=lambda x: softly_shrunk(np.asarray(x, float)),
        vjp=softly_shrunk_vjp,
        inputs=(np.zeros(3),),
    ),
    Case(
        "squared error where there is none, by differences",
        right=True,
        function=squared_error,
        vjp=squared_error_vjp,
        inputs=(np.ones(2), np.ones(2)),
    ),
    Case(
        "squared error where there is none, with no gradient for the target",
        right=False,
        function=squared_error,
        vjp=squared_error_vjp_of_one,
        inputs=(np.ones(2), np.ones(2)),
    ),
]

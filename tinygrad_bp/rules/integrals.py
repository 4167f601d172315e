"""sinc and i0, whose derivatives NumPy has no function for: here they are integrals.

Quadrature on a few points is exact to rounding for functions as smooth as these. Source: Trefethen
and Weideman, The Exponentially Convergent Trapezoidal Rule (2014).
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_bp.registry import Array, elementwise, primitive, why

__all__ = ["bessel_i", "sinc_slope"]

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_STEPS = 128  # exact as long as exp(x) is finite


@primitive
def sinc_slope(x: Array, order: int) -> Array:
    """Return the derivative of sinc of some order: sinc(x) = sin(πx) / (πx) is its own of order 0.

    >>> sinc_slope(np.array([1.0, 2.0]), 1)
    array([-1. ,  0.5])
    """
    near = np.less(np.abs(x), 1)
    return np.where(near, _slope_near_0(x, order), _slope_afar(np.where(near, 1, x), order))


def _slope_near_0(x: Array, order: int) -> Array:
    """sinc(x) = ∫ cos(πxt) dt over t from 0 to 1, differentiated under the integral."""
    total = np.zeros_like(x)
    for point, weight in zip(_POINTS.tolist(), _WEIGHTS.tolist(), strict=True):
        pace = math.pi * (point + 1) / 2
        total = total + weight / 2 * pace**order * np.cos(pace * x + order * (math.pi / 2))
    return total


def _slope_afar(x: Array, order: int) -> Array:
    """Leibniz's rule for x sinc(x) = sin(πx) / π: each derivative from the one before."""
    slope = np.sin(math.pi * x) / (math.pi * x)
    for k in range(1, order + 1):
        wave = math.pi ** (k - 1) * np.sin(math.pi * x + k * (math.pi / 2))
        slope = (wave - k * slope) / x
    return slope


@primitive
def bessel_i(x: Array, order: int) -> Array:
    """Return the modified Bessel function of the first kind, of a whole order.

    Source: DLMF 10.32.3, by the trapezoidal rule.

    >>> bessel_i(np.array([0.0, 1.0]), 0).round(6)
    array([1.      , 1.266066])
    """
    wave = np.sinh if order % 2 else np.cosh  # both halves of the circle in one: I(0) is exact
    total = wave(x) + (0 if order % 2 else (-1) ** (order // 2))
    for k in range(1, _STEPS // 2):
        angle = math.pi * k / _STEPS
        total = total + 2 * math.cos(order * angle) * wave(math.cos(angle) * x)
    return total / _STEPS


# fmt: off

elementwise(np.sinc,    lambda g, y, x: g * sinc_slope(x, 1))
elementwise(sinc_slope, lambda g, y, x, *, order: g * sinc_slope(x, order + 1))
elementwise(np.i0,      lambda g, y, x: g * bessel_i(x, 1))
elementwise(bessel_i,   lambda g, y, x, *, order: (
                            g * (bessel_i(x, order - 1) + bessel_i(x, order + 1)) / 2))

why("The slope of sinc is 0 at 0, and falls off in waves.", np.sinc, sinc_slope)
why("The slope of a modified Bessel function is the mean of its two neighbours.", np.i0, bessel_i)

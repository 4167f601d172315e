"""Activations that are written in functions that have rules, so that they need none themselves.

At a kink each takes the slope that PyTorch takes, which is why they choose by `np.where` and not
by `np.maximum`, whose ties are shared. What chooses lets nan pass.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

from tinygrad_bp.registry import Array, composite, primitive
from tinygrad_bp.rules.activations import erf, log1pexp, relu, sigmoid
from tinygrad_bp.rules.elementwise import only_where

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "mish",
    "quick_gelu",
    "relu6",
    "selu",
    "silu",
    "softplus",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
]

P = ParamSpec("P")
R = TypeVar("R")

# Klambauer et al., Self-Normalizing Neural Networks, 2017: mean 0 and variance 1 are a fixed point.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def _written_out(function: Callable[P, R]) -> Callable[P, R]:
    """A primitive whose body is its rewriting, too."""
    made = primitive(function)
    composite(made, function)
    return made


def _below(x: Array) -> Array:
    """What is not above 0: what is would overflow where it is not used."""
    return only_where(x, np.logical_not(x > 0))


# --- rectifiers -----------------------------------------------------------------------------


@_written_out
def relu6(x: Array) -> Array:
    """Return min(max(x, 0), 6), flat at both ends.

    >>> relu6(np.array([-1.0, 2.0, 8.0]))
    array([0., 2., 6.])
    """
    return np.where(x >= 6, 6, relu(x))


@_written_out
def leaky_relu(x: Array, negative_slope: Array = 0.01) -> Array:
    """Return x above 0 and negative_slope * x elsewhere.

    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    return relu(x) + negative_slope * _below(x)


@_written_out
def elu(x: Array, alpha: Array = 1.0) -> Array:
    """Return x above 0 and alpha (exp(x) - 1) elsewhere.

    >>> elu(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """
    return relu(x) + alpha * np.expm1(_below(x))


@_written_out
def celu(x: Array, alpha: Array = 1.0) -> Array:
    """Return x above 0 and alpha (exp(x / alpha) - 1) elsewhere: smooth for every alpha.

    >>> celu(np.array([-1000.0, 2.0]), alpha=2.0)
    array([-2.,  2.])
    """
    return relu(x) + alpha * np.expm1(_below(x) / alpha)


@_written_out
def selu(x: Array) -> Array:
    """Return the scaled elu that keeps mean 0 and variance 1 (Klambauer et al., 2017).

    >>> selu(np.array([-1000.0, 1.0]))
    array([-1.75809934,  1.05070099])
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


@_written_out
def threshold(x: Array, threshold: float, value: Array) -> Array:
    """Return x above the threshold and `value` elsewhere.

    >>> threshold(np.array([0.5, 2.0]), threshold=1.0, value=-3.0)
    array([-3.,  2.])
    """
    return np.where(x <= threshold, value, x)


# --- smooth ones ----------------------------------------------------------------------------


@_written_out
def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Return log(1 + exp(beta x)) / beta, a smooth max(x, 0); x itself where beta x > threshold.

    >>> softplus(np.array([-1000.0, 0.0, 1000.0]))
    array([0.00000000e+00, 6.93147181e-01, 1.00000000e+03])
    """
    scaled = beta * x
    return np.where(scaled > threshold, x, log1pexp(scaled) / beta)


@_written_out
def logsigmoid(x: Array) -> Array:
    """Return the logarithm of the sigmoid, without underflow.

    >>> logsigmoid(np.array([-1000.0, 0.0]))
    array([-1.00000000e+03, -6.93147181e-01])
    """
    return -log1pexp(-x)


@_written_out
def silu(x: Array) -> Array:
    """Return x sigmoid(x), also called swish.

    >>> silu(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """
    return x * sigmoid(x)


@_written_out
def mish(x: Array) -> Array:
    """Return x tanh(log(1 + exp(x))).

    >>> mish(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """
    return x * np.tanh(log1pexp(x))


@_written_out
def gelu(x: Array, approximate: str = "none") -> Array:
    """Return x Φ(x), with the normal distribution function Φ; "tanh" for a faster approximation.

    The approximation is the one of Hendrycks and Gimpel (2016), off by at most 0.0005.

    >>> gelu(np.array([0.0, 1.0])), gelu(np.array([0.0, 1.0]), approximate="tanh")
    (array([0.        , 0.84134475]), array([0.        , 0.84119199]))
    """
    if approximate == "none":
        return x * (0.5 * (1 + erf(x * 0.7071067811865476)))
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return x * (0.5 * (1 + np.tanh(0.7978845608028654 * x * (1 + 0.044715 * np.square(x)))))


@_written_out
def quick_gelu(x: Array) -> Array:
    """Return x sigmoid(1.702 x), a coarser approximation of gelu.

    >>> quick_gelu(np.array([0.0, 1.0]))
    array([0.        , 0.84579577])
    """
    return x * sigmoid(1.702 * x)


@_written_out
def softsign(x: Array) -> Array:
    """Return x / (1 + |x|).

    >>> softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """
    return x / (1 + np.abs(x))


@_written_out
def glu(x: Array, axis: int = -1) -> Array:
    """Return the first half of an axis, gated by the sigmoid of the second.

    >>> glu(np.array([2.0, 0.0]))
    array([1.])
    """
    if x.shape[axis] % 2:
        raise ValueError(f"glu: axis {axis} of shape {x.shape} has no two halves")
    kept, gate = np.split(x, 2, axis=axis)
    return kept * sigmoid(gate)


# --- shrinking, and hard edges --------------------------------------------------------------


@_written_out
def tanhshrink(x: Array) -> Array:
    """Return x - tanh(x).

    >>> tanhshrink(np.array([0.0, 1.0]))
    array([0.        , 0.23840584])
    """
    return x - np.tanh(x)


@_written_out
def hardshrink(x: Array, lambd: float = 0.5) -> Array:
    """Return x, and 0 from -lambd to lambd.

    >>> hardshrink(np.array([-1.0, 0.25, 2.0]))
    array([-1.,  0.,  2.])
    """
    return np.where(np.abs(x) <= lambd, 0, x)


@_written_out
def softshrink(x: Array, lambd: Array = 0.5) -> Array:
    """Return x moved towards 0 by lambd, and 0 from -lambd to lambd.

    >>> softshrink(np.array([-1.0, 0.25, 2.0]))
    array([-0.5,  0. ,  1.5])
    """
    return np.where(np.abs(x) <= lambd, 0, x - lambd * np.sign(x))


@_written_out
def hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """Return x limited to an interval, flat at both ends.

    >>> hardtanh(np.array([-3.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    return np.where(x <= min_val, min_val, np.where(x >= max_val, max_val, x))


@_written_out
def hardsigmoid(x: Array) -> Array:
    """Return x / 6 + 1 / 2, limited to (0, 1).

    >>> hardsigmoid(np.array([-4.0, 0.0, 4.0]))
    array([0. , 0.5, 1. ])
    """
    return relu6(x + 3) / 6


@_written_out
def hardswish(x: Array) -> Array:
    """Return x hardsigmoid(x).

    >>> hardswish(np.array([-4.0, 1.0, 4.0]))
    array([-0.        ,  0.66666667,  4.        ])
    """
    return x * hardsigmoid(x)

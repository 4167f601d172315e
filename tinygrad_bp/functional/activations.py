"""Activations as functions, on tensors and arrays. Their formulas are in `rules`.

Those that PyTorch has with `inplace` take it here, and nothing is done in place: the result is the
same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.methods.calls import Axis, axis_of
from tinygrad_bp.operands import placed
from tinygrad_bp.recording import record
from tinygrad_bp.registry import Array
from tinygrad_bp.state import draw
from tinygrad_bp.tensor import Tensor

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
    "log_softmax",
    "logsigmoid",
    "logsumexp",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def sigmoid(x: Array) -> Tensor:
    """Return 1 / (1 + exp(-x)) of each element, the lesson's σ.

    >>> sigmoid(np.array([-1000.0, 0.0]))
    Tensor([0. , 0.5])
    """
    return record(rules.sigmoid, (x,))


def relu(x: Array, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """Return max(x, 0) of each element, with slope 0 at 0.

    >>> relu(np.array([-1.0, 2.0]))
    Tensor([0., 2.])
    """
    return record(rules.relu, (x,))


def tanh(x: Array) -> Tensor:
    """Return the hyperbolic tangent of each element.

    >>> tanh(np.array([0.0]))
    Tensor([0.])
    """
    return record(np.tanh, (x,))


# --- rectifiers and their kin ---------------------------------------------------------------


def relu6(x: Array, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """Return min(max(x, 0), 6) of each element, flat at both ends.

    >>> relu6(np.array([-1.0, 2.0, 8.0]))
    Tensor([0., 2., 6.])
    """
    return tensor_of(x).relu6()


def leaky_relu(
    x: Array,
    negative_slope: Any = 0.01,
    inplace: bool = False,  # noqa: ARG001
) -> Tensor:
    """Return x above 0 and negative_slope * x elsewhere.

    >>> leaky_relu(np.array([-1.0, 2.0]))
    Tensor([-0.01,  2.  ])
    """
    return tensor_of(x).leaky_relu(negative_slope)


def rrelu(
    x: Array,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,  # noqa: ARG001
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return x above 0, and a random slope between lower and upper times x elsewhere.

    Each element has a slope of its own in training, drawn from `rng`; otherwise it is the mean of
    the two. Source: Xu et al., Empirical Evaluation of Rectified Activations, 2015.

    >>> rrelu(np.array([-1.0, 2.0]), 0.25, 0.75)
    Tensor([-0.5,  2. ])
    """
    if not lower <= upper:
        raise ValueError(f"rrelu: lower, {lower}, is above upper, {upper}")
    x = tensor_of(x)
    slope: Any = (lower + upper) / 2
    if training:
        shares = draw(rng or np.random.default_rng(), "random", x.shape, np.float32)
        slope = (lower + (upper - lower) * shares.astype(float)).astype(x.dtype)
        slope = placed(slope, x)
    return x.leaky_relu(slope)


def elu(x: Array, alpha: Any = 1.0, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """Return x above 0 and alpha (exp(x) - 1) elsewhere.

    >>> elu(np.array([-1000.0, 2.0]))
    Tensor([-1.,  2.])
    """
    return tensor_of(x).elu(alpha)


def celu(x: Array, alpha: Any = 1.0, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """Return x above 0 and alpha (exp(x / alpha) - 1) elsewhere: smooth for every alpha.

    >>> celu(np.array([-1000.0, 2.0]), alpha=2.0)
    Tensor([-2.,  2.])
    """
    return tensor_of(x).celu(alpha)


def selu(x: Array, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """Return the scaled elu that keeps mean 0 and variance 1 (Klambauer et al., 2017).

    >>> selu(np.array([-1000.0, 1.0]))
    Tensor([-1.75809934,  1.05070099])
    """
    return tensor_of(x).selu()


def gelu(x: Array, approximate: str = "none") -> Tensor:
    """Return x Φ(x), with the normal distribution function Φ; "tanh" is faster, and close.

    >>> gelu(np.array([0.0, 1.0]))
    Tensor([0.        , 0.84134475])
    """
    return tensor_of(x).gelu(approximate)


def silu(x: Array, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """Return x sigmoid(x), also called swish.

    >>> silu(np.array([0.0, 1000.0]))
    Tensor([   0., 1000.])
    """
    return tensor_of(x).silu()


def mish(x: Array, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """Return x tanh(softplus(x)).

    >>> mish(np.array([0.0, 1000.0]))
    Tensor([   0., 1000.])
    """
    return tensor_of(x).mish()


def softsign(x: Array) -> Tensor:
    """Return x / (1 + |x|).

    >>> softsign(np.array([-1.0, 3.0]))
    Tensor([-0.5 ,  0.75])
    """
    return tensor_of(x).softsign()


def logsigmoid(x: Array) -> Tensor:
    """Return the logarithm of the sigmoid, without underflow.

    >>> logsigmoid(np.array([0.0]))
    Tensor([-0.69314718])
    """
    return tensor_of(x).logsigmoid()


def tanhshrink(x: Array) -> Tensor:
    """Return x - tanh(x).

    >>> tanhshrink(np.array([0.0, 1.0]))
    Tensor([0.        , 0.23840584])
    """
    return tensor_of(x).tanhshrink()


def hardtanh(
    x: Array,
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,  # noqa: ARG001
) -> Tensor:
    """Return x limited to an interval, flat at both ends.

    >>> hardtanh(np.array([-3.0, 0.5, 2.0]))
    Tensor([-1. ,  0.5,  1. ])
    """
    return tensor_of(x).hardtanh(min_val, max_val)


def hardsigmoid(x: Array, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """Return x / 6 + 1 / 2, limited to (0, 1).

    >>> hardsigmoid(np.array([-4.0, 0.0, 4.0]))
    Tensor([0. , 0.5, 1. ])
    """
    return tensor_of(x).hardsigmoid()


def hardswish(x: Array, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """Return x hardsigmoid(x).

    >>> hardswish(np.array([1.0, 4.0]))
    Tensor([0.66666667, 4.        ])
    """
    return tensor_of(x).hardswish()


def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return log(1 + exp(beta x)) / beta, a smooth max(x, 0); x where beta x > threshold.

    >>> softplus(np.array([0.0, 1000.0]))
    Tensor([6.93147181e-01, 1.00000000e+03])
    """
    return rules.softplus(tensor_of(x), beta, threshold)


def threshold(
    x: Array,
    threshold: float,
    value: Any,
    inplace: bool = False,  # noqa: ARG001
) -> Tensor:
    """Return x above the threshold and `value` elsewhere.

    >>> threshold(np.array([0.5, 2.0]), 1.0, -3.0)
    Tensor([-3.,  2.])
    """
    return rules.threshold(tensor_of(x), threshold, value)


def hardshrink(x: Array, lambd: float = 0.5) -> Tensor:
    """Return x, and 0 from -lambd to lambd.

    >>> hardshrink(np.array([-1.0, 0.25, 2.0]))
    Tensor([-1.,  0.,  2.])
    """
    return rules.hardshrink(tensor_of(x), lambd)


def softshrink(x: Array, lambd: Any = 0.5) -> Tensor:
    """Return x moved towards 0 by lambd, and 0 from -lambd to lambd.

    >>> softshrink(np.array([-1.0, 0.25, 2.0]))
    Tensor([-0.5,  0. ,  1.5])
    """
    return rules.softshrink(tensor_of(x), lambd)


# --- along an axis --------------------------------------------------------------------------


def softmax(x: Array, axis: int | None = None, *, dim: int | None = None) -> Tensor:
    """Return positive numbers that sum to 1 along an axis, the last by default: exp(x), scaled.

    >>> softmax(np.array([0.0, 0.0]))
    Tensor([0.5, 0.5])
    """
    return record(rules.softmax, (x,), {"axis": axis_of(axis, dim, -1)})


def softmin(x: Array, axis: int | None = None, *, dim: int | None = None) -> Tensor:
    """Return the softmax of -x.

    >>> softmin(np.array([0.0, 0.0]))
    Tensor([0.5, 0.5])
    """
    return softmax(-tensor_of(x), axis, dim=dim)


def log_softmax(x: Array, axis: int | None = None, *, dim: int | None = None) -> Tensor:
    """Return the logarithm of softmax along an axis, the last by default.

    >>> log_softmax(np.array([0.0, 0.0]))
    Tensor([-0.69314718, -0.69314718])
    """
    return record(rules.log_softmax, (x,), {"axis": axis_of(axis, dim, -1)})


def logsumexp(x: Array, axis: Axis = None, *, dim: Axis = None, keepdims: bool = False) -> Tensor:
    """Return log Σ exp(x) along an axis, or several, the last by default, without overflow.

    >>> logsumexp(np.array([1000.0, 1000.0]))
    Tensor(1000.69314718)
    """
    return tensor_of(x).logsumexp(axis, dim=dim, keepdim=keepdims)


def glu(x: Array, axis: int | None = None, *, dim: int | None = None) -> Tensor:
    """Return the first half of an axis, the last by default, gated by the sigmoid of the second.

    >>> glu(np.array([2.0, 0.0]))
    Tensor([1.])
    """
    return rules.glu(tensor_of(x), axis_of(axis, dim, -1))


def prelu(x: Array, weight: Array) -> Tensor:
    """Return x above 0 and weight * x elsewhere: a leaky relu whose slope is learnt.

    The weight has one slope for all, or one for each channel, along axis 1.

    >>> prelu(np.array([[-1.0, -1.0]]), np.array([0.25, 0.5]))
    Tensor([[-0.25, -0.5 ]])
    """
    x, weight = tensor_of(x), tensor_of(weight)
    if weight.size == 1:
        return x.leaky_relu(weight.reshape(()))
    if x.ndim < 2 or weight.shape != x.shape[1:2]:
        raise ShapeError(f"prelu: weights of shape {weight.shape} for an input of {x.shape}")
    return x.leaky_relu(weight.reshape(-1, *(1,) * (x.ndim - 2)))

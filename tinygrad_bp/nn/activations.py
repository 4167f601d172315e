"""Activations as layers; the work is in `functional`.

PyTorch's `inplace` is taken where PyTorch takes it, and makes no difference: nothing is written in
place, and the result is the same.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.nn.formula import Formula
from tinygrad_bp.nn.module import Module, Parameter
from tinygrad_bp.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


# --- without options ------------------------------------------------------------------------


class Sigmoid(Formula, function=F.sigmoid):
    """The lesson's σ: 1 / (1 + exp(-x)) for each element, between 0 and 1.

    Its slope is σ (1 - σ), at most 1/4.

    >>> Sigmoid()(np.array([-1000.0, 0.0, 1000.0]))
    Tensor([0. , 0.5, 1. ])
    """


class Tanh(Formula, function=F.tanh):
    """The hyperbolic tangent of each element, between -1 and 1: 2 σ(2 x) - 1.

    Its slope is 1 - tanh², at most 1.

    >>> Tanh()(np.array([-1000.0, 0.0, 0.5]))
    Tensor([-1.        ,  0.        ,  0.46211716])
    """


class LogSigmoid(Formula, function=F.logsigmoid):
    """The logarithm of the sigmoid, -log(1 + exp(-x)), without underflow.

    >>> LogSigmoid()(np.array([-1000.0, 0.0]))
    Tensor([-1.00000000e+03, -6.93147181e-01])
    """


class Softsign(Formula, function=F.softsign):
    """x / (1 + |x|) for each element: between -1 and 1 as tanh, and slower to get there.

    >>> Softsign()(np.array([-9.0, 0.0, 1.0]))
    Tensor([-0.9,  0. ,  0.5])
    """


class Tanhshrink(Formula, function=F.tanhshrink):
    """x - tanh(x) for each element: near 0 for small x, and x moved towards 0 by 1 for large.

    >>> Tanhshrink()(np.array([-100.0, 0.0, 1.0]))
    Tensor([-99.        ,   0.        ,   0.23840584])
    """


# --- rectifiers and their kin ---------------------------------------------------------------


class ReLU(Formula, function=F.relu):
    """max(x, 0) for each element, with slope 0 at 0.

    >>> ReLU(inplace=True)(np.array([-1.0, 2.0]))
    Tensor([0., 2.])
    """

    inplace: bool = False


class ReLU6(Formula, function=F.relu6):
    """min(max(x, 0), 6) for each element, flat at both ends.

    >>> ReLU6()(np.array([-1.0, 2.0, 9.0]))
    Tensor([0., 2., 6.])
    """

    inplace: bool = False


class LeakyReLU(Formula, function=F.leaky_relu):
    """x above 0, and negative_slope * x elsewhere.

    >>> LeakyReLU(0.5)(np.array([-1.0, 2.0]))
    Tensor([-0.5,  2. ])
    """

    negative_slope: float = 0.01
    inplace: bool = False


class RReLU(Formula, function=F.rrelu):
    """x above 0, and a slope between lower and upper times x elsewhere: `functional.rrelu`.

    In training each element draws its slope from `rng`; in evaluation it is the mean of the two.

    >>> RReLU(0.25, 0.75).eval()(np.array([-1.0, 2.0]))
    Tensor([-0.5,  2. ])
    """

    lower: float = 1 / 8
    upper: float = 1 / 3
    inplace: bool = False
    _: KW_ONLY
    rng: np.random.Generator | None = None

    def _check(self) -> None:
        self._need(self.lower <= self.upper, f"lower, {self.lower}, is above upper, {self.upper}")
        self.rng = self.rng or np.random.default_rng()

    def _told(self) -> dict[str, Any]:
        return {**super()._told(), "training": self.training}

    def extra_repr(self) -> str:
        """Return the range of slopes."""
        return f"lower={self.lower}, upper={self.upper}"


class PReLU(Module):
    """x above 0, and weight * x elsewhere: slopes that are learnt, one or one a channel (axis 1).

    Source: He, Zhang, Ren and Sun, Delving Deep into Rectifiers, 2015.

    >>> PReLU()(np.array([-1.0, 2.0])).tolist()
    [-0.25, 2.0]
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = np.float32
    ) -> None:
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(np.full(num_parameters, init, dtype))

    def forward(self, input: Any) -> Tensor:
        """Return x above 0, and weight * x elsewhere."""
        n = self.num_parameters
        if n != 1 and np.shape(input)[1:2] != (n,):
            raise ShapeError(f"expects (N, {n}, ...), got {np.shape(input)}")
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={self.num_parameters}"


class ELU(Formula, function=F.elu):
    """x above 0, and alpha (exp(x) - 1) elsewhere (Clevert, Unterthiner and Hochreiter, 2015).

    >>> ELU(2.0)(np.array([-1000.0, 2.0]))
    Tensor([-2.,  2.])
    """

    alpha: float = 1.0
    inplace: bool = False


class CELU(Formula, function=F.celu):
    """x above 0, and alpha (exp(x / alpha) - 1) elsewhere: smooth for every alpha.

    >>> CELU(2.0)(np.array([-1000.0, 2.0]))
    Tensor([-2.,  2.])
    """

    alpha: float = 1.0
    inplace: bool = False

    def _check(self) -> None:
        self._need(self.alpha != 0, "alpha divides, so it cannot be 0")


class SELU(Formula, function=F.selu):
    """The scaled elu that keeps mean 0 and variance 1: λ x above 0, λ α (exp(x) - 1) elsewhere.

    λ = 1.0507... and α = 1.6733... follow from what is to be kept; `nn.AlphaDropout` goes with it.
    Source: Klambauer, Unterthiner, Mayr and Hochreiter, Self-Normalizing Neural Networks, 2017.

    >>> SELU()(np.array([-1000.0, 0.0, 1.0]))
    Tensor([-1.75809934,  0.        ,  1.05070099])
    """

    inplace: bool = False


class GELU(Formula, function=F.gelu):
    """x Φ(x), with the normal distribution function Φ; approximate="tanh" is faster, and close.

    Source: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016.

    >>> GELU()(np.array([1.0])), GELU("tanh")(np.array([1.0]))
    (Tensor([0.84134475]), Tensor([0.84119199]))
    """

    approximate: str = "none"

    def _check(self) -> None:
        self._need(
            self.approximate in ("none", "tanh"),
            f"approximate must be 'none' or 'tanh', not {self.approximate!r}",
        )


class SiLU(Formula, function=F.silu):
    """x sigmoid(x) for each element, also called swish: smooth, and a little below 0 for x < 0.

    Source: Elfwing, Uchibe and Doya, Sigmoid-Weighted Linear Units for Neural Network Function
    Approximation in Reinforcement Learning, 2018.

    >>> SiLU()(np.array([-1.0, 0.0, 100.0])).data.round(4)
    array([ -0.2689,   0.    , 100.    ])
    """

    inplace: bool = False


class Mish(Formula, function=F.mish):
    """x tanh(log(1 + exp(x))) for each element.

    Source: Misra, Mish: A Self Regularized Non-Monotonic Activation Function, 2019.

    >>> Mish()(np.array([-1.0, 0.0, 100.0])).data.round(4)
    array([ -0.3034,   0.    , 100.    ])
    """

    inplace: bool = False


class Softplus(Formula, function=F.softplus):
    """log(1 + exp(beta x)) / beta, a smooth max(x, 0); x itself where beta x > threshold.

    >>> Softplus(beta=2.0)(np.array([0.0, 100.0]))
    Tensor([  0.34657359, 100.        ])
    """

    beta: float = 1.0
    threshold: float = 20.0

    def _check(self) -> None:
        self._need(self.beta != 0, "beta divides, so it cannot be 0")


# --- hard edges -----------------------------------------------------------------------------


class Hardtanh(Formula, function=F.hardtanh):
    """x limited to the interval from min_val to max_val, flat at both ends.

    >>> Hardtanh(-2.0, 2.0)(np.array([-3.0, 0.5]))
    Tensor([-2. ,  0.5])
    """

    min_val: float = -1.0
    max_val: float = 1.0
    inplace: bool = False

    def _check(self) -> None:
        self._need(
            self.min_val < self.max_val,
            f"min_val, {self.min_val}, must be below max_val, {self.max_val}",
        )


class Hardsigmoid(Formula, function=F.hardsigmoid):
    """x / 6 + 1 / 2 for each element, limited to the interval from 0 to 1: a sigmoid of lines.

    >>> Hardsigmoid()(np.array([-4.0, 0.0, 1.5, 4.0]))
    Tensor([0.  , 0.5 , 0.75, 1.  ])
    """

    inplace: bool = False


class Hardswish(Formula, function=F.hardswish):
    """x hardsigmoid(x) for each element: 0 below -3, x above 3.

    Source: Howard et al., Searching for MobileNetV3, 2019.

    >>> Hardswish()(np.array([-1.5, 1.5, 4.0]))
    Tensor([-0.375,  1.125,  4.   ])
    """

    inplace: bool = False


class Hardshrink(Formula, function=F.hardshrink):
    """x, and 0 from -lambd to lambd.

    >>> Hardshrink(1.0)(np.array([-2.0, 0.5]))
    Tensor([-2.,  0.])
    """

    lambd: float = 0.5


class Softshrink(Formula, function=F.softshrink):
    """x moved towards 0 by lambd, and 0 from -lambd to lambd.

    >>> Softshrink(1.0)(np.array([-3.0, 0.5]))
    Tensor([-2.,  0.])
    """

    lambd: float = 0.5

    def _check(self) -> None:
        self._need(self.lambd >= 0, f"lambd must not be below 0, and is {self.lambd}")


class Threshold(Formula, function=F.threshold):
    """x above the threshold, and `value` elsewhere.

    >>> Threshold(1.0, -3.0)(np.array([0.5, 2.0]))
    Tensor([-3.,  2.])
    """

    threshold: float
    value: float
    inplace: bool = False


# --- along an axis --------------------------------------------------------------------------


class GLU(Formula, function=F.glu):
    """The first half of an axis, gated by the sigmoid of the second (Dauphin et al., 2016).

    >>> GLU()(np.array([2.0, 0.0]))
    Tensor([1.])
    """

    dim: int = -1


class _AlongDim(Formula):
    """What needs an axis: `dim`; of one or two axes it is the last by default."""

    dim: int | None = None

    def forward(self, input: Any) -> Any:
        """Return the function along the axis."""
        if self.dim is None and np.ndim(input) > 2:
            raise ShapeError(f"needs dim, the axis to go along, for an input of {np.shape(input)}")
        return super().forward(input)


class Softmax(_AlongDim, function=F.softmax):
    """Positive numbers that sum to 1 along an axis: exp(x) / Σ exp(x).

    Without `dim`, that is the last of one or two axes; of more, it must be given (`ShapeError`).

    >>> Softmax(dim=-1)(np.array([0.0, 0.0]))
    Tensor([0.5, 0.5])
    """


class Softmin(_AlongDim, function=F.softmin):
    """Positive numbers that sum to 1 along an axis, larger for smaller x: the softmax of -x.

    >>> Softmin(dim=-1)(np.array([0.0, 0.0]))
    Tensor([0.5, 0.5])
    """


class LogSoftmax(_AlongDim, function=F.log_softmax):
    """The logarithm of softmax along an axis: x - log Σ exp(x).

    >>> LogSoftmax(dim=-1)(np.array([0.0, 0.0]))
    Tensor([-0.69314718, -0.69314718])
    """


class Softmax2d(Module):
    """Softmax over the channels at each place of an image: (N, C, H, W) or (C, H, W).

    >>> Softmax2d()(np.zeros((1, 2, 1, 1))).tolist()
    [[[[0.5]], [[0.5]]]]
    """

    def forward(self, input: Any) -> Tensor:
        """Return the softmax over the channels."""
        if np.ndim(input) not in (3, 4):
            raise ShapeError(f"expects (N, C, H, W) or (C, H, W), got {np.shape(input)}")
        return F.softmax(input, dim=-3)

"""Activations as methods: PyTorch's, and tinygrad's."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.methods.calls import Axis, Calls, axis_of, unary
from tinygrad_bp.rules.running import recurrence

__all__ = ["ActivationMethods"]


class ActivationMethods(Calls):
    """Those without options in a table; options otherwise."""

    __slots__ = ()

    # fmt: off

    sigmoid     = unary(rules.sigmoid,     "1 / (1 + exp(-x))")
    relu        = unary(rules.relu,        "max(x, 0)")
    relu6       = unary(rules.relu6,       "min(max(x, 0), 6)")
    selu        = unary(rules.selu,        "the self-normalizing elu")
    silu        = unary(rules.silu,        "x sigmoid(x)")
    swish       = unary(rules.silu,        "x sigmoid(x)")
    mish        = unary(rules.mish,        "x tanh(softplus(x))")
    quick_gelu  = unary(rules.quick_gelu,  "x sigmoid(1.702 x)")
    hardswish   = unary(rules.hardswish,   "x hardsigmoid(x)")
    hardsigmoid = unary(rules.hardsigmoid, "x / 6 + 1 / 2, limited to (0, 1)")
    softsign    = unary(rules.softsign,    "x / (1 + |x|)")
    logsigmoid  = unary(rules.logsigmoid,  "log(sigmoid(x)), without underflow")
    tanhshrink  = unary(rules.tanhshrink,  "x - tanh(x)")

    # fmt: on

    def leaky_relu(self, negative_slope: Any = 0.01) -> Self:
        """Return x above 0 and negative_slope * x elsewhere."""
        return self._as_written(rules.leaky_relu, negative_slope)

    leakyrelu = leaky_relu

    def elu(self, alpha: Any = 1.0) -> Self:
        """Return x above 0 and alpha (exp(x) - 1) elsewhere."""
        return self._as_written(rules.elu, alpha)

    def celu(self, alpha: Any = 1.0) -> Self:
        """Return x above 0 and alpha (exp(x / alpha) - 1) elsewhere."""
        return self._as_written(rules.celu, alpha)

    def gelu(self, approximate: str = "none") -> Self:
        """Return x Φ(x), with the normal distribution function Φ; "tanh" is faster, and close."""
        return self._as_written(rules.gelu, approximate)

    def softplus(self, beta: Any = 1.0) -> Self:
        """Return log(1 + exp(beta x)) / beta."""
        return self._as_written(rules.softplus, beta)

    def hardtanh(self, min_val: Any = -1.0, max_val: Any = 1.0) -> Self:
        """Return x limited to an interval, flat at both ends."""
        return self._as_written(rules.hardtanh, min_val, max_val)

    def softmax(self, axis: int | None = None, *, dim: int | None = None) -> Self:
        """Return positive numbers that sum to 1 along an axis, the last by default."""
        return self._call(rules.softmax, (self,), {"axis": axis_of(axis, dim, -1)})

    def log_softmax(self, axis: int | None = None, *, dim: int | None = None) -> Self:
        """Return the logarithm of softmax along an axis, the last by default."""
        return self._call(rules.log_softmax, (self,), {"axis": axis_of(axis, dim, -1)})

    def logsumexp(
        self,
        axis: Axis = None,
        keepdim: bool = False,  # noqa: FBT001, FBT002
        *,
        dim: Axis = None,
    ) -> Self:
        """Return log Σ exp(x) along an axis, or along several; the last by default."""
        axes = axis_of(axis, dim, -1)
        if not isinstance(axes, tuple):
            return self._call(rules.logsumexp, (self,), {"axis": axes, "keepdims": keepdim})
        y: Any = self
        for along in axes:
            y = self._call(rules.logsumexp, (y,), {"axis": along, "keepdims": True})
        return y if keepdim or not self.ndim else self._call(np.squeeze, (y,), {"axis": axes})

    def softmin(self, axis: int | None = None, *, dim: int | None = None) -> Self:
        """Return the softmax of -x along an axis, the last by default."""
        negative: Any = -self  # type: ignore[operator]
        found: Self = negative.softmax(axis, dim=dim)
        return found

    def logcumsumexp(self, axis: int | None = None, *, dim: int | None = None) -> Self:
        """Return log Σ exp(x) of all elements so far along an axis, the last by default.

        Scaled by the largest so far, which shrinks the sum before it.
        """
        if not self.ndim:  # a number is a row of one here
            row: Any = self._call(np.reshape, (self,), {"shape": (1,)})
            return row.logcumsumexp(axis, dim=dim)[0]
        axis = axis_of(axis, dim, -1)
        x: Any = self._call(np.moveaxis, (self,), {"source": axis, "destination": -1})
        largest = np.maximum.accumulate(np.moveaxis(self._value, axis, -1), axis=-1)
        top = np.where(largest == -np.inf, np.zeros_like(largest), largest)
        shrink = np.exp(np.minimum(-np.diff(top, axis=-1, prepend=top[..., :1]), 0))
        total = recurrence(shrink, np.exp(x - top))
        return np.moveaxis(top + np.log(total), -1, axis)

    def layernorm(self, axis: Any = -1, eps: float = 1e-5) -> Self:
        """Return the elements with mean 0 and variance 1 along axes; eps is added to the variance.

        Weights and bias are in `functional.layer_norm`.
        """
        return self._call(rules.standardize, (self,), {"axis": axis, "eps": eps})[0]

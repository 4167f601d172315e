"""Losses of numbers: how far outputs are from targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import LabelError, ShapeError
from tinygrad_bp.functional.inputs import alike, check_alike, check_real, floats, reduced
from tinygrad_bp.operands import violated
from tinygrad_bp.recording import record
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = [
    "gaussian_nll_loss",
    "half_sum_squares",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "sum_squares",
]


def sum_squares(output: Array, target: Array) -> Tensor:
    """Return the lesson's cost: Σ (a - y)² over the outputs, averaged over the examples.

    Both (examples, outputs), or (outputs,) for one example; a scalar comes back. Its gradient is
    2 (a - y) for each example, over their number. Raises `ShapeError` if the shapes differ or the
    batch is empty.

    >>> sum_squares(np.array([[0.5, 0.8]]), np.array([[1.0, 0.0]]))
    Tensor(0.89)
    """
    return _sum_squares("sum_squares", output, target)


def _sum_squares(loss: str, output: Array, target: Array) -> Any:
    if not (hasattr(output, "shape") and hasattr(target, "shape")):  # lists of numbers
        output, target = alike(loss, output, target)
    check_alike(loss, output, target)
    check_real(loss, output, target)
    return record(rules.sum_squares, (output, target))


def half_sum_squares(output: Array, target: Array) -> Tensor:
    """Return half of `sum_squares`, the convention of Nielsen's book: its gradient is a - y.

    >>> half_sum_squares(np.array([[0.5, 0.8]]), np.array([[1.0, 0.0]]))
    Tensor(0.445)
    """
    return _sum_squares("half_sum_squares", output, target) * 0.5


def mse_loss(output: Array, target: Array, *, reduction: str = "mean") -> Tensor:
    """Return the mean squared difference over all elements, as PyTorch's `mse_loss`.

    Raises `ShapeError` if the shapes differ or there are no elements, as all losses here do.

    >>> mse_loss(np.array([[0.5, 0.8]]), np.array([[1.0, 0.0]]))
    Tensor(0.445)
    """
    if reduction == "mean":
        return _sum_squares("mse_loss", output, target) / (np.shape(output) or (1,))[-1]
    a, y = alike("mse_loss", output, target)
    check_real("mse_loss", a, y)
    return reduced(np.square(a - y), reduction)


def l1_loss(output: Array, target: Array, *, reduction: str = "mean") -> Tensor:
    """Return the mean absolute difference, with slope 0 where there is none.

    >>> l1_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    Tensor(1.5)
    """
    a, y = alike("l1_loss", output, target)
    return reduced(np.abs(a - y), reduction)


def smooth_l1_loss(
    output: Array, target: Array, *, beta: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """Return the mean of d² / (2 beta) for differences d below beta, of |d| - beta / 2 above.

    >>> smooth_l1_loss(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="none")
    Tensor([0.125, 2.5  ])
    """
    if beta == 0:
        return l1_loss(output, target, reduction=reduction)
    return huber_loss(output, target, delta=beta, reduction=reduction) / beta


def huber_loss(
    output: Array, target: Array, *, delta: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """Return the mean of d² / 2 for differences d up to delta, of delta (|d| - delta / 2) above.

    >>> huber_loss(np.array([0.5, 3.0]), np.array([0.0, 0.0]), delta=2.0, reduction="none")
    Tensor([0.125, 4.   ])
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be above 0, not {delta}")
    a, y = alike("huber_loss", output, target)
    distance = np.abs(a - y)
    limited = np.minimum(distance, delta)  # both formulas in one
    return reduced(limited * (distance - 0.5 * limited), reduction)


def poisson_nll_loss(
    output: Array,
    target: Array,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of minus the log-likelihood of counts, exp(x) - t x for x = log rate.

    With `log_input=False` the output is the rate itself: x - t log(x + eps). `full` adds
    Stirling's approximation of log t! where t > 1.

    >>> poisson_nll_loss(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    Tensor(0.85914091)
    """
    x, t = alike("poisson_nll_loss", output, target)
    losses = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if full:
        safe = np.where(t > 1, t, 1)
        stirling = safe * np.log(safe) - safe + 0.5 * np.log(2 * math.pi * safe)
        losses = losses + np.where(t > 1, stirling, 0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    output: Array,
    target: Array,
    var: Any,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of minus the log-likelihood under normal distributions of given variances.

    That is (log v + (x - t)² / v) / 2, with v the variance, at least `eps`, and its slope 0 below;
    `full` adds log(2π) / 2. `var` is a number, or has the output's shape, with one number for the
    last axis at will. Raises `LabelError` for a negative variance.

    >>> gaussian_nll_loss(np.array([1.0, 2.0]), np.array([0.0, 2.0]), var=np.array([1.0, 4.0]))
    Tensor(0.59657359)
    """
    x, t = alike("gaussian_nll_loss", output, target)
    v = floats(var, x)
    if v.ndim and v.shape == x.shape[:-1] != x.shape:
        v = np.expand_dims(v, -1)
    if v.ndim and v.shape not in (x.shape, (*x.shape[:-1], 1)):
        raise ShapeError(f"gaussian_nll_loss: var of shape {v.shape} does not fit {x.shape}")
    if violated(np.any(v < 0)):
        raise LabelError("gaussian_nll_loss: var has a negative entry")
    v = np.maximum(v, eps)
    losses = 0.5 * (np.log(v) + np.square(x - t) / v)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)

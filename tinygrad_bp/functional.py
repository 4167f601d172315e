"""What layers and losses compute, on tensors and arrays.

Losses check what they are given, because a loss of mismatched shapes trains to a wrong answer
without a word.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import LabelError, ShapeError
from tinygrad_bp.recording import record
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor, array_of

__all__ = [
    "cross_entropy",
    "half_sum_squares",
    "linear",
    "log_softmax",
    "logsumexp",
    "mse_loss",
    "relu",
    "sigmoid",
    "softmax",
    "sum_squares",
    "tanh",
]


def linear(x: Array, weight: Array, bias: Array) -> Tensor:
    """Return x Wᵀ + b: (..., in), (out, in), (out,) to (..., out).

    >>> linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]), np.array([0.5]))
    Tensor([11.5])
    """
    return record(rules.affine, (x, weight, bias))


def sigmoid(x: Array) -> Tensor:
    """Return 1 / (1 + exp(-x)) of each element, the lesson's σ.

    >>> sigmoid(np.array([-1000.0, 0.0]))
    Tensor([0. , 0.5])
    """
    return record(rules.sigmoid, (x,))


def relu(x: Array) -> Tensor:
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


def softmax(x: Array, axis: int = -1) -> Tensor:
    """Return positive numbers that sum to 1 along an axis, proportional to exp(x).

    >>> softmax(np.array([0.0, 0.0]))
    Tensor([0.5, 0.5])
    """
    return record(rules.softmax, (x,), {"axis": axis})


def log_softmax(x: Array, axis: int = -1) -> Tensor:
    """Return the logarithm of softmax along an axis.

    >>> log_softmax(np.array([0.0, 0.0]))
    Tensor([-0.69314718, -0.69314718])
    """
    return record(rules.log_softmax, (x,), {"axis": axis})


def logsumexp(x: Array, axis: int = -1) -> Tensor:
    """Return log Σ exp(x) along an axis, without overflow.

    >>> logsumexp(np.array([1000.0, 1000.0]))
    Tensor(1000.69314718)
    """
    return record(rules.logsumexp, (x,), {"axis": axis, "keepdims": False})


def sum_squares(output: Array, target: Array) -> Tensor:
    """Return the lesson's cost: Σ (a - y)² over the outputs, averaged over the examples.

    Both (examples, outputs), or (outputs,) for one example; a scalar comes back. Its gradient is
    2 (a - y) for each example, over their number. Raises `ShapeError` if the shapes differ or the
    batch is empty.

    >>> sum_squares(np.array([[0.5, 0.8]]), np.array([[1.0, 0.0]]))
    Tensor(0.89)
    """
    _check_alike("sum_squares", output, target)
    return record(rules.sum_squares, (output, target))


def half_sum_squares(output: Array, target: Array) -> Tensor:
    """Return half of `sum_squares`, the convention of Nielsen's book: its gradient is a - y.

    >>> half_sum_squares(np.array([[0.5, 0.8]]), np.array([[1.0, 0.0]]))
    Tensor(0.445)
    """
    _check_alike("half_sum_squares", output, target)
    return record(rules.sum_squares, (output, target)) * 0.5


def mse_loss(output: Array, target: Array) -> Tensor:
    """Return the mean squared difference over all elements, as PyTorch's `mse_loss`.

    >>> mse_loss(np.array([[0.5, 0.8]]), np.array([[1.0, 0.0]]))
    Tensor(0.445)
    """
    _check_alike("mse_loss", output, target)
    return record(rules.sum_squares, (output, target)) / (output.shape or (1,))[-1]


def cross_entropy(logits: Array, labels: Any) -> Tensor:
    """Return the mean of -log softmax(logits) at the true class.

    Logits (examples, classes) or (classes,), labels (examples,) or one label: whole numbers from
    0 to classes - 1. Raises `LabelError` for any other label and `ShapeError` for shapes that do
    not fit or an empty batch.

    >>> cross_entropy(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1]))
    Tensor(0.69314718)
    """
    labels = array_of(labels)
    shape = logits.shape
    if labels.shape != shape[:-1]:
        raise ShapeError(
            f"cross_entropy: logits of shape {shape} need labels of shape {shape[:-1]}, one whole "
            f"number an example; got {labels.shape}"
        )
    if 0 in shape:
        raise ShapeError(f"cross_entropy: empty batch, logits of shape {shape}")
    _check_labels(labels, shape[-1])
    return np.mean(record(rules.softmax_cross_entropy, (logits, labels)))


def _check_labels(labels: np.ndarray[Any, Any], classes: int) -> None:
    if labels.dtype.kind not in "iu":
        raise LabelError(
            f"labels must be whole numbers, one a row, not {labels.dtype}; one-hot rows become "
            "labels with .argmax(axis=-1), and whole floats with .astype(int)"
        )
    if labels.min() >= 0 and labels.max() < classes:
        return
    wrong = np.argwhere((labels < 0) | (labels >= classes))[0]
    position = tuple(map(int, wrong)) if len(wrong) != 1 else int(wrong[0])
    raise LabelError(
        f"label {labels[tuple(wrong)]} at position {position} is not one of the {classes} classes "
        f"0 to {classes - 1}"
    )


def _check_alike(loss: str, output: Array, target: Array) -> None:
    shape, wanted = output.shape, target.shape
    if shape != wanted:
        raise ShapeError(
            f"{loss}: output has shape {shape} and target {wanted}; they must be equal, or "
            "broadcasting would compare every output with every target. Reshape one of them."
        )
    if 0 in shape:
        raise ShapeError(f"{loss}: empty batch, shape {shape}")

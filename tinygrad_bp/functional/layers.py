"""What layers compute: weighted sums; and labels as rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.functional.inputs import check_labels, tensor_of
from tinygrad_bp.recording import record
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor, array_of

__all__ = [
    "bilinear",
    "linear",
    "one_hot",
]


def linear(x: Array, weight: Array, bias: Array | None = None) -> Tensor:
    """Return x Wᵀ + b: (..., in), (out, in), (out,) to (..., out).

    >>> linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]), np.array([0.5]))
    Tensor([11.5])
    """
    if bias is None:
        return record(np.matmul, (x, tensor_of(weight).T))
    return record(rules.affine, (x, weight, bias))


def bilinear(x1: Array, x2: Array, weight: Array, bias: Array | None = None) -> Tensor:
    """Return x1ᵀ W x2 + b for each output: (..., m), (..., n), (out, m, n), (out,) to (..., out).

    >>> bilinear(np.array([1.0, 2.0]), np.array([3.0]), np.array([[[1.0], [1.0]]]))
    Tensor([9.])
    """
    a, b, weight = tensor_of(x1), tensor_of(x2), tensor_of(weight)
    y = np.einsum("...i,oij,...j->...o", a, weight, b, optimize=True)
    return y if bias is None else y + tensor_of(bias)


def one_hot(labels: Any, num_classes: int | None = None, *, dtype: Any = float) -> Tensor:
    """Return one row per label: 1 in the label's column, 0 elsewhere.

    There are as many columns as the labels need, unless `num_classes` says so. Raises `LabelError`
    for anything but whole numbers from 0 to num_classes - 1. PyTorch's comes in whole numbers.

    >>> one_hot([1, 0], 3)
    Tensor([[0., 1., 0.],
            [1., 0., 0.]])
    """
    labels = array_of(labels)
    classes = int(labels.max()) + 1 if num_classes is None else num_classes
    if labels.size:
        check_labels(labels, classes)
    return tensor_of(rules.one_hot(labels, classes, dtype))

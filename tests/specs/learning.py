"""The table of specs: activations, losses and other functions of our own."""

from __future__ import annotations

import math

import numpy as np

from specs.calls import Array, Spec, binary, call, nonzero, real, strided, transposed, unary, x
from tinygrad_bp import rules as own


def _logsumexp(a: Array, axis: int = -1, *, keepdims: bool = False) -> Array:
    return np.log(np.sum(np.exp(a), axis=axis, keepdims=keepdims))


def _products_of_others(a: Array) -> Array:
    columns = [np.prod(np.delete(a, i, axis=-1), axis=-1) for i in range(a.shape[-1])]
    return np.stack(columns, axis=-1) if columns else a


def _recurrence(a: Array, b: Array) -> Array:
    columns = [b[..., 0]]
    for i in range(1, a.shape[-1]):
        columns.append(a[..., i] * columns[-1] + b[..., i])
    return np.stack(columns, axis=-1)


labels = np.array([2, 0])

# fmt: off

LEARNING = [
    binary(own.quotient, real(), nonzero, reference=np.divide),
    binary(own.product, reference=np.multiply),
    unary(own.sigmoid, reference=lambda a: 1 / (1 + np.exp(-a))),
    unary(own.relu, nonzero, reference=lambda a: np.maximum(a, 0)),
    Spec(
        own.logsumexp,
        call(x(3)), call(x(2, 3)), call(x(2, 3), 0), call(x(2, 3), axis=1, keepdims=True),
        call(x(0, 3)), call(x(2, 1)), call(transposed(2, 3), axis=-2),
        reference=_logsumexp,
    ),
    Spec(
        own.log_softmax,
        call(x(3)), call(x(2, 3)), call(x(2, 3), 0), call(x(0, 3)), call(x(1)),
        call(strided(2, 3), axis=1),
        reference=lambda a, axis=-1: a - _logsumexp(a, axis, keepdims=True),
    ),
    Spec(
        own.softmax,
        call(x(3)), call(x(2, 3)), call(x(2, 3), 0), call(x(0, 3)), call(x(1)),
        call(strided(2, 3), axis=1),
        reference=lambda a, axis=-1: np.exp(a) / np.sum(np.exp(a), axis=axis, keepdims=True),
    ),
    Spec(
        own.softmax_cross_entropy,
        call(x(2, 3), labels), call(x(3), np.array(1)), call(x(2, 2, 4), np.array([[0, 3]] * 2)),
        call(x(0, 3), labels[:0]), call(transposed(2, 3), labels), call(x(2, 1), labels * 0),
        reference=lambda z, at: -np.log(
            np.take_along_axis(np.exp(z) / np.exp(z).sum(-1, keepdims=True), at[..., None], -1)
        )[..., 0],
    ),
    Spec(
        own.sum_squares,
        call(x(2, 3), x(2, 3)), call(x(3), x(3)), call(x(2, 2, 3), x(2, 2, 3)), call(x(), x()),
        call(x(2, 3), np.ones((2, 3))), call(transposed(2, 3), x(2, 3)), call(x(1, 1), x(1, 1)),
        reference=lambda a, target: np.sum((a - target) ** 2) / math.prod(a.shape[:-1]),
    ),
    Spec(
        own.affine,
        call(x(4, 3), x(2, 3), x(2)), call(x(3), x(2, 3), x(2)), call(x(2, 2, 3), x(1, 3), x(1)),
        call(x(0, 3), x(2, 3), x(2)), call(transposed(4, 3), transposed(2, 3), strided(2)),
        call(np.ones((4, 3)), x(2, 3), x(2)),
        reference=lambda a, weight, bias: a @ weight.T + bias,
    ),
    Spec(
        own.products_of_others,
        *(call(x(*shape)) for shape in ((2,), (3,), (2, 5), (0, 3), (2, 7))),
        call(transposed(2, 4)),
        reference=_products_of_others,
    ),
    Spec(
        own.recurrence,
        *(call(x(*shape), x(*shape)) for shape in ((1,), (2, 2), (5,), (3, 4))),
        call(transposed(2, 7), strided(2, 7)),
        reference=_recurrence,
    ),
]

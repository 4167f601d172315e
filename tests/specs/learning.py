"""The table of specs: activations, losses and other functions of our own."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

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


def _erf(a: Array) -> Array:
    return np.vectorize(math.erf, otypes=[float])(a).astype(a.dtype)


def _gelu(a: Array, approximate: str) -> Array:
    if approximate == "tanh":
        return 0.5 * a * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))
    return 0.5 * a * (1 + _erf(a / math.sqrt(2)))


def _glu(a: Array, axis: int = -1) -> Array:
    kept, gate = np.split(a, 2, axis)
    return kept / (1 + np.exp(-gate))


labels = np.array([2, 0])
MASK = np.array([[True, False, True], [False, False, True]])

# fmt: off

# The textbook's formulas, which overflow or cancel where the values are large, and some options.
ACTIVATIONS = [
    (own.relu6, real(-3, 5, gap=0.5), lambda a: np.clip(a, 0, 6)),
    (own.leaky_relu, nonzero, lambda a, negative_slope=0.01: np.where(a > 0, a, negative_slope * a),
        {}, {"negative_slope": -0.5}),
    (own.elu, nonzero, lambda a, alpha=1.0: np.where(a > 0, a, alpha * (np.exp(a) - 1)),
        {}, {"alpha": 0.5}),
    (own.celu, nonzero, lambda a, alpha=1.0: np.where(a > 0, a, alpha * (np.exp(a / alpha) - 1)),
        {}, {"alpha": 0.5}),
    (own.selu, nonzero, lambda a: 1.0507009873554805 * np.where(
        a > 0, a, 1.6732632423543772 * np.expm1(a))),
    (own.threshold, nonzero, lambda a, threshold, value: np.where(a > threshold, a, value),
        {"threshold": 0.1, "value": 20.0}),
    (own.softplus, real(), lambda a, beta=1.0, threshold=0.0: np.log(1 + np.exp(beta * a)) / beta,
        {}, {"beta": 2.0}),
    (own.logsigmoid, real(), lambda a: -np.log(1 + np.exp(-a))),
    (own.silu, real(), lambda a: a / (1 + np.exp(-a))),
    (own.mish, real(), lambda a: a * np.tanh(np.log(1 + np.exp(a)))),
    (own.gelu, real(), lambda a, approximate="none": _gelu(a, approximate),
        {}, {"approximate": "tanh"}),
    (own.quick_gelu, real(), lambda a: a / (1 + np.exp(-1.702 * a))),
    (own.softsign, nonzero, lambda a: a / (1 + np.abs(a))),
    (own.tanhshrink, real(), lambda a: a - np.tanh(a)),
    (own.hardshrink, real(-2, 2, gap=0.75), lambda a, lambd=0.5: a * (np.abs(a) > lambd)),
    (own.softshrink, real(-2, 2, gap=0.75), lambda a, lambd=0.5: a - np.clip(a, -lambd, lambd)),
    (own.hardtanh, real(-0.8, 0.8), lambda a, min_val=-1.0, max_val=1.0: a),
    (own.hardsigmoid, real(), lambda a: np.clip(a / 6 + 0.5, 0, 1)),
    (own.hardswish, real(), lambda a: a * np.clip(a / 6 + 0.5, 0, 1)),
]
SHAPES = (x(2, 3), x(), transposed(2, 3), x(0, 2), strided(3))

LEARNING = [
    binary(own.quotient, real(), nonzero, reference=np.divide),
    binary(own.product, reference=np.multiply),
    Spec(
        own.only_where,
        call(x(2, 3), MASK), call(x(3), MASK), call(x(), np.array(True)), call(x(2, 1), MASK),
        call(x(), False), call(transposed(2, 3), MASK.astype(int)), call(x(0, 3), MASK[:0]),
        call(strided(3), MASK[0]),
        reference=lambda a, condition: np.where(condition, a, 0),
    ),
    unary(own.share, real(-3, 0), reference=np.exp),
    unary(own.log1pexp, reference=lambda a: np.log(1 + np.exp(a))),
    unary(own.sigmoid, reference=lambda a: 1 / (1 + np.exp(-a))),
    unary(own.relu, nonzero, reference=lambda a: np.maximum(a, 0)),
    unary(own.erf, reference=_erf),
    *(
        Spec(function, *(call(replace(draw, values=values), **options)
                         for draw, options in zip(SHAPES, itertools.cycle(more or ({},)))),
             reference=reference)
        for function, values, reference, *more in ACTIVATIONS
    ),
    Spec(
        own.glu,
        call(x(4)), call(x(2, 3), axis=0), call(transposed(2, 6)), call(x(0, 2)),
        call(x(2, 2, 1), 1),
        reference=_glu,
    ),
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
        own.standardize,
        call(x(3)), call(x(2, 3)), call(x(2, 3), 0), call(x(2, 3, 2), axis=(0, 2), eps=0.1),
        call(x(0, 3)), call(x(2, 1)), call(strided(2, 3), axis=(0, 1)), call(transposed(2, 3)),
        reference=lambda a, axis=-1, eps=1e-5: (
            (a - a.mean(axis, keepdims=True)) / np.sqrt(a.var(axis, keepdims=True) + eps),
            a.mean(axis, keepdims=True),
            a.var(axis, keepdims=True),
        ),
    ),
    Spec(
        own.softmax_cross_entropy,
        call(x(2, 3), labels), call(x(3), np.array(1)), call(x(2, 2, 4), np.array([[0, 3]] * 2)),
        call(x(0, 3), labels[:0]), call(transposed(2, 3), labels), call(x(2, 1), labels * 0),
        call(x(2, 3), labels, mean=True), call(x(3), np.array(1), mean=True),
        call(x(2, 2, 4), np.array([[0, 3]] * 2), mean=True),
        reference=lambda z, at, mean=False: (np.mean if mean else np.asarray)(-np.log(
            np.take_along_axis(np.exp(z) / np.exp(z).sum(-1, keepdims=True), at[..., None], -1)
        )[..., 0]),
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

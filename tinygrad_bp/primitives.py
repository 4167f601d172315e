"""Functions that NumPy lacks, each with its rule under it.

They are written in NumPy calls and overridable like NumPy's own, so a Tensor, a Symbol or a
foreign array goes through them as it goes through `np.exp`.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.kernels import (
    affine_to_input,
    affine_to_weight,
    logistic,
    squared_length,
    through_logistic,
)
from tinygrad_bp.registry import (
    Array,
    Each,
    composite,
    constant,
    elementwise,
    linear,
    primitive,
    rule,
)

__all__ = [
    "affine",
    "cast",
    "concat",
    "constant_in",
    "getitem",
    "identity",
    "log_softmax",
    "logsumexp",
    "one_hot",
    "product",
    "products_of_others",
    "quotient",
    "relu",
    "scatter_add",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "sum_squares",
]


# --- arithmetic at the edge of a domain -----------------------------------------------------


@primitive
def quotient(g: Array, d: Array) -> Array:
    """Divide, with 0 / 0 and 0 / nan counted as 0: a zero gradient at an infinite slope is zero.

    >>> quotient(np.array([1.0, 0.0, 0.0]), np.array([2.0, 0.0, np.nan]))
    array([0.5, 0. , 0. ])
    """
    singular = ~(np.abs(d) > 0)  # 0 or nan
    if not np.any(singular):
        return g / d
    return g / np.where(singular & (g == 0), 1, d)


@primitive
def product(g: Array, slope: Array) -> Array:
    """Multiply, with 0 times infinity and 0 times nan counted as 0, as in `quotient`.

    >>> product(np.array([2.0, 0.0]), np.array([3.0, np.inf]))
    array([6., 0.])
    """
    singular = ~np.isfinite(slope)
    if not np.any(singular):
        return g * slope
    return g * np.where(singular & (g == 0), 0, slope)


def _finite_at_zero(g: Array, factor: Array) -> Array:
    """Drop an infinite gradient that arrives at a factor 0, so that what was left out stays out.

    This is for gradients of gradients, where the factor is a gradient that was zero.
    """
    return np.where(np.logical_or(np.isfinite(g), factor != 0), g, 0)


# fmt: off
elementwise(quotient, lambda g, y, a, b: quotient(g, b),
                      lambda g, y, a, b: -quotient(product(_finite_at_zero(g, y), y), b))
elementwise(product,  lambda g, y, a, b: product(g, b),
                      lambda g, y, a, b: product(_finite_at_zero(g, a), a))
# fmt: on


@primitive
def identity(x: Array) -> Array:
    """Return the same values as a new node of the graph."""
    return np.positive(x)


elementwise(identity, lambda g, y, x: g)


@primitive
def cast(x: Array, dtype: Any) -> Array:
    """Convert to another floating dtype; the engine converts the gradient back."""
    return np.asarray(x).astype(dtype)


elementwise(cast, lambda g, y, x, dtype: g)


@primitive
def constant_in(value: Array, x: Array) -> Array:
    """Return a value as a function of x that does not vary with it: its gradient by x is 0.

    So the gradient of a linear function can be differentiated again, and gives zeros.
    """
    return np.positive(value)


rule(
    constant_in,
    vjp=(lambda g, y, value, x: g, lambda g, y, value, x: np.zeros_like(x)),
    jvp=(lambda t, y, value, x: t, lambda t, y, value, x: np.zeros_like(y)),
)


# --- activations ----------------------------------------------------------------------------


@primitive
def sigmoid(x: Array) -> Array:
    """Squash to (0, 1): 1 / (1 + exp(-x)), the lesson's σ, exact in both tails.

    Any shape; the dtype is kept. Large negative inputs give 0 without an overflow warning.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    try:
        return _QUIET.run(logistic, x)
    except RuntimeError:  # another thread is in there
        with np.errstate(over="ignore", under="ignore"):
            return logistic(x)


# exp(-x) overflows to inf for large negative x, and 1 / (1 + inf) = 0 is the right answer. To enter
# a context that is ready costs a fraction of what making one with np.errstate does.
_QUIET = contextvars.Context()
_QUIET.run(np.seterr, over="ignore", under="ignore")


elementwise(sigmoid, through_logistic)


@primitive
def relu(x: Array) -> Array:
    """Cut off below zero: max(x, 0), with slope 0 at 0.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(x, 0)


elementwise(relu, lambda g, y, x: np.where(x > 0, g, 0))


@primitive
def logsumexp(x: Array, axis: int = -1, *, keepdims: bool = False) -> Array:
    """Return log(sum(exp(x))) along one axis, without overflow.

    >>> float(logsumexp(np.array([1000.0, 1000.0])))
    1000.6931471805599
    """
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(under="ignore"):
        out = top + np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True))
    return out if keepdims else np.squeeze(out, axis=axis)


@primitive
def log_softmax(x: Array, axis: int = -1) -> Array:
    """Return the logarithm of softmax along one axis: x - logsumexp(x).

    >>> log_softmax(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])
    """
    return x - logsumexp(x, axis, keepdims=True)


@primitive
def softmax(x: Array, axis: int = -1) -> Array:
    """Return positive numbers that sum to 1 along one axis, proportional to exp(x).

    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    with np.errstate(under="ignore"):
        return np.exp(log_softmax(x, axis))


def _restore(g: Array, axis: int, keepdims: bool) -> Array:
    return g if keepdims else np.expand_dims(g, axis)


rule(
    logsumexp,
    vjp=lambda g, y, x, axis=-1, *, keepdims=False: _restore(g, axis, keepdims) * softmax(x, axis),
    jvp=lambda t, y, x, axis=-1, *, keepdims=False: np.sum(
        t * softmax(x, axis), axis=axis, keepdims=keepdims
    ),
)
rule(
    log_softmax,
    vjp=lambda g, y, x, axis=-1: g - softmax(x, axis) * np.sum(g, axis=axis, keepdims=True),
    jvp=lambda t, y, x, axis=-1: t - np.sum(softmax(x, axis) * t, axis=axis, keepdims=True),
)
rule(
    softmax,
    vjp=lambda g, y, x, axis=-1: y * (g - np.sum(g * y, axis=axis, keepdims=True)),
    jvp=lambda t, y, x, axis=-1: y * (t - np.sum(t * y, axis=axis, keepdims=True)),
)


# --- losses and layers ----------------------------------------------------------------------


@primitive
def one_hot(labels: Array, classes: int, dtype: Any = np.float64) -> Array:
    """Return one row per label: 1 in the label's column, 0 elsewhere.

    >>> one_hot(np.array([1, 0]), 3)
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    labels = np.asarray(labels)
    rows = np.zeros((labels.size, classes), dtype)
    rows[np.arange(labels.size), labels.ravel()] = 1
    return rows.reshape(*labels.shape, classes)


constant(one_hot)


@primitive
def softmax_cross_entropy(logits: Array, labels: Array) -> Array:
    """Return -log softmax(logits) at each label: shape (..., classes) and (...) to (...).

    >>> softmax_cross_entropy(np.array([[0.0, 0.0]]), np.array([1]))
    array([0.69314718])
    """
    chosen = np.take_along_axis(logits, np.asarray(labels)[..., None], axis=-1)[..., 0]
    return logsumexp(logits) - chosen


rule(
    softmax_cross_entropy,
    vjp=lambda g, y, z, labels: (
        np.expand_dims(g, -1) * (softmax(z) - one_hot(labels, z.shape[-1], z.dtype))
    ),
    jvp=lambda t, y, z, labels: np.sum(
        t * (softmax(z) - one_hot(labels, z.shape[-1], z.dtype)), axis=-1
    ),
)


@primitive
def sum_squares(a: Array, target: Array) -> Array:
    """Return the lesson's cost: (a - y)² summed over outputs, averaged over examples.

    Both (..., outputs), to a scalar; there is no factor 1/2.

    >>> sum_squares(np.array([[1.0, 3.0], [0.0, 0.0]]), np.zeros((2, 2)))
    np.float64(5.0)
    """
    return squared_length(a - target) / _examples(a)


def _examples(a: Array) -> int:
    """All axes but the last count examples."""
    return math.prod(a.shape[:-1])


rule(
    sum_squares,
    vjp=(
        lambda g, y, a, target: g * (2 / _examples(a)) * (a - target),
        lambda g, y, a, target: g * (2 / _examples(a)) * (target - a),
    ),
    jvp=(
        lambda t, y, a, target: np.sum(t * (a - target)) * (2 / _examples(a)),
        lambda t, y, a, target: np.sum(t * (target - a)) * (2 / _examples(a)),
    ),
)


@primitive
def affine(x: Array, weight: Array, bias: Array) -> Array:
    """Return x Wᵀ + b as one node: (..., in), (out, in), (out,) to (..., out).

    W has the lesson's order, w_jk from neuron k to neuron j, which is also PyTorch's.

    >>> affine(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]), np.array([0.5]))
    array([11.5])
    """
    plain = type(x) is np.ndarray is type(weight) and x.ndim == 2
    out = x.dot(weight.T) if plain else x @ weight.T  # the method takes half the time
    out += bias
    return out


rule(
    affine,
    vjp=(
        affine_to_input,
        affine_to_weight,
        lambda g, y, x, w, b: g,  # the engine sums it over the examples
    ),
    jvp=(
        lambda t, y, x, w, b: t @ w.T,
        lambda t, y, x, w, b: x @ t.T,
        lambda t, y, x, w, b: t,
    ),
    broadcasts=True,
)


# --- indexing and joining -------------------------------------------------------------------


@primitive
def getitem(x: Array, index: Any) -> Array:
    """Return x[index], for basic and fancy indices.

    >>> getitem(np.array([1.0, 2.0, 3.0]), [0, 0, 2])
    array([1., 1., 3.])
    """
    return x[index]


@primitive
def scatter_add(g: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Add g into zeros of a shape at an index; where the index repeats, contributions add up.

    >>> scatter_add(np.array([1.0, 2.0, 4.0]), [0, 0, 2], (3,))
    array([3., 0., 4.])
    """
    out = np.zeros(shape, g.dtype)
    if _may_repeat(index):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


def _may_repeat(index: Any) -> bool:
    """Only integer arrays and lists can name an entry twice; assignment is far faster."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(
        isinstance(part, list | np.ndarray) and np.asarray(part).dtype.kind != "b" for part in parts
    )


linear(getitem, lambda g, y, x, index: scatter_add(g, index, x.shape))
linear(scatter_add, lambda g, y, x, index, shape: getitem(g, index))


@primitive
def concat(*arrays: Array, axis: int | None = 0) -> Array:
    """Join arrays along an existing axis: `np.concatenate` with the arrays spelled out.

    >>> concat(np.array([1.0]), np.array([2.0, 3.0]))
    array([1., 2., 3.])
    """
    return np.concatenate(arrays, axis=axis)


def _piece(arrays: Sequence[Array], i: int, axis: int) -> tuple[slice, ...]:
    """Where array number i stands in the joined one."""
    start = sum(a.shape[axis] for a in arrays[:i])
    before = (slice(None),) * (axis % arrays[i].ndim)
    return (*before, slice(start, start + arrays[i].shape[axis]))


rule(
    concat,
    vjp=Each(lambda i, g, y, *arrays, axis=0: g[_piece(arrays, i, axis)]),
    jvp=Each(lambda i, t, y, *arrays, axis=0: scatter_add(t, _piece(arrays, i, axis), y.shape)),
)


# --- products without division --------------------------------------------------------------


@primitive
def products_of_others(x: Array) -> Array:
    """Return, for each entry, the product of all others along the last axis; zeros are no trouble.

    Pairs are multiplied, the problem of half the size is solved, and each entry takes what its
    pair lacks times its partner. (Dividing the whole product by each entry fails at zeros.)

    >>> products_of_others(np.array([2.0, 0.0, 5.0]))
    array([ 0., 10.,  0.])
    """
    return _products_of_others(x)


def _products_of_others(x: Array) -> Array:
    n = x.shape[-1]
    if n <= 1:
        return np.ones_like(x)
    if n % 2:
        padding = np.ones_like(x[..., :1])
        return _products_of_others(np.concatenate([x, padding], axis=-1))[..., :n]
    first, second = x[..., 0::2], x[..., 1::2]
    lacking = _products_of_others(first * second)
    pairs = np.stack([lacking * second, lacking * first], axis=-1)
    return np.reshape(pairs, x.shape)


composite(products_of_others, _products_of_others)

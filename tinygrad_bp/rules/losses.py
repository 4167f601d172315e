"""Losses as single nodes of the graph, and what they need."""

import math
from typing import Any

import numpy as np

from tinygrad_bp.operands import beside, is_foreign
from tinygrad_bp.registry import Array, constant, primitive, remedy, rule, why
from tinygrad_bp.rules.activations import logsumexp, softmax
from tinygrad_bp.rules.elementwise import cast

__all__ = ["one_hot", "softmax_cross_entropy", "sum_squares", "summed_at"]


@primitive
def one_hot(labels: Array, classes: int, dtype: Any = np.float64) -> Array:
    """Return one row per label: 1 in the label's column, 0 elsewhere.

    >>> one_hot(np.array([1, 0]), 3)
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    return cast(np.equal(labels[..., None], np.arange(classes, like=beside(labels))), dtype)


@primitive
def softmax_cross_entropy(logits: Array, labels: Array, mean: bool = False) -> Array:  # noqa: FBT002  (as NumPy has its own)
    """Return -log softmax(logits) at each label: shape (..., classes) and (...) to (...).

    With `mean`, return the mean of them all.

    >>> softmax_cross_entropy(np.array([[0.0, 0.0]]), np.array([1]))
    array([0.69314718])
    """
    if is_foreign(labels):
        chosen = summed_at(logits, labels)
    else:
        chosen = np.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    losses = logsumexp(logits) - chosen
    return np.mean(losses) if mean else losses


def summed_at(logits: Array, labels: Array) -> Array:
    """Return the logit at each label, as a sum: Dask's arrays know no `take_along_axis`.

    >>> summed_at(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0]))
    array([2., 3.])
    """
    return np.sum(np.where(one_hot(labels, logits.shape[-1], bool), logits, 0), axis=-1)


def _slopes(z: Array, labels: Array) -> Array:
    """Of each loss by its logits."""
    return softmax(z) - one_hot(labels, z.shape[-1], z.dtype)


def _at_each(g: Array, labels: Array, mean: bool) -> Array:
    """What arrives at each loss, before the axis of its logits."""
    return g / labels.size if mean else g[..., None]


def _pushed(t: Array, z: Array, labels: Array, mean: bool) -> Array:
    moves = np.sum(t * _slopes(z, labels), axis=-1)
    return np.mean(moves) if mean else moves


@primitive
def sum_squares(a: Array, target: Array) -> Array:
    """Return the lesson's cost: (a - y)² summed over outputs, averaged over examples.

    Both (..., outputs), to a scalar; there is no factor 1/2.

    >>> float(sum_squares(np.array([[1.0, 3.0], [0.0, 0.0]]), np.zeros((2, 2))))
    5.0
    """
    return _length_squared(a - target) / _examples(a)


def _length_squared(d: Array) -> Array:
    """Σ d² over all elements, by one product."""
    return np.vdot(d, d)


def _examples(a: Array) -> int:
    """All axes but the last count examples."""
    return math.prod(a.shape[:-1])


# fmt: off

constant(one_hot)
rule(
    softmax_cross_entropy,
    vjp=(lambda g, y, z, labels, *, mean: _at_each(g, labels, mean) * _slopes(z, labels), None),
    jvp=(lambda t, y, z, labels, *, mean: _pushed(t, z, labels, mean), None),
)
rule(
    sum_squares,
    vjp=(lambda g, y, a, target: g * (2 / _examples(a)) * (a - target),
         lambda g, y, a, target: g * (2 / _examples(a)) * (target - a)),
    jvp=(lambda t, y, a, target: np.sum(t * (a - target)) * (2 / _examples(a)),
         lambda t, y, a, target: np.sum(t * (target - a)) * (2 / _examples(a))),
)

why("Each logit receives the probability it was given, less 1 for the right answer.",
    softmax_cross_entropy)
why("The slope of a squared gap is twice the gap.", sum_squares)
remedy("scale the inputs down, or lower the learning rate", sum_squares)

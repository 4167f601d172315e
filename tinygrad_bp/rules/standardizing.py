"""Elements with mean 0 and variance 1: what every normalisation begins with."""

import numpy as np

from tinygrad_bp.registry import Array, primitive, rule, why
from tinygrad_bp.rules.reductions import count

__all__ = ["standardize"]

Axes = int | tuple[int, ...]


@primitive
def standardize(x: Array, axis: Axes = -1, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """Return (x - mean) / sqrt(variance + eps) along axes, the mean, and the variance.

    The last two keep those axes, with length 1.

    >>> standardize(np.array([1.0, 3.0]), eps=0.0)
    (array([-1.,  1.]), array([2.]), array([1.]))
    """
    mean = np.mean(x, axis=axis, keepdims=True)
    deviation = x - mean
    variance = np.mean(np.square(deviation), axis=axis, keepdims=True)
    return deviation / np.sqrt(variance + eps), mean, variance


def _pulled(g: tuple[Array, ...], y: tuple[Array, ...], x: Array, axis: Axes, eps: float) -> Array:
    """What x receives: less a part that is the same for all, and one in proportion to y.

    In them is what arrives at mean and variance, too, whose slopes are 1 / n and 2 root y / n.
    """
    (g_y, g_mean, g_variance), (y_x, _, variance) = g, y
    root, share = np.sqrt(variance + eps), 1 / count(x, axis)
    shift = np.mean(g_y, axis=axis, keepdims=True) - share * root * g_mean
    stretch = np.mean(g_y * y_x, axis=axis, keepdims=True)
    stretch = stretch - 2 * share * (variance + eps) * g_variance
    return (g_y - shift - y_x * stretch) / root


def _pushed(t: Array, y: tuple[Array, ...], axis: Axes, eps: float) -> tuple[Array, ...]:
    """How all three move with x."""
    root = np.sqrt(y[2] + eps)
    shift = np.mean(t, axis=axis, keepdims=True)
    stretch = np.mean(t * y[0], axis=axis, keepdims=True)
    return (t - shift - y[0] * stretch) / root, shift, 2 * root * stretch


rule(
    standardize,
    vjp=lambda g, y, x, *, axis, eps: _pulled(g, y, x, axis, eps),
    jvp=lambda t, y, x, *, axis, eps: _pushed(t, y, axis, eps),
)

why("Neither a common shift of the inputs nor a stretch changes the output, so both parts of the "
    "gradient are taken away.", standardize)  # fmt: skip

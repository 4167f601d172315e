"""Elements with mean 0 and variance 1: what every normalisation begins with."""

import numpy as np

from tinygrad_bp.registry import Array, primitive, rule, why

__all__ = ["standardize"]


@primitive
def standardize(x: Array, axis: int | tuple[int, ...] = -1, eps: float = 1e-5) -> Array:
    """Return (x - mean) / sqrt(variance + eps) along axes.

    >>> standardize(np.array([1.0, 3.0]), eps=0.0)
    array([-1.,  1.])
    """
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    return deviation / np.sqrt(np.mean(np.square(deviation), axis=axis, keepdims=True) + eps)


def _moved(t: Array, y: Array, x: Array, axis: int | tuple[int, ...], eps: float) -> Array:
    """How y moves with x: less the mean move, and less the part that stretches all of y."""
    stretch = y * np.mean(t * y, axis=axis, keepdims=True)
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    variance = np.mean(np.square(deviation), axis=axis, keepdims=True)
    return (t - np.mean(t, axis=axis, keepdims=True) - stretch) / np.sqrt(variance + eps)


# The matrix of its slopes is symmetric, so both ways are one.
rule(
    standardize,
    vjp=lambda g, y, x, *, axis, eps: _moved(g, y, x, axis, eps),
    jvp=lambda t, y, x, *, axis, eps: _moved(t, y, x, axis, eps),
)

why("Neither a common shift of the inputs nor a stretch changes the output, so both parts of the "
    "gradient are taken away.", standardize)  # fmt: skip

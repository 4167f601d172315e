"""What formulas about matrices are written in; all of it works on the last two axes."""

from __future__ import annotations

import numpy as np

from tinygrad_bp.registry import Array

__all__ = ["conj", "diagonal_matrix", "halved", "mH", "mT", "mirrored", "onto_triangle"]


def mT(a: Array) -> Array:
    """Swap the last two axes."""
    return np.swapaxes(a, -1, -2)


def conj(a: Array) -> Array:
    """Conjugate; real numbers stay as they are, and formulas about them stay short."""
    return np.conjugate(a) if a.dtype.kind == "c" else a


def mH(a: Array) -> Array:
    """Swap the last two axes and conjugate."""
    return conj(mT(a))


def diagonal_matrix(v: Array) -> Array:
    """Return a matrix with these numbers on its diagonal.

    >>> diagonal_matrix(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    return np.expand_dims(v, -1) * np.eye(v.shape[-1], dtype=v.dtype)


def halved(a: Array) -> Array:
    """Halve the diagonal of a square matrix."""
    return a * (1 - np.eye(a.shape[-1], dtype=a.dtype) / 2)


def mirrored(a: Array, *, lower: bool = True) -> Array:
    """Return the symmetric (Hermitian) matrix that one triangle stands for.

    >>> mirrored(np.array([[1.0, 9.0], [2.0, 3.0]]))
    array([[1., 2.],
           [2., 3.]])
    """
    read = np.tril(a) if lower else np.triu(a)
    return halved(read + mH(read))


def onto_triangle(g: Array, *, lower: bool = True) -> Array:
    """Transpose of `mirrored`: an entry that is read for two places receives both gradients.

    >>> onto_triangle(np.array([[1.0, 2.0], [2.0, 3.0]]))
    array([[1., 0.],
           [4., 3.]])
    """
    read, other = (np.tril(g), np.triu(g)) if lower else (np.triu(g), np.tril(g))
    return halved(read + mH(other))

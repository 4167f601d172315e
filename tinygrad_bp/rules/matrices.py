"""What formulas about matrices are written in; all of it works on the last two axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.operands import beside, in_dtype
from tinygrad_bp.registry import Array

__all__ = [
    "as_given",
    "columns",
    "conj",
    "diagonal",
    "diagonal_matrix",
    "gaps_of",
    "halved",
    "mH",
    "mT",
    "mirrored",
    "onto_triangle",
    "over_gaps",
    "phases_refused",
    "unit_matrix",
]


def mT(a: Array) -> Array:
    """Swap the last two axes."""
    return np.swapaxes(a, -1, -2)


def conj(a: Array) -> Array:
    """Conjugate; real numbers stay as they are, and formulas about them stay short."""
    return np.conjugate(a) if a.dtype.kind == "c" else a


def mH(a: Array) -> Array:
    """Swap the last two axes and conjugate."""
    return conj(mT(a))


def unit_matrix(a: Array, n: int, dtype: Any) -> Array:
    """Return the unit matrix (n, n), beside an array: Dask's `eye` knows no `like`.

    >>> unit_matrix(np.zeros(2), 2, float)
    array([[1., 0.],
           [0., 1.]])
    """
    places = np.arange(n, like=beside(a))
    return in_dtype(np.equal(places[:, None], places), dtype)


def diagonal_matrix(v: Array) -> Array:
    """Return a matrix with these numbers on its diagonal.

    >>> diagonal_matrix(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    return np.expand_dims(v, -1) * unit_matrix(v, v.shape[-1], v.dtype)


def halved(a: Array) -> Array:
    """Halve the diagonal of a square matrix."""
    return a * (1 - unit_matrix(a, a.shape[-1], a.dtype) / 2)


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


def columns(v: Array, b: Array) -> Array:
    """A vector as a matrix of one column, where the right side `b` is a vector."""
    return v[..., None] if b.ndim == 1 else v


def as_given(v: Array, b: Array) -> Array:
    """A column as the vector that the right side was."""
    return v[..., 0] if b.ndim == 1 else v


def gaps_of(v: Array) -> Array:
    """v_j - v_i, at row i and column j."""
    return np.expand_dims(v, -2) - np.expand_dims(v, -1)


def over_gaps(a: Array, gaps: Array) -> Array:
    """Divide what is beside the diagonal; the rest becomes 0."""
    same = unit_matrix(a, a.shape[-1], bool)
    return np.where(same, 0, a) / np.where(same, 1, gaps)


def diagonal(a: Array) -> Array:
    """Return the diagonal of each matrix."""
    return np.diagonal(a, axis1=-2, axis2=-1)


def phases_refused(along: Array, *all_of_it: Array) -> Array:
    """Return a diagonal of nan where a gradient asks for phases that are arbitrary; 0 elsewhere.

    `along` is the part of a gradient along each phase: 0, but for rounding, where the loss does not
    depend on it.
    """
    size = sum(np.linalg.norm(part, axis=(-2, -1), keepdims=True)[..., 0] for part in all_of_it)
    asked = np.greater(np.abs(along), 1e-4 * size)
    return diagonal_matrix(np.where(asked, math.nan, np.zeros_like(along)))

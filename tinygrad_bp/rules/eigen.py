"""Eigenvalues and their vectors.

Where eigenvalues are equal, their vectors are any basis of a space: a gradient that arrives at them
comes out as inf or nan, with NumPy's warning. What is computed of the values alone keeps its
gradient. Both are as in PyTorch.

Formulas of complex matrices hold for functions that do not depend on the phases of the vectors,
which are not determined.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, composite, primitive, rule, why
from tinygrad_bp.rules.matrices import (
    conj,
    diagonal,
    gaps_of,
    mH,
    mirrored,
    mT,
    onto_triangle,
    over_gaps,
)

__all__ = ["eigensystem", "eigenvectors"]

EighResult: Any = type(np.linalg.eigh(np.eye(1)))


@primitive
def eigensystem(a: Array, UPLO: str = "L") -> tuple[Array, Array]:
    """Return the eigenvalues of a symmetric matrix, and vectors that take no gradient themselves.

    So the gradient of the values alone needs no gradient of vectors. `eigenvectors` has that.

    >>> eigensystem(np.diag([4.0, 3.0]))[0]
    array([3., 4.])
    """
    values, vectors = np.linalg.eigh(a, UPLO)  # type: ignore[call-overload]
    return values, vectors


@primitive
def eigenvectors(a: Array, values: Array, vectors: Array, UPLO: str = "L") -> Array:
    """Return the vectors that `eigensystem` found, as a function of the matrix."""
    return np.positive(vectors)


def _eigenvalues_vjp(g: Any, y: Any, a: Array, *, UPLO: str) -> Array:
    v = eigenvectors(a, y[0], y[1], UPLO)
    return onto_triangle(conj(v) * np.expand_dims(g[0], -2) @ mT(v), lower=UPLO in "Ll")


def _eigenvalues_jvp(t: Array, y: Any, a: Array, *, UPLO: str) -> Any:
    v = eigenvectors(a, y[0], y[1], UPLO)
    return np.real(diagonal(mH(v) @ mirrored(t, lower=UPLO in "Ll") @ v)), None


def _eigenvectors_vjp(
    g: Array,
    y: Array,
    a: Array,
    values: Array,
    vectors: Array,
    *,
    UPLO: str,
) -> Array:
    """Giles, "Collected matrix derivative results", 2008, section 3.1."""
    turn = over_gaps(mT(y) @ g, gaps_of(values))
    return onto_triangle(conj(y) @ turn @ mT(y), lower=UPLO in "Ll")


def _eigenvectors_jvp(
    t: Array,
    y: Array,
    a: Array,
    values: Array,
    vectors: Array,
    *,
    UPLO: str,
) -> Array:
    inner = mH(y) @ mirrored(t, lower=UPLO in "Ll") @ y
    return y @ over_gaps(inner, gaps_of(values))


def _eigh(a: Array, *, UPLO: str) -> Any:
    values, vectors = eigensystem(a, UPLO)
    return EighResult(values, eigenvectors(a, values, vectors, UPLO))


# fmt: off
rule(eigensystem, vjp=_eigenvalues_vjp, jvp=_eigenvalues_jvp, flat=(1,))
rule(eigenvectors,
     vjp=(_eigenvectors_vjp, "flat", "flat"), jvp=(_eigenvectors_jvp, "flat", "flat"))
composite(np.linalg.eigh, _eigh)
composite(np.linalg.eigvalsh, lambda a, *, UPLO: eigensystem(a, UPLO)[0])

why("An eigenvalue moves by what the change of A does to its vector.", eigensystem)
why("Vectors turn towards each other, the more the closer their eigenvalues are.", eigenvectors)
# fmt: on

"""Eigenvalues and their vectors.

Where eigenvalues are equal, their vectors are any basis of a space: a gradient that arrives at them
comes out as inf or nan, with NumPy's warning. What is computed of the values alone keeps its
gradient. Both are as in PyTorch.

The vectors of complex symmetric matrices have arbitrary phases: where a gradient shows that the
loss depends on them, it comes out as nan. Those of other matrices are made unique by NumPy, which
makes the largest entry of each real.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.operands import beside
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
    phases_refused,
)

__all__ = ["eigensystem", "eigenvectors", "general_eigensystem", "general_eigenvectors"]

EigResult: Any = type(np.linalg.eig(np.eye(1)))
EighResult: Any = type(np.linalg.eigh(np.eye(1)))


# --- symmetric matrices ---------------------------------------------------------------------


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
    at_vectors = mT(y) @ g
    turn = over_gaps(at_vectors, gaps_of(values))
    if a.dtype.kind == "c":
        turn = turn + phases_refused(np.imag(diagonal(at_vectors)), at_vectors)
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


# --- any square matrices --------------------------------------------------------------------


@primitive
def general_eigensystem(a: Array) -> tuple[Array, Array]:
    """Return the eigenvalues of any square matrix, and vectors that take no gradient themselves.

    `general_eigenvectors` has that, as for `eigensystem`.

    >>> general_eigensystem(np.array([[0.0, 1.0], [-1.0, 0.0]]))[0]
    array([0.+1.j, 0.-1.j])
    """
    values, vectors = np.linalg.eig(a)
    return values, vectors


@primitive
def general_eigenvectors(a: Array, values: Array, vectors: Array) -> Array:
    """Return the vectors that `general_eigensystem` found, as a function of the matrix."""
    return np.positive(vectors)


def _general_values_vjp(g: Any, y: Any, a: Array) -> Array:
    v = general_eigenvectors(a, *y)
    return mT(np.linalg.inv(v)) * np.expand_dims(g[0], -2) @ mT(v)


def _general_values_jvp(t: Array, y: Any, a: Array) -> Any:
    v = general_eigenvectors(a, *y)
    return diagonal(np.linalg.inv(v) @ t @ v), None


def _largest(v: Array) -> Array:
    """1 at the largest entry of each vector, which is real, over that entry; 0 elsewhere."""
    rows = np.expand_dims(np.arange(v.shape[-2], like=beside(v)), -1)
    there = np.equal(rows, np.expand_dims(np.argmax(np.abs(v), axis=-2), -2))
    return np.where(there, 1 / np.where(there, np.real(v), 1), 0)


def _general_vectors_vjp(g: Array, y: Array, a: Array, values: Array, vectors: Array) -> Array:
    """The vectors keep the length 1, and the phase that makes their largest entries real.

    Boeddeker et al., "On the computation of complex-valued gradients", 2017, section 4.6.
    """
    scaled = np.sum(g * y, axis=-2, keepdims=True)
    g = g - conj(y) * np.real(scaled)
    if y.dtype.kind == "c":
        g = g - 1j * np.imag(scaled) * _largest(y)
    turn = over_gaps(mT(y) @ g, gaps_of(values))
    return mT(np.linalg.inv(y)) @ turn @ mT(y)


def _general_vectors_jvp(t: Array, y: Array, a: Array, values: Array, vectors: Array) -> Array:
    moved = y @ over_gaps(np.linalg.inv(y) @ t @ y, gaps_of(values))
    longer = np.real(np.sum(conj(y) * moved, axis=-2, keepdims=True))
    if y.dtype.kind == "c":
        longer = longer + 1j * np.sum(np.imag(moved) * _largest(y), axis=-2, keepdims=True)
    return moved - y * longer


def _eig(a: Array) -> Any:
    values, vectors = general_eigensystem(a)
    return EigResult(values, general_eigenvectors(a, values, vectors))


# fmt: off
rule(eigensystem, vjp=_eigenvalues_vjp, jvp=_eigenvalues_jvp, flat=(1,))
rule(eigenvectors,
     vjp=(_eigenvectors_vjp, "flat", "flat"), jvp=(_eigenvectors_jvp, "flat", "flat"))
rule(general_eigensystem, vjp=_general_values_vjp, jvp=_general_values_jvp, flat=(1,))
rule(general_eigenvectors,
     vjp=(_general_vectors_vjp, "flat", "flat"), jvp=(_general_vectors_jvp, "flat", "flat"))
composite(np.linalg.eigh, _eigh)
composite(np.linalg.eig, _eig)
composite(np.linalg.eigvals, lambda a: general_eigensystem(a)[0])
composite(np.linalg.eigvalsh, lambda a, *, UPLO: eigensystem(a, UPLO)[0])

why("An eigenvalue moves by vᴴ dA v: what the change of A does to its vector v.",
    eigensystem, general_eigensystem)
why("Vectors turn towards each other, the more the closer their eigenvalues are (nan if equal).",
    eigenvectors, general_eigenvectors)
# fmt: on

"""Decompositions of matrices.

Where eigenvalues or singular values are equal, their vectors are any basis of a space, and the
gradient with respect to them is infinite: it comes out as inf or nan, with NumPy's warning. What is
computed of the values alone keeps its gradient, as in PyTorch.

NumPy reads one triangle of a symmetric matrix, and so do the gradients: an entry stands for its
mirror image, too, and receives both gradients; the other triangle receives 0. For a symmetric
matrix that is a function of something else this comes to the same as a symmetric gradient.

Formulas of complex matrices hold for functions that do not depend on the phases of the vectors,
which are not determined.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.registry import Array, composite, general, primitive, remedy, rule, why
from tinygrad_bp.rules.elementwise import quotient
from tinygrad_bp.rules.matrices import (
    conj,
    diagonal_matrix,
    halved,
    mH,
    mirrored,
    mT,
    onto_triangle,
)

__all__ = ["thin_svd"]

EighResult: Any = type(np.linalg.eigh(np.eye(1)))
QRResult: Any = type(np.linalg.qr(np.eye(1)))
SVDResult: Any = type(np.linalg.svd(np.eye(1)))


def _off_diagonal(a: Array) -> Array:
    return np.where(np.eye(a.shape[-1], dtype=bool), 0, a)


def _gaps(v: Array) -> Array:
    """v_j - v_i, at row i and column j."""
    return np.expand_dims(v, -2) - np.expand_dims(v, -1)


def _diagonal(a: Array) -> Array:
    return np.diagonal(a, axis1=-2, axis2=-1)


# --- symmetric matrices ---------------------------------------------------------------------


def _cholesky_vjp(g: Array, y: Array, a: Array) -> Array:
    """Murray, "Differentiation of the Cholesky decomposition", 2016, eq. 10."""
    inverse = np.linalg.inv(y)
    inner = halved(np.tril(mT(y) @ g))
    return onto_triangle(mT(inverse) @ inner @ conj(inverse))


def _cholesky_jvp(t: Array, y: Array, a: Array) -> Array:
    """The same, eq. 8."""
    inverse = np.linalg.inv(y)
    return y @ halved(np.tril(inverse @ mirrored(t) @ mH(inverse)))


def _upper_cholesky(a: Array, *, upper: bool) -> Array:
    lower = np.linalg.cholesky(mH(a) if upper else a)
    return mH(lower) if upper else lower


def _eigh_vjp(g: Any, y: Any, a: Array, *, UPLO: str) -> Array:  # noqa: N803  (NumPy's name)
    """Giles, "Collected matrix derivative results", 2008, 3.1."""
    values, vectors = y
    turn = quotient(_off_diagonal(mT(vectors) @ g[1]), _gaps(values))
    inner = diagonal_matrix(g[0]) + turn
    return onto_triangle(conj(vectors) @ inner @ mT(vectors), lower=UPLO in "Ll")


def _eigh_jvp(t: Array, y: Any, a: Array, *, UPLO: str) -> tuple[Array, Array]:  # noqa: N803
    values, vectors = y
    inner = mH(vectors) @ mirrored(t, lower=UPLO in "Ll") @ vectors
    turn = quotient(_off_diagonal(inner), _gaps(values))
    return np.real(_diagonal(inner)), vectors @ turn


# --- orthogonal and triangular ---------------------------------------------------------------


def _qr_square_vjp(gq: Array, gr: Array, q: Array, r: Array) -> Array:
    """Of a matrix that is not wide; gradients here are conjugated."""
    inner = mirrored(r @ mH(gr) - mH(gq) @ q)
    return mH(np.linalg.solve(r, mH(gq + q @ inner)))


def _qr_vjp(g: Any, y: Any, a: Array) -> Array:
    """Walter and Lehmann, 2018, and Roberts and Roberts, 2020, for wide matrices: A = Q (R, S)."""
    q, r = y
    gq, gr = conj(g[0]), conj(g[1])
    n = q.shape[-1]
    if a.shape[-1] == n:
        return conj(_qr_square_vjp(gq, gr, q, r))
    gs = gr[..., n:]
    first = _qr_square_vjp(gq + a[..., n:] @ mH(gs), gr[..., :n], q, r[..., :n])
    return conj(np.concatenate([first, q @ gs], axis=-1))


def _qr_jvp(t: Array, y: Any, a: Array) -> tuple[Array, Array]:
    q, r = y
    n = q.shape[-1]
    moved = mT(np.linalg.solve(mT(r[..., :n]), mT(t[..., :n])))
    inner = mH(q) @ moved
    triangle = halved(np.triu(inner + mH(inner)))
    dq, dr = moved - q @ triangle, triangle @ r[..., :n]
    if a.shape[-1] == n:
        return dq, dr
    ds = mH(dq) @ a[..., n:] + mH(q) @ t[..., n:]
    return dq, np.concatenate([dr, ds], axis=-1)


def _qr(a: Array, *, mode: str) -> Any:
    if mode == "r":
        return np.linalg.qr(a)[1]
    if mode == "reduced" or (mode == "complete" and a.shape[-2] <= a.shape[-1]):
        return np.linalg.qr(a)
    raise NotDifferentiableError(
        f"linalg.qr(mode={mode!r}) of a matrix of shape {a.shape} has no derivative rule: "
        "mode='reduced' has all that the matrix determines. Or detach() the tensors."
    )


# --- singular values ------------------------------------------------------------------------


@primitive
def thin_svd(a: Array) -> tuple[Array, Array, Array]:
    """Return U, s and Vᴴ of A = U Σ Vᴴ, as np.linalg.svd(a, full_matrices=False).

    >>> u, s, vh = thin_svd(np.diag([3.0, 4.0]))
    >>> s
    array([4., 3.])
    """
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return u, s, vh


def _squared_gaps(s: Array) -> Array:
    """s_j² - s_i², with no more rounding than the difference itself."""
    return _gaps(s) * (np.expand_dims(s, -2) + np.expand_dims(s, -1))


def _turn(inner: Array, s: Array) -> Array:
    """How vectors must turn to make a matrix diagonal again."""
    return quotient(_off_diagonal(inner), _squared_gaps(s))


def _phases(inner: Array, s: Array) -> Array:
    """The part of complex matrices that turns the phases of U against those of V."""
    return diagonal_matrix(quotient(1j * np.imag(_diagonal(inner)), s))


def _svd_vjp(g: Any, y: Any, a: Array) -> Array:
    """Townsend, "Differentiating the singular value decomposition", 2016, with U and V thin."""
    u, s, vh = y
    gu, gvh = conj(g[0]), conj(g[2])
    at_u, at_v = mH(u) @ gu, gvh @ mH(vh)
    row, column = np.expand_dims(s, -2), np.expand_dims(s, -1)
    inner = _turn(at_u - mH(at_u), s) * row + column * _turn(mH(at_v) - at_v, s)
    inner = inner + diagonal_matrix(g[1])
    if a.dtype.kind == "c":
        inner = inner + _phases(at_u, s)
    result = u @ inner @ vh
    if a.shape[-2] > s.shape[-1]:
        result = result + quotient(gu - u @ at_u, row) @ vh
    if a.shape[-1] > s.shape[-1]:
        result = result + u @ quotient(gvh - at_v @ vh, column)
    return conj(result)


def _svd_jvp(t: Array, y: Any, a: Array) -> tuple[Array, Array, Array]:
    u, s, vh = y
    inner = mH(u) @ t @ mH(vh)
    row, column = np.expand_dims(s, -2), np.expand_dims(s, -1)
    left, right = inner * row, column * inner
    turn_u = _turn(left + mH(left), s)
    if a.dtype.kind == "c":
        turn_u = turn_u + _phases(inner, s)
    du, dvh = u @ turn_u, -_turn(right + mH(right), s) @ vh
    if a.shape[-2] > s.shape[-1]:
        du = du + quotient((t - u @ (mH(u) @ t)) @ mH(vh), row)
    if a.shape[-1] > s.shape[-1]:
        dvh = dvh + quotient(mH(u) @ (t - (t @ mH(vh)) @ vh), column)
    return du, np.real(_diagonal(inner)), dvh


def _svd(a: Array, *, full_matrices: bool, compute_uv: bool, hermitian: bool) -> Any:
    if hermitian:
        u, s, vh = _symmetric_svd(a)
    elif compute_uv and full_matrices and a.shape[-2] != a.shape[-1]:
        raise NotDifferentiableError(
            f"linalg.svd of a matrix of shape {a.shape} completes U or Vh by vectors that the "
            "matrix does not determine: pass full_matrices=False, or detach() the tensors"
        )
    else:
        u, s, vh = thin_svd(a)
    return SVDResult(u, s, vh) if compute_uv else s


def _symmetric_svd(a: Array) -> tuple[Array, Array, Array]:
    """By eigenvalues, the largest first, with their signs moved into V."""
    values, vectors = np.linalg.eigh(a)
    order = np.flip(np.argsort(np.abs(values)), -1)
    values = np.take_along_axis(values, order, axis=-1)
    vectors = np.take_along_axis(vectors, np.expand_dims(order, -2), axis=-1)
    return vectors, np.abs(values), mH(vectors * np.expand_dims(np.sign(values), -2))


# fmt: off
rule(np.linalg.cholesky, vjp=_cholesky_vjp, jvp=_cholesky_jvp)
general(np.linalg.cholesky, _upper_cholesky)
rule(np.linalg.eigh, vjp=_eigh_vjp, jvp=_eigh_jvp)
composite(np.linalg.eigvalsh, lambda a, *, UPLO: np.linalg.eigh(a, UPLO)[0])
rule(np.linalg.qr, vjp=_qr_vjp, jvp=_qr_jvp)
general(np.linalg.qr, _qr)
rule(thin_svd, vjp=_svd_vjp, jvp=_svd_jvp)
composite(np.linalg.svd, _svd)
composite(np.linalg.svdvals, lambda x: thin_svd(x)[1])

why("From L Lᵀ = A: the factor moves by L times the lower half of L⁻¹ dA L⁻ᵀ.", np.linalg.cholesky)
why("An eigenvalue moves by what A does to its vector; vectors turn towards each other, the more "
    "the closer their eigenvalues are.", np.linalg.eigh)
why("From QR = A: what is below the diagonal of Qᵀ dA R⁻¹ turns Q, what is above changes R.",
    np.linalg.qr)
why("A singular value moves by what A does between its two vectors; vectors turn towards each "
    "other, the more the closer their singular values are.", thin_svd)
# fmt: on

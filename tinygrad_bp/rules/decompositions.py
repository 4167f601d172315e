"""Cholesky, QR and singular value decompositions.

NumPy reads one triangle of a symmetric matrix, and so do the gradients of `cholesky`, `eigh` and
`eigvalsh`: an entry stands for its mirror image, too, and receives both gradients; the other
triangle receives 0. Where the matrix is made of something else that keeps it symmetric, this comes
to the same as a symmetric gradient.

What is said of equal eigenvalues, and of phases, in `eigen` holds for singular values as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.operands import is_foreign
from tinygrad_bp.registry import Array, composite, general, primitive, rule, why
from tinygrad_bp.rules.matrices import (
    conj,
    diagonal,
    diagonal_matrix,
    gaps_of,
    halved,
    mH,
    mirrored,
    mT,
    onto_triangle,
    over_gaps,
    phases_refused,
)

__all__ = ["lower_factor", "singular_system", "singular_vectors", "thin_svd"]

QRResult: Any = type(np.linalg.qr(np.eye(1)))
SVDResult: Any = type(np.linalg.svd(np.eye(1)))


# --- positive definite matrices -------------------------------------------------------------


@primitive
def lower_factor(a: Array) -> Array:
    """Return the lower L with L Lᴴ = a, of a library whose `cholesky` gives the upper one, too.

    >>> lower_factor(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    factor = np.linalg.cholesky(a)
    return np.tril(factor) + np.tril(mH(factor), -1) if is_foreign(factor) else factor


def _cholesky_vjp(g: Array, y: Array, a: Array) -> Array:
    """Murray, "Differentiation of the Cholesky decomposition", 2016, eq. 10."""
    inverse = np.linalg.inv(y)
    inner = halved(np.tril(mT(y) @ g))
    return onto_triangle(mT(inverse) @ inner @ conj(inverse))


def _cholesky_jvp(t: Array, y: Array, a: Array) -> Array:
    """The same, eq. 8."""
    inverse = np.linalg.inv(y)
    return y @ halved(np.tril(inverse @ mirrored(t) @ mH(inverse)))


def _cholesky(a: Array, *, upper: bool) -> Array:
    lower = lower_factor(mH(a) if upper else a)
    return mH(lower) if upper else lower


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
def singular_system(a: Array) -> tuple[Array, Array, Array]:
    """Return the singular values, and vectors that take no gradient themselves: s, U and Vᴴ.

    `singular_vectors` has their gradient.

    >>> singular_system(np.diag([3.0, 4.0]))[0]
    array([4., 3.])
    """
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return s, u, vh


@primitive
def singular_vectors(a: Array, s: Array, u: Array, vh: Array) -> tuple[Array, Array]:
    """Return the vectors that `singular_system` found, as functions of the matrix."""
    return np.positive(u), np.positive(vh)


def thin_svd(a: Array) -> tuple[Array, Array, Array]:
    """Return U, s and Vᴴ as functions of the matrix."""
    s, *found = singular_system(a)
    u, vh = singular_vectors(a, s, *found)
    return u, s, vh


def _singular_values_vjp(g: Any, y: Any, a: Array) -> Array:
    u, vh = singular_vectors(a, *y)
    return conj(u) * np.expand_dims(g[0], -2) @ conj(vh)


def _singular_values_jvp(t: Array, y: Any, a: Array) -> Any:
    u, vh = singular_vectors(a, *y)
    return np.real(diagonal(mH(u) @ t @ mH(vh))), None, None


def _squared_gaps(s: Array) -> Array:
    """s_j² - s_i², with no more rounding than the difference itself."""
    return gaps_of(s) * (np.expand_dims(s, -2) + np.expand_dims(s, -1))


def _phases(inner: Array, s: Array) -> Array:
    """The part of complex matrices that turns the phases of U against those of V."""
    return diagonal_matrix(1j * np.imag(diagonal(inner)) / s)


def _singular_vectors_vjp(  # noqa: PLR0917  (as rules are called)
    g: Any, y: Any, a: Array, s: Array, u: Array, vh: Array
) -> Array:
    """Townsend, "Differentiating the singular value decomposition", 2016; conjugated within."""
    u, vh = y  # the same numbers, but these move with the matrix
    gu, gvh = conj(g[0]), conj(g[1])
    at_u, at_v = mH(u) @ gu, gvh @ mH(vh)
    row, column, gaps = np.expand_dims(s, -2), np.expand_dims(s, -1), _squared_gaps(s)
    inner = over_gaps(at_u - mH(at_u), gaps) * row + column * over_gaps(mH(at_v) - at_v, gaps)
    if a.dtype.kind == "c":
        inner = inner + _phases(at_u, s)
        inner = inner + phases_refused(np.imag(diagonal(at_u) - diagonal(at_v)), at_u, at_v)
    result = u @ inner @ vh
    if a.shape[-2] > s.shape[-1]:
        result = result + (gu - u @ at_u) / row @ vh
    if a.shape[-1] > s.shape[-1]:
        result = result + u @ ((gvh - at_v @ vh) / column)
    return conj(result)


def _singular_vectors_jvp(  # noqa: PLR0917
    t: Array, y: Any, a: Array, s: Array, u: Array, vh: Array
) -> Any:
    u, vh = y
    inner = mH(u) @ t @ mH(vh)
    row, column, gaps = np.expand_dims(s, -2), np.expand_dims(s, -1), _squared_gaps(s)
    left, right = inner * row, column * inner
    turn_u, turn_v = over_gaps(left + mH(left), gaps), over_gaps(right + mH(right), gaps)
    if a.dtype.kind == "c":
        turn_u = turn_u + _phases(inner, s)
    du, dvh = u @ turn_u, -turn_v @ vh
    if a.shape[-2] > s.shape[-1]:
        du = du + (t - u @ (mH(u) @ t)) @ mH(vh) / row
    if a.shape[-1] > s.shape[-1]:
        dvh = dvh + mH(u) @ (t - (t @ mH(vh)) @ vh) / column
    return du, dvh


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
rule(lower_factor, vjp=_cholesky_vjp, jvp=_cholesky_jvp)
composite(np.linalg.cholesky, _cholesky)
rule(np.linalg.qr, vjp=_qr_vjp, jvp=_qr_jvp)
general(np.linalg.qr, _qr)
rule(singular_system, vjp=_singular_values_vjp, jvp=_singular_values_jvp, flat=(1, 2))
rule(singular_vectors,
     vjp=(_singular_vectors_vjp, "flat", "flat", "flat"),
     jvp=(_singular_vectors_jvp, "flat", "flat", "flat"))
composite(np.linalg.svd, _svd)
composite(np.linalg.svdvals, lambda x: singular_system(x)[0])

why("From L Lᵀ = A: the factor moves by L times the lower half of L⁻¹ dA L⁻ᵀ.", lower_factor)
why("From QR = A: what is below the diagonal of Qᵀ dA R⁻¹ turns Q, what is above changes R.",
    np.linalg.qr)
why("A singular value moves by what the change of A does between its two vectors.",
    singular_system)
why("Vectors turn towards each other, the more the closer their singular values are.",
    singular_vectors)
# fmt: on

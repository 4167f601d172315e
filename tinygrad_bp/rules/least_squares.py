"""Pseudo-inverses and least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.operands import beside
from tinygrad_bp.registry import Array, composite, general, primitive, rule, why
from tinygrad_bp.rules.decompositions import thin_svd
from tinygrad_bp.rules.matrices import as_given, columns, conj, mH, mirrored, mT

__all__ = ["least_squares", "truncated_pinv"]


def _pinv_vjp(g: Array, y: Array, a: Array) -> Array:
    """Golub and Pereyra, 1973, eq. 4.12, as long as the rank stays the same."""
    if a.shape[-2] < a.shape[-1]:
        return mT(_pinv_vjp(mT(g), mT(y), mT(a)))
    left = mT(g) @ (y @ mH(y))
    right = mH(y) @ (y @ mT(g))
    return conj(left - a @ (y @ left) + right - right @ (y @ a)) - mT(y) @ (g @ mT(y))


def _pinv_jvp(t: Array, y: Array, a: Array) -> Array:
    if a.shape[-2] < a.shape[-1]:
        return mT(_pinv_jvp(mT(t), mT(y), mT(a)))
    left = (y @ mH(y)) @ mH(t)
    right = (mH(t) @ mH(y)) @ y
    return left - (left @ a) @ y + right - (y @ a) @ right - (y @ t) @ y


@primitive
def truncated_pinv(a: Array, rcond: Any) -> Array:
    """Return np.linalg.pinv(a, rcond): singular values up to rcond times the largest count as 0.

    >>> truncated_pinv(np.diag([4.0, 0.5]), 0.25)
    array([[0.25, 0.  ],
           [0.  , 0.  ]])
    """
    return np.linalg.pinv(a, rcond)


def _slopes(s: Array, rcond: Any) -> tuple[Array, Array, Array]:
    """How entry (i, j) moves with (i, j) and (j, i), in the singular vectors; and 1/s, or 0.

    With f(s) = 1/s or 0, the sums of (f_i - f_j)/(s_i - s_j) and (f_i + f_j)/(s_i + s_j) that are
    the slopes of any function of the singular values; what could vanish has been cancelled.
    """
    limit = np.expand_dims(np.asarray(rcond, like=beside(s)), -1)
    kept = np.greater(s, limit * s[..., :1])  # the largest
    r = np.where(kept, 1 / np.where(kept, s, 1), 0)
    mixed = np.expand_dims(kept, -1) != np.expand_dims(kept, -2)
    squares = np.absolute(np.square(np.expand_dims(s, -1)) - np.square(np.expand_dims(s, -2)))
    across = np.where(mixed, 1 / np.where(mixed, squares, 1), 0)
    crossed = np.expand_dims(s, -1) * np.expand_dims(r, -2)
    along = across * (crossed + mT(crossed)) - np.expand_dims(r, -1) * np.expand_dims(r, -2)
    return along, across, r


def _truncated_pinv_vjp(g: Array, y: Array, a: Array, *, rcond: Any) -> Array:
    if a.shape[-2] < a.shape[-1]:
        return mT(_truncated_pinv_vjp(mT(g), mT(y), mT(a), rcond=rcond))
    u, s, vh = thin_svd(a)
    along, across, r = _slopes(s, rcond)
    inner = conj(vh) @ g @ conj(u)
    reached = conj(u) @ (along * inner + across * mH(inner)) @ conj(vh)
    beside = (mT(g) @ mH(vh)) * np.expand_dims(r * r, -2) @ vh
    return reached + conj(beside - u @ (mH(u) @ beside))


def _truncated_pinv_jvp(t: Array, y: Array, a: Array, *, rcond: Any) -> Array:
    if a.shape[-2] < a.shape[-1]:
        return mT(_truncated_pinv_jvp(mT(t), mT(y), mT(a), rcond=rcond))
    u, s, vh = thin_svd(a)
    along, across, r = _slopes(s, rcond)
    inner = mH(u) @ t @ mH(vh)
    reached = mH(vh) @ (along * inner + across * mH(inner)) @ mH(u)
    beside = mH(vh) @ (np.expand_dims(r * r, -1) * (vh @ mH(t)))
    return reached + beside - (beside @ u) @ mH(u)


def _pinv(a: Array, *, rcond: Any, hermitian: bool, rtol: Any) -> Array:
    """By NumPy's rule for the cutoff; a symmetric matrix is the triangle that NumPy reads."""
    if rcond is None:
        rcond = max(a.shape[-2:]) * float(np.finfo(a.dtype).eps) if rtol is None else rtol
    elif not (isinstance(rtol, float) and rtol == 1e-15):
        raise ValueError("`rtol` and `rcond` can't be both set.")
    return truncated_pinv(mirrored(a) if hermitian else a, rcond)


@primitive
def least_squares(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return the first three results of np.linalg.lstsq: the solution, residuals and the rank.

    >>> x, residuals, rank = least_squares(np.ones((2, 1)), np.array([1.0, 2.0]))
    >>> x, residuals, int(rank)
    (array([1.5]), array([0.5]), 1)
    """
    x, residuals, rank, _ = np.linalg.lstsq(a, b)
    return x, residuals, rank


def _least(a: Array, b: Array) -> Array:
    return least_squares(a, b)[0]


def _misses(y: Any, a: Array, b: Array) -> tuple[Array, Array]:
    """The solution as columns, and by how much it misses the right side."""
    x = columns(y[0], b)
    return x, columns(b, b) - a @ x


def _lstsq_vjp_of_matrix(g: Any, y: Any, a: Array, b: Array) -> Array:
    """X = A⁺ b, by the rule of A⁺; residuals move as if x stood still, since it is the best."""
    x, miss = _misses(y, a, b)
    gx = columns(g[0], b)
    gb = _least(mT(a), gx)
    beside = conj(gx - mT(a) @ gb)  # none if the columns of A are independent
    ga = conj(miss) @ mT(_least(a, conj(gb))) + _least(mT(a), conj(x)) @ mT(beside) - gb @ mT(x)
    return ga - 2 * g[1] * conj(miss) @ mT(x) if y[1].size else ga


def _lstsq_vjp_of_right_side(g: Any, y: Any, a: Array, b: Array) -> Array:
    gb = _least(mT(a), columns(g[0], b))
    if y[1].size:
        gb = gb + 2 * g[1] * conj(_misses(y, a, b)[1])
    return as_given(gb, b)


def _residuals_moved(y: Any, miss: Array, moved: Array) -> Array:
    """How the squared lengths of what is missed move with it."""
    if not y[1].size:
        return np.zeros_like(y[1])
    return 2 * np.real(np.sum(conj(miss) * moved, axis=0))


def _lstsq_jvp_of_matrix(t: Array, y: Any, a: Array, b: Array) -> Any:
    x, miss = _misses(y, a, b)
    moved = -(t @ x)
    beside = mH(t) @ _least(mH(a), x)
    dx = _least(a, moved + _least(mH(a), mH(t) @ miss) - a @ beside) + beside
    return as_given(dx, b), _residuals_moved(y, miss, moved), None


def _lstsq_jvp_of_right_side(t: Array, y: Any, a: Array, b: Array) -> Any:
    moved = columns(t, b)
    residuals = _residuals_moved(y, _misses(y, a, b)[1], moved)
    return as_given(_least(a, moved), b), residuals, None


# fmt: off
rule(np.linalg.pinv, vjp=_pinv_vjp, jvp=_pinv_jvp)
rule(truncated_pinv, vjp=_truncated_pinv_vjp, jvp=_truncated_pinv_jvp)
general(np.linalg.pinv, _pinv)
rule(least_squares, flat=(2,),
     vjp=(_lstsq_vjp_of_matrix, _lstsq_vjp_of_right_side),
     jvp=(_lstsq_jvp_of_matrix, _lstsq_jvp_of_right_side))

why("As for an inverse, and what A does not reach adds its part, since A⁺ is the shortest way "
    "back.", np.linalg.pinv, truncated_pinv)
why("The solution is A⁺ b, and moves as A⁺ does; the residuals are smallest there, so they move "
    "as if the solution stood still.", least_squares)
# fmt: on

composite(np.linalg.lstsq, lambda a, b: (*least_squares(a, b), np.linalg.svdvals(a)))

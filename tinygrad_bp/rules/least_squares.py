"""Pseudo-inverses and least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, composite, general, primitive, rule, why
from tinygrad_bp.rules.decompositions import thin_svd
from tinygrad_bp.rules.matrices import as_given, columns, conj, mH, mirrored, mT

__all__ = ["least_squares"]


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


def _pinv(a: Array, *, rcond: Any, hermitian: bool, rtol: Any) -> Array:
    """By singular values, for cutoffs of one's own: those below it count as 0, but do move."""
    matrix = mirrored(a) if hermitian else a
    u, s, vh = thin_svd(matrix)
    if rcond is None:
        rcond = max(a.shape[-2:]) * float(np.finfo(a.dtype).eps) if rtol is None else rtol
    largest = np.max(s, axis=-1, keepdims=True)
    kept = np.greater(s, np.expand_dims(rcond, -1) * largest)
    reciprocals = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return mH(vh) * np.expand_dims(reciprocals, -2) @ mH(u)


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
general(np.linalg.pinv, _pinv)
rule(least_squares, flat=(2,),
     vjp=(_lstsq_vjp_of_matrix, _lstsq_vjp_of_right_side),
     jvp=(_lstsq_jvp_of_matrix, _lstsq_jvp_of_right_side))

why("As for an inverse, and what A does not reach adds its part, since A⁺ is the shortest way "
    "back.", np.linalg.pinv)
why("The solution is A⁺ b, and moves as A⁺ does; the residuals are smallest there, so they move "
    "as if the solution stood still.", least_squares)
# fmt: on

composite(np.linalg.lstsq, lambda a, b: (*least_squares(a, b), np.linalg.svdvals(a)))

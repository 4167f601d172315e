"""Inverses, determinants, linear equations, and what is made of them."""

from __future__ import annotations

import cmath
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, Each, composite, primitive, rule, why
from tinygrad_bp.rules.decompositions import thin_svd
from tinygrad_bp.rules.elementwise import cast, identity, unvarying
from tinygrad_bp.rules.matrices import as_given, columns, conj, mH, mT, unit_matrix
from tinygrad_bp.rules.products import products_of_others

__all__ = ["cofactors", "cofactors_along"]


# --- determinants ---------------------------------------------------------------------------


@primitive
def cofactors(a: Array) -> Array:
    """Return the slope of a determinant in each entry: det(A) A⁻ᵀ, of singular matrices too.

    Of a diagonal matrix they are the products of the other entries, and A = U Σ Vᴴ is one turned:
    nothing is divided by.

    >>> cofactors(np.array([[1.0, 2.0], [0.0, 0.0]])).round(15) + 0.0
    array([[ 0.,  0.],
           [-2.,  1.]])
    """
    u, s, vh = thin_svd(a)
    turned = conj(u) * np.expand_dims(products_of_others(s), -2) @ conj(vh)
    return _turn(u, vh) * turned


def _turn(u: Array, vh: Array) -> Array:
    """The determinant of the turns on both sides, of length 1, for every entry of a matrix."""
    left, right = (np.expand_dims(np.linalg.det(v), (-2, -1)) for v in (u, vh))
    return left * right


@primitive
def cofactors_along(*arrays: Array) -> Array:
    """Return how the cofactors of the first matrix move, along each of the others in turn.

    These are the higher derivatives of a determinant, a polynomial; each is symmetric in all of its
    directions. Along one it is written out; along more, a coefficient of a polynomial is read off
    its values on a circle, which is exact (Trefethen and Weideman, 2014).

    >>> cofactors_along(np.zeros((2, 2)), np.array([[1.0, 2.0], [3.0, 4.0]])).round(15)
    array([[ 4., -3.],
           [-2.,  1.]])
    """
    a, *earlier, last = arrays
    if not earlier:
        return _moved(last, a)
    n = max(a.shape[-1], 1)
    size, length = (np.sqrt(np.sum(np.abs(x) ** 2, (-2, -1), keepdims=True)) for x in (a, last))
    reach = np.where(size == 0, 1, size) / np.where(length == 0, 1, length)
    total, here = np.zeros_like(a, complex), cofactors_along(cast(a, complex), *earlier)
    for k in range(n):
        turn = cmath.exp(2j * math.pi * k / n)
        around = cast(a + reach * turn * last, complex)
        total = total + (cofactors_along(around, *earlier) - here) * turn.conjugate()
    with np.errstate(under="ignore"):  # what should be 0 is as small as rounding leaves it
        slope = cast(total / (n * reach), np.result_type(*arrays, np.complex64))
    return slope if any(map(np.iscomplexobj, arrays)) else np.real(slope)


def _moved(t: Array, a: Array) -> Array:
    """How cofactors move along t.

    Of a diagonal matrix, with p_ij the product of all entries but two: a cofactor on the diagonal
    moves by p_ij with each other entry there, and one beside it by -p_ij with its mirror image.
    """
    u, s, vh = thin_svd(a)
    inner = mH(u) @ t @ mH(vh)
    same = unit_matrix(s, s.shape[-1], bool)
    all_but_one = np.where(same, 1, np.expand_dims(s, -2))
    all_but_two = np.where(same, 0, products_of_others(all_but_one))
    moved = all_but_two @ np.expand_dims(np.diagonal(inner, axis1=-2, axis2=-1), -1)
    inner = np.where(same, moved, -all_but_two * mT(inner))
    return _turn(u, vh) * (conj(u) @ inner @ conj(vh))


def _along_instead(i: int, g: Array, y: Array, *arrays: Array) -> Array:
    """One more direction for the matrix, another for a direction: forward and backward alike."""
    if i == 0:
        return cofactors_along(*arrays, g)
    return cofactors_along(*arrays[:i], g, *arrays[i + 1 :])


def _slogdet_vjp(g: tuple[Array, Array], y: tuple[Array, Array], a: Array) -> Array:
    """The sign of a complex determinant turns; that of a real one does not move."""
    along = g[1] + 1j * np.imag(g[0] * y[0]) if a.dtype.kind == "c" else g[1]
    return np.expand_dims(along, (-2, -1)) * mT(np.linalg.inv(a))


def _slogdet_jvp(t: Array, y: tuple[Array, Array], a: Array) -> tuple[Array, Array]:
    moved = np.sum(t * mT(np.linalg.inv(a)), axis=(-2, -1))
    if a.dtype.kind == "c":
        return 1j * y[0] * np.imag(moved), np.real(moved)
    return np.zeros_like(y[0]), moved


# --- equations ------------------------------------------------------------------------------


def _solved(a: Array, v: Array, b: Array) -> Array:
    """Solve for the right side v, which is shaped as the answer to `b` is."""
    return as_given(np.linalg.solve(a, columns(v, b)), b)


def _solve_vjp_of_matrix(g: Array, y: Array, a: Array, b: Array) -> Array:
    return -np.linalg.solve(mT(a), columns(g, b)) @ mT(columns(y, b))


# fmt: off
rule(np.linalg.inv,
     vjp=lambda g, y, a: -(mT(y) @ g @ mT(y)),
     jvp=lambda t, y, a: -(y @ t @ y))
rule(np.linalg.det,
     vjp=lambda g, y, a: np.expand_dims(g, (-2, -1)) * cofactors(a),
     jvp=lambda t, y, a: np.sum(t * cofactors(a), axis=(-2, -1)))
rule(cofactors,
     vjp=lambda g, y, a: cofactors_along(a, g),
     jvp=lambda t, y, a: cofactors_along(a, t))
rule(cofactors_along, vjp=Each(_along_instead), jvp=Each(_along_instead))
rule(np.linalg.slogdet, vjp=_slogdet_vjp, jvp=_slogdet_jvp)
rule(np.linalg.solve,
     vjp=(_solve_vjp_of_matrix, lambda g, y, a, b: _solved(mT(a), g, b)),
     jvp=(lambda t, y, a, b: -_solved(a, as_given(t @ columns(y, b), b), b),
          lambda t, y, a, b: np.linalg.solve(a, t)),
     broadcasts=True)

why("From A⁻¹ A = 1: the inverse moves by -A⁻¹ dA A⁻¹.", np.linalg.inv)
why("The slope of a determinant in an entry is that entry's cofactor.", np.linalg.det)
why("A cofactor is a determinant of all other rows and columns, and has cofactors of its own.",
    cofactors, cofactors_along)
why("The slope of log |det A| is the inverse, transposed.", np.linalg.slogdet)
why("The right side receives the solution of the transposed equations; the matrix receives minus "
    "that, times the solution.", np.linalg.solve)
# fmt: on


# --- what is made of these ------------------------------------------------------------------


def _matrix_power(a: Array, *, n: int) -> Array:
    """By repeated squaring."""
    if n == 0:
        return unvarying(np.broadcast_to(unit_matrix(a, a.shape[-1], a.dtype), a.shape), a)
    square, result = np.linalg.inv(a) if n < 0 else identity(a), None
    for digit in reversed(f"{abs(n):b}"):
        if digit == "1":
            result = square if result is None else square @ result
        square = square @ square
    return result


@functools.cache
def _cheapest(sizes: tuple[int, ...]) -> tuple[int, int]:
    """How many multiplications a chain of matrices takes, and where it is best cut in two."""
    if len(sizes) <= 2:
        return 0, 0
    return min(
        (
            _cheapest(sizes[: k + 1])[0]
            + _cheapest(sizes[k:])[0]
            + sizes[0] * sizes[k] * sizes[-1],
            k,
        )
        for k in range(1, len(sizes) - 1)
    )


def _chained(matrices: Sequence[Array]) -> Array:
    if len(matrices) == 1:
        return matrices[0]
    _, k = _cheapest((matrices[0].shape[0], *(m.shape[1] for m in matrices)))
    return _chained(matrices[:k]) @ _chained(matrices[k:])


def _multi_dot(*arrays: Array) -> Array:
    """The first may be a row and the last a column, as vectors."""
    first, *others = arrays
    if not others:
        raise ValueError("multi_dot expects at least two arrays")
    *between, last = others
    row = first[None] if first.ndim == 1 else first
    column = last[:, None] if last.ndim == 1 else last
    product = _chained([row, *between, column])
    return np.reshape(product, (*first.shape[:-1], *last.shape[1:]))


def _tensorinv(a: Array, *, ind: int) -> Array:
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    rows = math.prod(a.shape[ind:])
    inverse = np.linalg.inv(np.reshape(a, (rows, -1)))
    return np.reshape(inverse, (*a.shape[ind:], *a.shape[:ind]))


def _tensorsolve(a: Array, b: Array, *, axes: Sequence[int] | None) -> Array:
    others = [axis for axis in range(a.ndim) if axis not in (axes or ())]
    turned = np.transpose(a, (*others, *(axes or ())))
    unknowns = turned.shape[np.ndim(b) :]
    matrix = np.reshape(turned, (-1, math.prod(unknowns)))
    return np.reshape(np.linalg.solve(matrix, np.ravel(b)), unknowns)


def _cond(x: Array, *, p: Any) -> Array:
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    sizes = [np.linalg.matrix_norm(m, ord=p) for m in (x, np.linalg.inv(x))]
    return sizes[0] * sizes[1]


composite(np.linalg.matrix_power, _matrix_power)
composite(np.linalg.multi_dot, _multi_dot)
composite(np.linalg.tensorinv, _tensorinv)
composite(np.linalg.tensorsolve, _tensorsolve)
composite(np.linalg.cond, _cond)

"""What the table of specs cannot say of matrices: named results, equal values, singular ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, gradients
from tinygrad_bp.errors import NotDifferentiableError

Array = Any
Function = Callable[[Any], Any]

A = np.array([[4.0, 1.0, -0.5], [0.5, 6.0, 1.0], [-1.0, 0.5, 8.0]])
ONE = np.eye(3)
WEIGHTS = np.arange(9.0).reshape(3, 3)


def slope(f: Function, at: Array, *, order: int = 1) -> Array:
    x = Tensor(at, requires_grad=True)
    y = f(x)
    if order == 2:
        [g] = gradients(y, [x], create_graph=True)
        y = np.sum(g * WEIGHTS)
    return gradients(y, [x])[0].data


def logarithm(values: Array, vectors: Array) -> Array:
    return (vectors * np.log(values)) @ vectors.T


def put_together(u: Array, s: Array, vh: Array) -> Array:
    return (u * s) @ vh


# --- results with names ---------------------------------------------------------------------


NAMED: dict[str, Function] = {
    "qr": np.linalg.qr,
    "eigh": np.linalg.eigh,
    "svd": np.linalg.svd,
    "slogdet": np.linalg.slogdet,
}


@pytest.mark.parametrize("f", NAMED.values(), ids=NAMED)
@pytest.mark.parametrize("requires_grad", [True, False])
def test_results_have_numpys_names(f: Function, requires_grad: bool) -> None:
    result, expected = f(Tensor(A, requires_grad=requires_grad)), f(A)
    assert type(result) is type(expected)
    for part, name in zip(result, expected._fields, strict=True):
        assert getattr(result, name) is part
        assert isinstance(part, Tensor) or not requires_grad
        np.testing.assert_allclose(np.asarray(part.data), getattr(expected, name), atol=1e-14)


def test_lstsq_gives_all_that_numpy_gives() -> None:
    a, b = A[:, :2], np.arange(3.0)
    result = np.linalg.lstsq(Tensor(a, requires_grad=True), b)
    for part, wanted in zip(result, np.linalg.lstsq(a, b), strict=True):
        np.testing.assert_allclose(part.data, wanted, atol=1e-14)


# --- singular matrices, equal values --------------------------------------------------------


@pytest.mark.parametrize(
    "at", [np.outer([1.0, 2.0, 3.0], [1.0, -1.0, 1.0]), A - A[0], 0 * A, ONE, A], ids=str
)
def test_determinants_of_singular_matrices_have_slopes(at: Array) -> None:
    """To the third order a determinant of three rows is its own Taylor polynomial."""
    t = WEIGHTS / 8 - 0.3

    def along(h: float) -> float:
        return float(np.linalg.det(at + h * t))

    np.testing.assert_allclose(
        np.sum(slope(np.linalg.det, at) * t),
        (8 * (along(1) - along(-1)) - (along(2) - along(-2))) / 12, atol=1e-12,
    )  # fmt: skip
    x = Tensor(at, requires_grad=True)
    [g] = gradients(np.linalg.det(x), [x], create_graph=True)
    curved = gradients(np.sum(g * t), [x])[0].data
    np.testing.assert_allclose(
        np.sum(curved * t), along(1) - 2 * along(0) + along(-1), atol=1e-12
    )  # fmt: skip


def test_a_singular_matrix_has_no_logarithm() -> None:
    with pytest.raises(np.linalg.LinAlgError), np.errstate(all="ignore"):
        slope(lambda x: np.linalg.slogdet(x)[1], np.ones((2, 2)))


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: np.sum(np.linalg.eigvalsh(x)), ONE),
        (lambda x: np.sum(np.linalg.eigh(x).eigenvalues), ONE),
        (lambda x: np.sum(np.linalg.svd(x).S), ONE),
        (lambda x: np.linalg.norm(x, "nuc"), ONE),
        (lambda x: np.linalg.norm(x, 2), ONE / 3),
        (lambda x: np.sum(np.linalg.pinv(x) * WEIGHTS), -WEIGHTS),
        (lambda x: np.sum(np.linalg.lstsq(x, ONE)[0] * WEIGHTS), -WEIGHTS),
    ],
)
def test_what_equal_values_determine_keeps_its_slope(f: Function, expected: Array) -> None:
    np.testing.assert_allclose(slope(f, ONE), expected, atol=1e-14)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.linalg.eigh(x)[1] * WEIGHTS),
        lambda x: np.sum(np.linalg.svd(x)[0]),
        # Well determined, but not by this formula; nothing finite comes out of it.
        lambda x: np.sum(logarithm(*np.linalg.eigh(x))),
        lambda x: np.sum(put_together(*np.linalg.svd(x))),
    ],
)
def test_vectors_of_equal_values_have_no_finite_slope(f: Function) -> None:
    with np.errstate(all="ignore"):
        assert not np.all(np.isfinite(slope(f, ONE)))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.linalg.eigh(x @ np.conj(x.mT))[1],
        lambda x: np.linalg.svd(x)[0],
        lambda x: np.linalg.svd(x)[2],
    ],
)
def test_phases_that_nothing_determines_are_refused(f: Function) -> None:
    """The same loss without them has a gradient."""
    z = A + 1j * WEIGHTS / 5
    assert np.any(np.isnan(slope(lambda x: np.sum(np.real(f(x)) * WEIGHTS), z)))
    assert np.all(np.isfinite(slope(lambda x: np.sum(np.abs(f(x)) * WEIGHTS), z)))


def test_phases_of_other_eigenvectors_are_numpys() -> None:
    z, t = A + 1j * WEIGHTS / 5, WEIGHTS / 7 + 0.3j

    def f(x: Array) -> Array:
        return np.sum(np.imag(np.linalg.eig(x).eigenvectors) * WEIGHTS)

    h = 1e-4
    wanted = (f(z + h * t) - f(z - h * t)) / (2 * h)
    np.testing.assert_allclose(np.real(np.sum(np.conj(slope(f, z)) * t)), wanted, rtol=1e-6)


@pytest.mark.parametrize("options", [{"rcond": 1e-9}, {"rtol": None}, {"hermitian": True}])
def test_singular_matrices_have_pseudo_inverses_with_slopes(options: dict[str, Any]) -> None:
    """Along the matrices of their rank, which is where a pseudo-inverse moves smoothly."""
    b, t = A[:, :2], WEIGHTS[:, :2] / 8 - 0.3
    flat = {**options, "rcond": 1e-9} if "hermitian" in options else options

    def f(x: Array) -> Array:
        return np.sum(np.linalg.pinv(x @ x.T, **flat) * WEIGHTS)

    h = 1e-4
    wanted = (f(b + h * t) - f(b - h * t)) / (2 * h)
    np.testing.assert_allclose(np.sum(slope(f, b) * t), wanted, rtol=1e-6)


def test_two_cutoffs_are_an_error() -> None:
    with pytest.raises(ValueError, match="both"):
        np.linalg.pinv(Tensor(A, requires_grad=True), rcond=0.1, rtol=0.1)


def test_the_second_slope_of_equal_singular_values_is_not_finite() -> None:
    with np.errstate(all="ignore"):
        found = slope(lambda x: np.sum(np.square(np.linalg.svdvals(x))), 0 * A, order=2)
    assert not np.all(np.isfinite(found))


@pytest.mark.parametrize("f", [np.linalg.cholesky, np.linalg.eigvalsh])
def test_the_triangle_that_is_read_receives_the_gradient(f: Function) -> None:
    lower = slope(lambda x: np.sum(f(x)), A)
    assert np.all(np.triu(lower, 1) == 0)
    b = A + 0.1
    whole = slope(lambda x: np.sum(f(x @ x.T)), b)  # of a symmetric matrix, either way
    gs = slope(lambda x: np.sum(f((x + x.T) / 2)), b @ b.T)
    np.testing.assert_allclose(whole, 2 * gs @ b, atol=1e-12)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.linalg.svd(x[:2]),
        lambda x: np.linalg.qr(x[:, :2], mode="complete"),
        lambda x: np.linalg.qr(x, mode="raw"),
        lambda x: np.linalg.lstsq(x, x, rcond=0.1),
        lambda x: np.linalg.multi_dot([x, x], out=np.empty((3, 3))),
        lambda x: np.einsum("ij->ji", x, out=np.empty((3, 3))),
    ],
)
def test_what_a_matrix_does_not_determine_is_refused(f: Function) -> None:
    with pytest.raises(NotDifferentiableError):
        f(Tensor(A, requires_grad=True))


@pytest.mark.parametrize("order", [1.5, 2.0, 3, math.inf, 1])
def test_norms_at_the_origin_have_slope_zero(order: float) -> None:
    [g] = slope(lambda x: np.sum(np.linalg.norm(x, order, axis=1)), np.zeros((1, 3)))
    assert g.tolist() == [0, 0, 0]


def test_a_count_of_entries_is_flat() -> None:
    found = np.linalg.norm(Tensor([0.0, 2.0, 3.0], requires_grad=True), 0)
    assert type(found) is np.float64
    assert found == 2


@pytest.mark.parametrize("wrong", ["nuclear", 3, 0])
def test_unknown_matrix_norms_are_errors(wrong: Any) -> None:
    for x in (A, Tensor(A, requires_grad=True)):
        with pytest.raises(ValueError, match="norm"):
            np.linalg.norm(x, wrong)


@pytest.mark.parametrize("axis", [(0, 0), (0, 1, 2)])
def test_a_norm_of_other_axes_is_an_error(axis: Any) -> None:
    for x in (np.ones((2, 2, 2)), Tensor(np.ones((2, 2, 2)), requires_grad=True)):
        with pytest.raises(ValueError, match=r"dimensions|axis|axes|Duplicate"):
            np.linalg.norm(x, 1, axis=axis)


@pytest.mark.parametrize(
    "matrix",
    [np.outer([1.0, 2, 3], [1, 1, 2]), np.eye(3), np.zeros((3, 3)), np.diag([2.0, 2, 5])],
    ids=["rank 1", "turn", "zero", "equal singular values"],
)
def test_third_derivatives_of_a_determinant(matrix: np.ndarray) -> None:
    """Along v three times over it is 6 det v, whatever the matrix: the gradient is 2 of cof v."""
    v = np.random.default_rng(7).normal(size=(3, 3))
    slope = bp.grad(np.linalg.det)
    once = bp.grad(lambda p: np.sum(slope(p) * v))
    twice = bp.grad(lambda p: np.sum(once(p) * v))(matrix)
    np.testing.assert_allclose(twice, 2 * np.linalg.det(v) * np.linalg.inv(v).T, rtol=1e-12)

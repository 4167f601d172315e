"""Matrices of PyTorch's that NumPy lacks: triangular systems, blocks, powers of a vector."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations as chosen
from itertools import combinations_with_replacement as chosen_again
from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = [
    "block_diag",
    "broadcast_tensors",
    "cartesian_prod",
    "chain_matmul",
    "combinations",
    "complex",
    "cumulative_trapezoid",
    "diag_embed",
    "matrix_norm",
    "polar",
    "solve_triangular",
    "std_mean",
    "trapezoid",
    "trapz",
    "vander",
    "var_mean",
    "view_as_complex",
    "view_as_real",
]


def solve_triangular(
    A: Array,
    B: Array,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Tensor:
    """Return the X of A X = B, or of X A = B without `left`; of A, only one triangle is read.

    With `unitriangular`, the diagonal counts as ones.

    >>> solve_triangular(np.array([[2.0, 9.0], [1.0, 1.0]]), np.array([[2.0], [3.0]]), upper=False)
    Tensor([[1.],
            [2.]])
    """
    a, b = tensor_of(A), tensor_of(B)
    inside = int(unitriangular)
    triangle: Any = np.triu(a, inside) if upper else np.tril(a, -inside)
    if unitriangular:
        triangle = triangle + np.eye(a.shape[-1], dtype=a.dtype)
    if left:
        return tensor_of(np.linalg.solve(triangle, b))
    return tensor_of(np.linalg.solve(triangle.mT, b.mT)).mT


def matrix_norm(
    A: Array,
    ord: Any = "fro",  # noqa: A002
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
) -> Tensor:
    """Return norms of matrices in two axes; `ord` as in `np.linalg.matrix_norm`.

    >>> matrix_norm(np.array([[3.0, 0.0], [0.0, -4.0]]), "nuc")
    Tensor(7.)
    """
    axes = tuple(dim)
    x = tensor_of(A)
    y = tensor_of(np.linalg.matrix_norm(np.moveaxis(x, axes, (-2, -1)), ord=ord))
    places = tuple([range(x.ndim)[axis] for axis in axes])
    return tensor_of(np.expand_dims(y, places)) if keepdim else y


def block_diag(*tensors: Array) -> Tensor:
    """Return the matrices along the diagonal of a larger one; vectors and numbers are rows.

    >>> block_diag(np.array([[1.0, 2.0]]), np.array([3.0]))
    Tensor([[1., 2., 0.],
            [0., 0., 3.]])
    """
    blocks = [np.atleast_2d(tensor_of(t)) for t in tensors]
    width = sum(block.shape[1] for block in blocks)
    rows, before = [], 0
    for block in blocks:
        if block.ndim != 2:
            raise ShapeError(f"block_diag: a block of shape {block.shape} is no matrix")
        after = width - before - block.shape[1]
        rows.append(np.pad(block, [(0, 0), (before, after)]))
        before += block.shape[1]
    return tensor_of(np.concatenate(rows))


def broadcast_tensors(*tensors: Array) -> tuple[Tensor, ...]:
    """Return all tensors in their common shape.

    >>> [t.shape for t in broadcast_tensors(np.ones((2, 1)), np.ones(3))]
    [(2, 3), (2, 3)]
    """
    given = [tensor_of(t) for t in tensors]
    shape = np.broadcast_shapes(*[t.shape for t in given])
    return tuple([tensor_of(np.broadcast_to(t, shape)) for t in given])


def cartesian_prod(*tensors: Array) -> Tensor:
    """Return all choices of one element of each vector, one a row; of one vector, itself.

    >>> cartesian_prod(np.array([1.0, 2.0]), np.array([3.0])).tolist()
    [[1.0, 3.0], [2.0, 3.0]]
    """
    given = [tensor_of(t) for t in tensors]
    if len(given) == 1:
        return given[0]
    grids = np.meshgrid(*given, indexing="ij")
    return tensor_of(np.stack([np.ravel(grid) for grid in grids], axis=-1))


def combinations(x: Array, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return all choices of r elements of a vector, in their order, one a row.

    >>> combinations(np.array([1.0, 2.0, 3.0])).tolist()
    [[1.0, 2.0], [1.0, 3.0], [2.0, 3.0]]
    """
    x = tensor_of(x)
    choices = (chosen_again if with_replacement else chosen)(range(x.size), r)
    return tensor_of(np.take(x, np.array(list(choices), int).reshape(-1, r)))


def chain_matmul(*matrices: Array) -> Tensor:
    """Return the product of matrices, in the order of multiplications that is fastest.

    >>> chain_matmul(np.ones((1, 2)), np.ones((2, 3)), np.ones((3, 1)))
    Tensor([[6.]])
    """
    given = [tensor_of(m) for m in matrices]
    return given[0] if len(given) == 1 else tensor_of(np.linalg.multi_dot(given))


def diag_embed(x: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return matrices, in two axes, with the vectors of the last axis on a diagonal.

    >>> diag_embed(np.array([1.0, 2.0]))
    Tensor([[1., 0.],
            [0., 2.]])
    """
    x = tensor_of(x)
    n = x.shape[-1] + abs(offset)
    row, column = max(-offset, 0), max(offset, 0)
    places = np.eye(n, k=offset, dtype=bool)
    spread = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(row, column)])
    y = np.where(places, np.expand_dims(spread, -1), 0)
    return tensor_of(np.moveaxis(y, (-2, -1), (dim1, dim2)))


def vander(x: Array, *, N: int | None = None) -> Tensor:
    """Return the powers 0, 1, ..., N - 1 of each element, along a new last axis.

    That is `torch.linalg.vander`; `np.vander` begins with the highest power.

    >>> vander(np.array([2.0, 3.0]))
    Tensor([[1., 2.],
            [1., 3.]])
    """
    x = tensor_of(x)
    n = x.shape[-1] if N is None else N
    ones = np.ones((*x.shape, 1), x.dtype)
    if n < 2:
        return tensor_of(ones[..., :n])
    powers = np.broadcast_to(np.expand_dims(x, -1), (*x.shape, n - 1))
    return tensor_of(np.cumprod(np.concatenate([ones, powers], axis=-1), axis=-1))


# --- along an axis --------------------------------------------------------------------------


def trapezoid(y: Array, x: Array | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """Return the integral along an axis, by the trapezoidal rule.

    >>> trapezoid(np.array([1.0, 3.0, 5.0]))
    Tensor(6.)
    """
    return np.sum(_areas(y, x, dx, dim), axis=dim)


trapz = trapezoid


def cumulative_trapezoid(y: Array, x: Array | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """Return the integral along an axis up to each point but the first, by the trapezoidal rule.

    >>> cumulative_trapezoid(np.array([1.0, 3.0, 5.0]))
    Tensor([2., 6.])
    """
    return tensor_of(np.cumsum(_areas(y, x, dx, dim), axis=dim))


def _areas(y: Any, x: Any, dx: Any, dim: int) -> Any:
    y = tensor_of(y)
    if x is not None:
        x = tensor_of(x)
        along = x.ndim == 1 and y.ndim > 1
        dx = np.diff(x, axis=-1 if along else dim)
        if along:
            dx = dx.reshape(-1, *(1,) * (y.ndim - 1 - range(y.ndim)[dim]))
    moved = np.moveaxis(y, dim, -1)
    sums = np.moveaxis(moved[..., 1:] + moved[..., :-1], -1, dim)
    return sums * dx * 0.5


def var_mean(x: Array, axis: Any = None, **options: Any) -> tuple[Tensor, Tensor]:
    """Return the variance and the mean along axes; PyTorch's default is correction=1.

    >>> var_mean(np.array([1.0, 3.0]))
    (Tensor(2.), Tensor(2.))
    """
    return tensor_of(x).var_mean(axis, **options)


def std_mean(x: Array, axis: Any = None, **options: Any) -> tuple[Tensor, Tensor]:
    """Return the standard deviation and the mean along axes; PyTorch's default is correction=1.

    >>> std_mean(np.array([1.0, 5.0]), correction=0)
    (Tensor(2.), Tensor(3.))
    """
    return tensor_of(x).std_mean(axis, **options)


# --- complex numbers ------------------------------------------------------------------------


def complex(real: Array, imag: Array) -> Tensor:  # noqa: A001  (PyTorch's name)
    """Return real + i imag.

    >>> complex(np.array([1.0]), np.array([2.0]))
    Tensor([1.+2.j], dtype=complex128)
    """
    return tensor_of(real) + 1j * tensor_of(imag)


def polar(abs: Array, angle: Array) -> Tensor:  # noqa: A002  (PyTorch's names)
    """Return the complex numbers of a magnitude and an angle.

    >>> polar(np.array([2.0]), np.array([0.0]))
    Tensor([2.+0.j], dtype=complex128)
    """
    size, angle = tensor_of(abs), tensor_of(angle)
    return complex(size * np.cos(angle), size * np.sin(angle))


def view_as_complex(x: Array) -> Tensor:
    """Return complex numbers, whose real and imaginary parts are along a last axis of length 2.

    >>> view_as_complex(np.array([[1.0, 2.0]]))
    Tensor([1.+2.j], dtype=complex128)
    """
    x = tensor_of(x)
    if x.shape[-1:] != (2,):
        raise ShapeError(f"view_as_complex: the last axis of {x.shape} has not two elements")
    return complex(x[..., 0], x[..., 1])


def view_as_real(x: Array) -> Tensor:
    """Return the real and imaginary parts of complex numbers, along a last axis of length 2.

    >>> view_as_real(np.array([1.0 + 2.0j]))
    Tensor([[1., 2.]])
    """
    x = tensor_of(x)
    return tensor_of(np.stack([np.real(x), np.imag(x)], axis=-1))

"""The few computations that a training step is made of, in the shortest time NumPy allows.

For a small array most of the time goes into finding out what to do, for a large one into memory.
Plain arrays take the shortest way there is; tensors, symbols and foreign arrays go through NumPy's
protocols, so rules may call these functions.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tinygrad_bp.registry import Array

__all__ = [
    "logistic",
    "matrix_product",
    "ones",
    "squared_length",
    "sum_of_outer_products",
    "sum_of_rows",
]


@functools.lru_cache(maxsize=64)
def ones(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of ones, made once and read-only.

    To look one up takes a third of the time in which NumPy makes an array of the number 1.

    >>> ones((3,), np.dtype(np.float32))
    array([1., 1., 1.], dtype=float32)
    """
    found = np.ones(shape, dtype)
    found.setflags(write=False)
    return found


def logistic(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), which overflows on the way where x is far below 0.

    >>> logistic(np.array([0.0, 100.0]))
    array([0.5, 1. ])
    """
    if type(x) is not np.ndarray or x.ndim == 0 or x.dtype.kind != "f":
        return 1 / (1 + np.exp(-x))
    y = np.negative(x)
    np.exp(y, y)
    y += ones((), y.dtype)
    return np.reciprocal(y, y)


def matrix_product(a: Array, b: Array) -> Array:
    """Return a @ b; the method `dot` takes half the time of the operator.

    >>> matrix_product(np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 4.]])
    """
    return a.dot(b) if _plain_matrices(a, b) else a @ b


def sum_of_outer_products(g: Array, x: Array) -> Array:
    """Return Σ g xᵀ over the examples, all axes but the last: (..., m), (..., n) to (m, n).

    >>> sum_of_outer_products(np.ones((5, 4, 2)), np.ones((5, 4, 3))).tolist()
    [[20.0, 20.0, 20.0], [20.0, 20.0, 20.0]]
    """
    return g.T.dot(x) if _plain_matrices(g, x) else _rows(g).T @ _rows(x)


def sum_of_rows(a: Array) -> Array:
    """Return Σ of the rows of a matrix: a product with ones takes a third of `sum(axis=0)`.

    >>> sum_of_rows(np.ones((5, 2)))
    array([5., 5.])
    """
    row = ones((len(a),), a.dtype)
    return row.dot(a) if type(a) is np.ndarray else np.dot(row, a)


def squared_length(a: Array) -> Array:
    """Return Σ a² over all elements.

    >>> float(squared_length(np.array([[1.0, 2.0], [3.0, 4.0]])))
    30.0
    """
    if type(a) is np.ndarray:
        flat = a.ravel()
        return flat.dot(flat)
    flat = np.ravel(a)
    return np.dot(flat, flat)


def _plain_matrices(a: Array, b: Array) -> bool:
    return type(a) is np.ndarray is type(b) and a.ndim == 2


def _rows(a: Array) -> Array:
    return a if a.ndim == 2 else np.reshape(a, (-1, a.shape[-1]))

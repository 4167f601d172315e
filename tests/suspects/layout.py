"""Gradients that take the order in memory for the order of axes, and right ones that may not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from suspects.case import Case

Array = Any

MATRIX = np.array([[0.4, -1.2, 2.0, 0.7], [1.5, 0.3, -0.6, -2.1], [0.9, 1.1, -0.2, 1.8]])
SQUARE = np.array([[0.4, -1.2, 2.0], [1.5, 0.3, -0.6], [0.9, 1.1, -0.2]])
SIGNAL = np.array([0.5, -1.0, 2.0, 0.7, 1.3, -0.4, 0.9, 1.6])
WEIGHTS = np.arange(1.0, 13.0)
WORDS = np.array([[2, 0, 3], [3, 1, 0]])
MIXING = np.array([[1.0, 0.5, -0.3, 0.2, 0.8, -1.0], [0.1, -0.7, 0.4, 0.9, -0.2, 0.6]])

# --- flattening --------------------------------------------------------------------------------


def weighted_squares(x: Array) -> Array:
    return np.sum(WEIGHTS * x.ravel() ** 2)


def weighted_squares_backward(g: Array, x: Array) -> Array:
    return (2 * g * WEIGHTS * x.ravel(order="K")).reshape(x.shape)


def sine_there_and_back(g: Array, x: Array) -> Array:
    flat = np.cos(x.reshape(-1, order="A"))
    return g * flat.reshape(x.shape, order="A")  # what is flat has no order to remember


def sine_by_its_own_order(g: Array, x: Array) -> Array:
    order: Any = "F" if x.flags.fnc else "C"
    return g * np.cos(x.ravel(order)).reshape(x.shape, order=order)


def above_the_diagonal(x: Array) -> Array:
    return np.diagonal(x, 1) ** 2


def above_the_diagonal_backward(g: Array, x: Array) -> Array:
    n = len(x)
    dx = np.zeros((n, n))
    dx[np.arange(n - 1), np.arange(1, n)] = 2 * g * x.ravel(order="K")[1 : -n : n + 1]
    return dx


def squared_diagonal(x: Array) -> Array:
    return np.diagonal(x) ** 2


def squared_diagonal_backward(g: Array, x: Array) -> Array:
    return np.diag(2 * g * x.ravel(order="K")[:: len(x) + 1])  # the same in either order


def mixed_columns(x: Array) -> Array:
    return MIXING @ x.T.ravel()


def mixed_columns_backward_by_rows(g: Array, x: Array) -> Array:
    return (MIXING.T @ g).reshape(x.shape)


def mixed_columns_backward(g: Array, x: Array) -> Array:
    return (MIXING.T @ g).reshape(x.shape[::-1]).T


def largest_backward_by_memory(g: Array, x: Array) -> Array:
    dx = np.zeros(x.shape)
    dx.flat[np.argmax(x.ravel(order="K"))] = g
    return dx


def largest_backward(g: Array, x: Array) -> Array:
    dx = np.zeros_like(x)
    dx[np.unravel_index(np.argmax(x), x.shape)] = g
    return dx


def embedded(table: Array) -> Array:
    return table[WORDS]


def embedded_backward(g: Array, table: Array) -> Array:
    return np.bincount(WORDS.ravel(), weights=g.ravel(order="K"), minlength=len(table))


def ranked(x: Array) -> Array:
    return WEIGHTS @ np.sort(x, axis=None)


def ranked_backward(g: Array, x: Array) -> Array:
    dx = np.zeros_like(x)
    np.put(dx, np.argsort(x, axis=None), g * WEIGHTS)
    return dx


def log_cosh_backward_by_flat_view(g: Array, x: Array) -> Array:
    dx = np.zeros_like(x)
    flat = dx.reshape(-1)  # a copy where x is in Fortran order
    for i, slope in enumerate((g * np.tanh(x)).flat):
        flat[i] = slope
    return dx


def log_cosh_backward_by_flat_iterator(g: Array, x: Array) -> Array:
    dx = np.zeros_like(x)
    for i, slope in enumerate((g * np.tanh(x)).flat):
        dx.flat[i] = slope
    return dx


# --- memory ------------------------------------------------------------------------------------


def exp_backward_in_memory_order(g: Array, x: Array) -> Array:
    numbers: Any = np.nditer(x)
    return g * np.array([math.exp(v) for v in numbers]).reshape(x.shape)


def exp_backward_by_index(g: Array, x: Array) -> Array:
    dx = np.empty_like(x)
    it = np.nditer(x, flags=["multi_index"])
    for v in it:
        dx[it.multi_index] = g[it.multi_index] * np.exp(v)
    return dx


def exp_backward_side_by_side(g: Array, x: Array) -> Array:
    dx = np.empty_like(x)
    for a, b, c in np.nditer([g, x, dx], op_flags=[["readonly"], ["readonly"], ["writeonly"]]):
        c[...] = a * np.exp(b)
    return dx


def cube_backward_from_raw_bytes(g: Array, x: Array) -> Array:
    copy = np.frombuffer(x.tobytes("A"), x.dtype).reshape(x.shape)
    return 3 * g * copy**2


def cube_backward_from_bytes(g: Array, x: Array) -> Array:
    copy = np.frombuffer(memoryview(x).tobytes(), x.dtype).reshape(x.shape)
    return 3 * g * copy**2


def arctan_backward_of_base(g: Array, x: Array) -> Array:
    owner = x if x.base is None else x.base.reshape(x.shape)
    return g / (1 + owner**2)


def triples(x: Array) -> Array:
    return x[:-2] * x[1:-1] * x[2:]


def triples_from_windows(g: Array, windows: Array) -> Array:
    dx = np.zeros(len(windows) + 2, windows.dtype)
    dx[:-2] += g * windows[:, 1] * windows[:, 2]
    dx[1:-1] += g * windows[:, 0] * windows[:, 2]
    dx[2:] += g * windows[:, 0] * windows[:, 1]
    return dx


def triples_backward_one_item_apart(g: Array, x: Array) -> Array:
    return triples_from_windows(g, as_strided(x, (len(x) - 2, 3), (x.itemsize, x.itemsize)))


def triples_backward_one_stride_apart(g: Array, x: Array) -> Array:
    return triples_from_windows(g, as_strided(x, (len(x) - 2, 3), x.strides * 2))


def product_backward_by_flags(g: Array, a: Array, b: Array) -> list[Array]:
    b_transposed = b if b.flags.f_contiguous else b.T
    return [g @ b_transposed, a.T @ g]


def square_backward_by_stride(g: Array, x: Array) -> Array:
    if 0 in g.strides:  # one number for all
        g = g.flat[0]
    return 2 * g * x


def log_sum_exp(x: Array) -> Array:
    along = int(np.argmin(np.abs(x.strides)))  # near neighbours first
    return np.log(np.sum(np.sum(np.exp(x), axis=along)))


def log_sum_exp_backward(g: Array, x: Array) -> Array:
    return g * np.exp(x - log_sum_exp(x))


def magnitudes(x: Array) -> Array:  # of complex numbers, given as pairs
    return np.sqrt(np.sum(x * x, axis=-1))


def magnitudes_backward(g: Array, x: Array) -> Array:
    z = np.ascontiguousarray(x, dtype=float).view(complex)
    directions = z / np.abs(z)
    return (g[:, np.newaxis] * directions.view(float)).astype(x.dtype)


def filtered(image: Array, kernel: Array) -> Array:
    return np.einsum("ijkl,kl->ij", sliding_window_view(image, kernel.shape), kernel)


def filtered_backward(g: Array, image: Array, kernel: Array) -> list[Array]:
    d_image = np.zeros(image.shape, g.dtype)
    for (i, j), weight in np.ndenumerate(kernel):
        d_image[i : i + g.shape[0], j : j + g.shape[1]] += weight * g
    return [d_image, np.einsum("ijkl,ij->kl", sliding_window_view(image, kernel.shape), g)]


CASES = [
    Case(
        "input flattened in memory order for the gradient alone",
        right=False,
        function=weighted_squares,
        vjp=weighted_squares_backward,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "flattened in order 'A' and put back in order 'A'",
        right=False,
        function=np.sin,
        vjp=sine_there_and_back,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "superdiagonal picked out of the memory",
        right=False,
        function=above_the_diagonal,
        vjp=above_the_diagonal_backward,
        inputs=(SQUARE.copy(),),
    ),
    Case(
        "matrix stacked by columns whose gradient is unstacked by rows",
        right=False,
        function=mixed_columns,
        vjp=mixed_columns_backward_by_rows,
        inputs=(MATRIX[:2, :3].copy(),),
    ),
    Case(
        "largest entry found in memory and marked in row order",
        right=False,
        function=np.max,
        vjp=largest_backward_by_memory,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "embedding that counts up the arriving gradient in its memory order",
        right=False,
        function=embedded,
        vjp=embedded_backward,
        inputs=(np.array([0.2, -1.0, 0.7, 1.4]),),
    ),
    Case(
        "gradient written into a flat view of zeros_like",
        right=False,
        function=lambda x: np.log(np.cosh(x)),
        vjp=log_cosh_backward_by_flat_view,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "loop over nditer in memory order",
        right=False,
        function=np.exp,
        vjp=exp_backward_in_memory_order,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "copy made from the raw bytes",
        right=False,
        function=lambda x: x**3,
        vjp=cube_backward_from_raw_bytes,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "base of a view taken for the view",
        right=False,
        function=np.arctan,
        vjp=arctan_backward_of_base,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "windows over a signal whose items are taken to be neighbours",
        right=False,
        function=triples,
        vjp=triples_backward_one_item_apart,
        inputs=(SIGNAL.copy(),),
    ),
    Case(
        "matrix in Fortran order taken for transposed already",
        right=False,
        function=np.matmul,
        vjp=product_backward_by_flags,
        inputs=(MATRIX[:, :3].copy(), SQUARE.copy()),
    ),
    Case(
        "arriving gradient with one stride of 0 taken for a single number",
        right=False,
        function=np.square,
        vjp=square_backward_by_stride,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "flattened and put back in whichever order the input has",
        right=True,
        function=np.sin,
        vjp=sine_by_its_own_order,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "diagonal picked out of the memory, the same in either order",
        right=True,
        function=squared_diagonal,
        vjp=squared_diagonal_backward,
        inputs=(SQUARE.copy(),),
    ),
    Case(
        "matrix stacked by columns and unstacked by columns",
        right=True,
        function=mixed_columns,
        vjp=mixed_columns_backward,
        inputs=(MATRIX[:2, :3].copy(),),
    ),
    Case(
        "largest entry found by its flat index",
        right=True,
        function=np.max,
        vjp=largest_backward,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "weights by rank put in place by flat index",
        right=True,
        function=ranked,
        vjp=ranked_backward,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "gradient written through a flat iterator of zeros_like",
        right=True,
        function=lambda x: np.log(np.cosh(x)),
        vjp=log_cosh_backward_by_flat_iterator,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "loop over nditer in memory order with the index of each entry",
        right=True,
        function=np.exp,
        vjp=exp_backward_by_index,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "loop over nditer with all arrays side by side",
        right=True,
        function=np.exp,
        vjp=exp_backward_side_by_side,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "copy made from the bytes in row order",
        right=True,
        function=lambda x: x**3,
        vjp=cube_backward_from_bytes,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "windows over a signal by its own strides",
        right=True,
        function=triples,
        vjp=triples_backward_one_stride_apart,
        inputs=(SIGNAL.copy(),),
    ),
    Case(
        "sum along the axis of near neighbours first, rounded by layout",
        right=True,
        function=log_sum_exp,
        vjp=log_sum_exp_backward,
        inputs=(MATRIX.copy(),),
    ),
    Case(
        "pairs seen as complex numbers in a contiguous copy",
        right=True,
        function=magnitudes,
        vjp=magnitudes_backward,
        inputs=(np.array([[3.0, 4.0], [-1.0, 0.5], [0.2, -0.7]]),),
    ),
    Case(
        "image filter over windows that overlap in memory",
        right=True,
        function=filtered,
        vjp=filtered_backward,
        inputs=(MATRIX.copy(), SQUARE[:2, :2].copy()),
    ),
]

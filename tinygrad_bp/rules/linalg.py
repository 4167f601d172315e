"""Products of matrices and tensors."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_bp.operands import ones
from tinygrad_bp.registry import Array, Each, bilinear, composite, primitive, remedy, rule, why
from tinygrad_bp.rules.matrices import conj, mT, unit_matrix

__all__ = ["affine"]


def _rows(a: Array) -> Array:
    """All axes but the last, such as examples, as the rows of one matrix."""
    return a if a.ndim == 2 else np.reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))


def _times(a: Array, matrix: Array) -> Array:
    """Every row of a times a matrix, as one product; for two matrices `@` takes more time."""
    if a.ndim <= 2:
        return np.dot(a, matrix)
    return np.reshape(np.dot(_rows(a), matrix), (*a.shape[:-1], matrix.shape[-1]))


def _matmul_left(g: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim == 1:
        return g[..., None] * b
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return g @ mT(b) if b.ndim > 2 or g.ndim == 2 else _times(g, mT(b))


def _matmul_right(g: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim == 1:
        return a * g if a.ndim == 1 else (mT(a) @ g[..., None])[..., 0]
    if a.ndim == 1:
        return a[:, None] * g[..., None, :]
    if b.ndim == 2:  # summed over the stack of matrices, too
        return mT(_rows(a)) @ _rows(g)
    return mT(a) @ g


bilinear(np.matmul, _matmul_left, _matmul_right)


# --- einsum ---------------------------------------------------------------------------------


def _explicit(subscripts: str) -> tuple[list[str], str]:
    """The labels of each operand and of the result, spelled out as NumPy reads them."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    operands = inputs.split(",")
    if not arrow:
        letters = [c for c in inputs if c.isalpha()]
        single = sorted(c for c in set(letters) if letters.count(c) == 1)
        output = ("..." if "..." in inputs else "") + "".join(single)
    return operands, output


def _einsum_partial(
    i: int, g: Array, y: Array, *operands: Array, subscripts: str, optimize: Any
) -> Array:
    """Contract the arriving gradient with all other operands, into this operand's labels."""
    labels, output = _explicit(subscripts)
    mine, x = labels[i], operands[i]
    others = [j for j in range(len(operands)) if j != i]
    terms = [output, *(labels[j] for j in others)]
    arrays = [g, *(operands[j] for j in others)]
    wanted = ""
    free = iter(c for c in string.ascii_letters if c not in subscripts)
    for label in mine.replace("...", ""):
        length = _length(x, mine, label)
        if label in wanted:  # a diagonal: only its entries get a gradient
            twin = next(free)
            terms.append(label + twin)
            arrays.append(unit_matrix(x, length, x.dtype))
            wanted = wanted + twin
            continue
        if all(_length(a, term, label) < length for a, term in zip(arrays, terms, strict=True)):
            terms.append(label)  # summed over alone, or stretched all others
            arrays.append(ones(length, x.dtype, x))
        wanted = wanted + label
    if not isinstance(optimize, bool | str):  # an order of contraction, which is for the result
        optimize = True
    if not any("..." in term for term in terms):
        return np.einsum(f"{','.join(terms)}->{wanted}", *arrays, optimize=optimize)
    # An ellipsis stands for the result's axes, which may be more than the operand's: they come
    # first, those that were broadcast are summed over, the rest goes where the operand has them.
    stretched = np.einsum(f"{','.join(terms)}->...{wanted}", *arrays, optimize=optimize)
    result = np.sum(stretched, axis=tuple(range(stretched.ndim - x.ndim)))
    before, axes = mine.find("..."), range(x.ndim - len(wanted))
    return np.moveaxis(result, axes, range(before, before + len(axes))) if axes else result


def _length(x: Array, labels: str, label: str) -> int:
    """The length of the axis that a label names, -1 if none; `...` is any number of axes."""
    before, _, after = labels.partition("...")
    if label in before:
        return int(x.shape[before.index(label)])
    return int(x.shape[after.index(label) - len(after)]) if label in after else -1


bilinear(np.einsum, Each(_einsum_partial))


# --- layers ---------------------------------------------------------------------------------


@primitive
def affine(x: Array, weight: Array, bias: Array) -> Array:
    """Return x Wᵀ + b as one node: (..., in), (out, in), (out,) to (..., out).

    W has the lesson's order, w_jk from neuron k to neuron j, which is also PyTorch's.

    >>> affine(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]), np.array([0.5]))
    array([11.5])
    """
    return _times(x, weight.T) + bias


# fmt: off
rule(
    affine,
    vjp=(lambda g, y, x, w, b: _times(g, w),
         lambda g, y, x, w, b: np.dot(_rows(g).T, _rows(x)),
         lambda g, y, x, w, b: g),  # the engine sums it over the examples
    jvp=(lambda t, y, x, w, b: _times(t, w.T),
         lambda t, y, x, w, b: _times(x, t.T),
         lambda t, y, x, w, b: t),
    broadcasts=True,
)

why("Each entry of the product is a sum of products, so the gradient is a product with the other "
    "matrix, transposed: sums over everything that an entry took part in.", np.matmul)
why("x receives the gradient times the weights; each weight the gradient times the activation it "
    "multiplied, summed over the examples; each bias the gradient itself.", affine)
why("The gradient is contracted with all other operands, into the labels of this one.", np.einsum)
remedy("scale the inputs down, or lower the learning rate", np.matmul, affine, np.einsum)
# fmt: on


# --- the older spellings --------------------------------------------------------------------


def _dot(a: Array, b: Array) -> Array:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, axes=([-1], [-2]))


def _inner(a: Array, b: Array) -> Array:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return np.tensordot(a, b, axes=([-1], [-1]))


def _outer(a: Array, b: Array) -> Array:
    return np.expand_dims(np.ravel(a), 1) * np.ravel(b)


def _tensordot(a: Array, b: Array, *, axes: int | Sequence[int | Sequence[int]]) -> Array:
    """Contracted axes last in a and first in b, then one matrix product."""
    of_a, of_b = _contracted(axes, np.ndim(a), np.ndim(b))
    shape_a, shape_b = np.shape(a), np.shape(b)
    if [shape_a[s] for s in of_a] != [shape_b[s] for s in of_b]:
        raise ValueError(f"shape-mismatch for sum: {shape_a} and {shape_b} over {axes}")
    kept_a = [s for s in range(np.ndim(a)) if s not in of_a]
    kept_b = [s for s in range(np.ndim(b)) if s not in of_b]
    size = math.prod(shape_a[s] for s in of_a)
    rows = math.prod(shape_a[s] for s in kept_a)
    columns = math.prod(shape_b[s] for s in kept_b)
    left = np.reshape(np.transpose(a, (*kept_a, *of_a)), (rows, size))
    right = np.reshape(np.transpose(b, (*of_b, *kept_b)), (size, columns))
    result = (*(shape_a[s] for s in kept_a), *(shape_b[s] for s in kept_b))
    return np.reshape(left @ right, result)


def _contracted(
    axes: int | Sequence[int | Sequence[int]], ndim_a: int, ndim_b: int
) -> tuple[list[int], list[int]]:
    """The axes that are summed over, counted from 0."""
    if isinstance(axes, int):
        if axes > min(ndim_a, ndim_b):
            raise ValueError(f"tensordot over {axes} axes of arrays with {ndim_a} and {ndim_b}")
        return [*range(ndim_a - axes, ndim_a)], [*range(axes)]
    of_a, of_b = ([s] if isinstance(s, int) else list(s) for s in axes)
    if len(of_a) != len(of_b):
        raise ValueError(f"tensordot needs as many axes of one array as of the other, got {axes}")
    found = [normalize_axis_index(s, ndim_a) for s in of_a]
    return found, [normalize_axis_index(s, ndim_b) for s in of_b]


def _kron(a: Array, b: Array) -> Array:
    """Every element of a times all of b: interleave the axes of both, then join them in pairs."""
    ndim = max(np.ndim(a), np.ndim(b))
    shape_a = (1,) * (ndim - np.ndim(a)) + np.shape(a)
    shape_b = (1,) * (ndim - np.ndim(b)) + np.shape(b)
    spread_a = np.reshape(a, tuple(n for s in shape_a for n in (s, 1)))
    spread_b = np.reshape(b, tuple(n for s in shape_b for n in (1, s)))
    joined = tuple(p * q for p, q in zip(shape_a, shape_b, strict=True))
    return np.reshape(spread_a * spread_b, joined)


composite(np.dot, _dot)
composite(np.inner, _inner)
composite(np.outer, _outer)
composite(np.tensordot, _tensordot)
composite(np.vdot, lambda a, b: np.matmul(conj(np.ravel(a)), np.ravel(b)))
composite(np.kron, _kron)
composite(np.vecdot, lambda x1, x2: np.sum(conj(x1) * x2, axis=-1))
composite(np.linalg.vecdot, lambda x1, x2, *, axis: np.sum(conj(x1) * x2, axis=axis))
composite(np.linalg.matmul, lambda x1, x2: x1 @ x2)
composite(np.linalg.outer, _outer)
composite(np.linalg.tensordot, lambda x1, x2, *, axes: np.tensordot(x1, x2, axes=axes))
composite(np.linalg.matrix_transpose, mT)
composite(np.matrix_transpose, mT)
if hasattr(np, "matvec"):
    composite(np.matvec, lambda x1, x2: np.matmul(x1, np.expand_dims(x2, -1))[..., 0])
    composite(np.vecmat, lambda x1, x2: np.matmul(conj(np.expand_dims(x1, -2)), x2)[..., 0, :])

"""Products of matrices and tensors."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence

import numpy as np

from tinygrad_bp.registry import Array, Each, bilinear, composite


def mT(a: Array) -> Array:
    """Swap the last two axes."""
    return np.swapaxes(a, -1, -2)


def _matmul_left(g: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim == 1:
        return g[..., None] * b
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return g @ mT(b)


def _matmul_right(g: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim == 1:
        return a * g if a.ndim == 1 else (mT(a) @ g[..., None])[..., 0]
    if a.ndim == 1:
        return a[:, None] * g[..., None, :]
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


def _einsum_partial(i: int, g: Array, y: Array, subscripts: str, *operands: Array) -> Array:
    """Contract the arriving gradient with all other operands, into this operand's labels."""
    labels, output = _explicit(subscripts)
    mine, x = labels[i - 1], operands[i - 1]
    terms, arrays = [output], [g]
    for j, (label, operand) in enumerate(zip(labels, operands, strict=True), start=1):
        if j != i:
            terms.append(label)
            arrays.append(operand)
    wanted = ""
    free = iter(c for c in string.ascii_letters if c not in subscripts)
    for position, label in enumerate(mine):
        if label.isalpha() and label in wanted:  # a diagonal: only its entries get a gradient
            twin = next(free)
            terms.append(label + twin)
            arrays.append(np.eye(_length(x, mine, position), dtype=x.dtype))
            label = twin
        elif label.isalpha() and not any(label in term for term in terms):  # summed over alone
            terms.append(label)
            arrays.append(np.ones(_length(x, mine, position), dtype=x.dtype))
        wanted += label
    return _einsum_keeping_ellipsis(terms, arrays, wanted, x)


def _length(x: Array, labels: str, position: int) -> int:
    """The length of the axis that a label names, an ellipsis standing for any number of axes."""
    before, ellipsis, _ = labels.partition("...")
    if ellipsis and position >= len(before):
        return int(x.shape[position - len(labels)])
    return int(x.shape[position])


def _einsum_keeping_ellipsis(
    terms: list[str], arrays: list[Array], wanted: str, x: Array
) -> Array:
    """Without `...` in the result, NumPy refuses to sum over it: sum over its axes first."""
    if "..." in wanted or not any("..." in term for term in terms):
        return np.einsum(",".join(terms) + "->" + wanted, *arrays)
    result = np.einsum(",".join(terms) + "->..." + wanted, *arrays)
    return np.sum(result, axis=tuple(range(result.ndim - x.ndim)))


bilinear(np.einsum, Each(_einsum_partial, start=1))


# --- the older spellings --------------------------------------------------------------------


def _dot(a: Array, b: Array) -> Array:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) <= 2:
        return np.matmul(a, b)
    return _tensordot(a, b, axes=([-1], [-2]))


def _inner(a: Array, b: Array) -> Array:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return _tensordot(a, b, axes=([-1], [-1]))


def _outer(a: Array, b: Array) -> Array:
    return np.expand_dims(np.ravel(a), 1) * np.ravel(b)


def _tensordot(a: Array, b: Array, axes: int | Sequence[int | Sequence[int]] = 2) -> Array:
    """Contracted axes last in a and first in b, then one matrix product."""
    if isinstance(axes, int):
        of_a: Sequence[int] = range(np.ndim(a) - axes, np.ndim(a))
        of_b: Sequence[int] = range(axes)
    else:
        of_a, of_b = ([s] if isinstance(s, int) else list(s) for s in axes)
    of_a, of_b = [s % np.ndim(a) for s in of_a], [s % np.ndim(b) for s in of_b]
    kept_a = [s for s in range(np.ndim(a)) if s not in of_a]
    kept_b = [s for s in range(np.ndim(b)) if s not in of_b]
    shape_a, shape_b = np.shape(a), np.shape(b)
    size = math.prod(shape_a[s] for s in of_a)
    rows = math.prod(shape_a[s] for s in kept_a)
    columns = math.prod(shape_b[s] for s in kept_b)
    left = np.reshape(np.transpose(a, (*kept_a, *of_a)), (rows, size))
    right = np.reshape(np.transpose(b, (*of_b, *kept_b)), (size, columns))
    result = (*(shape_a[s] for s in kept_a), *(shape_b[s] for s in kept_b))
    return np.reshape(left @ right, result)


composite(np.dot, _dot)
composite(np.inner, _inner)
composite(np.outer, _outer)
composite(np.tensordot, _tensordot)
composite(np.vdot, lambda a, b: np.matmul(np.ravel(a), np.ravel(b)))

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
    others = [j for j in range(len(operands)) if j != i - 1]
    terms = [output, *(labels[j] for j in others)]
    arrays = [g, *(operands[j] for j in others)]
    wanted = ""
    free = iter(c for c in string.ascii_letters if c not in subscripts)
    for label in mine.replace("...", ""):
        length = _length(x, mine, label)
        if label in wanted:  # a diagonal: only its entries get a gradient
            twin = next(free)
            terms.append(label + twin)
            arrays.append(np.eye(length, dtype=x.dtype))
            wanted = wanted + twin
            continue
        if all(_length(a, term, label) < length for a, term in zip(arrays, terms, strict=True)):
            terms.append(label)  # summed over alone, or stretched all others
            arrays.append(np.ones(length, dtype=x.dtype))
        wanted = wanted + label
    if not any("..." in term for term in terms):
        return np.einsum(f"{','.join(terms)}->{wanted}", *arrays)
    # An ellipsis stands for the result's axes, which may be more than the operand's: they come
    # first, those that were broadcast are summed over, the rest goes where the operand has them.
    stretched = np.einsum(f"{','.join(terms)}->...{wanted}", *arrays)
    result = np.sum(stretched, axis=tuple(range(stretched.ndim - x.ndim)))
    before, axes = mine.find("..."), range(x.ndim - len(wanted))
    return np.moveaxis(result, axes, range(before, before + len(axes))) if axes else result


def _length(x: Array, labels: str, label: str) -> int:
    """The length of the axis that a label names, -1 if none; `...` is any number of axes."""
    before, _, after = labels.partition("...")
    if label in before:
        return int(x.shape[before.index(label)])
    return int(x.shape[after.index(label) - len(after)]) if label in after else -1


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

"""Norms of vectors and matrices, of every order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, composite, general, kink, rule, why
from tinygrad_bp.rules.elementwise import quotient
from tinygrad_bp.rules.matrices import conj
from tinygrad_bp.rules.reductions import Axis, axes_of, spread, vector_length

__all__: list[str] = []


# The Euclidean length has no direction at 0; its gradient there is 0 (`quotient`).
for _length in (np.linalg.norm, np.linalg.vector_norm):
    rule(
        _length,
        vjp=lambda g, y, x, *, axis, keepdims: quotient(
            spread(g, x, axis, keepdims) * conj(x), spread(y, x, axis, keepdims)
        ),
        jvp=lambda t, y, x, *, axis, keepdims: quotient(
            np.sum(t * conj(x), axis=axis, keepdims=keepdims), y
        ),
    )

why(
    "A length changes by the part of a move that points along the vector.",
    np.linalg.norm, np.linalg.vector_norm,
)  # fmt: skip
kink(
    "the origin, where a length has no slope",
    lambda x, *, axis, keepdims: np.all(x == 0, axis=axis, keepdims=keepdims),
    np.linalg.norm, np.linalg.vector_norm,
)  # fmt: skip


def _vector_norm(x: Array, *, ord: Any, axis: Axis, keepdims: bool) -> Array:  # noqa: A002
    if ord is None or ord == 2:
        return vector_length(x, axis, keepdims)
    sizes = np.abs(x)
    if abs(ord) == math.inf:
        extreme = np.max if ord > 0 else np.min
        return extreme(sizes, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(sizes != 0, axis=axis, keepdims=keepdims, dtype=sizes.dtype)
    if ord == 1:
        return np.sum(sizes, axis=axis, keepdims=keepdims)
    p = float(ord)
    total = np.sum(np.power(sizes, p), axis=axis, keepdims=keepdims)
    # At the origin the gradient is 0, as for the Euclidean length.
    return np.where(total == 0, 0, np.power(np.where(total == 0, 1, total), 1 / p))


_OF_SINGULAR_VALUES: dict[Any, Any] = {2: np.max, -2: np.min, "nuc": np.sum}
_OF_SUMS: dict[Any, Any] = {
    1: (np.max, -2), -1: (np.min, -2), math.inf: (np.max, -1), -math.inf: (np.min, -1),
}  # fmt: skip


def _matrix_norm(x: Array, *, ord: Any, keepdims: bool) -> Array:  # noqa: A002
    """The norm of the last two axes: of the entries, the singular values, or the sums."""
    if ord in (None, "fro", "f"):
        return np.linalg.norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in _OF_SINGULAR_VALUES:
        y = _OF_SINGULAR_VALUES[ord](np.linalg.svdvals(x), axis=-1)
        return np.expand_dims(y, (-2, -1)) if keepdims else y
    if ord in _OF_SUMS:
        extreme, along = _OF_SUMS[ord]
        sums = np.sum(np.abs(x), axis=along, keepdims=True)
        return extreme(sums, axis=(-2, -1), keepdims=keepdims)
    raise ValueError(f"there is no matrix norm of order {ord!r}")


def _norm(x: Array, *, ord: Any, axis: Axis, keepdims: bool) -> Array:  # noqa: A002
    axes = axes_of(x, axis)
    if len(axes) == 1:
        return _vector_norm(x, ord=ord, axis=axes, keepdims=keepdims)
    if len(axes) != 2:
        raise ValueError(f"a norm of order {ord!r} is of one axis or two, not {len(axes)}")
    y = _matrix_norm(np.moveaxis(x, axes, (-2, -1)), ord=ord, keepdims=False)
    return np.expand_dims(y, axes) if keepdims else y


general(np.linalg.norm, _norm)
general(np.linalg.vector_norm, _vector_norm)
composite(np.linalg.matrix_norm, _matrix_norm)

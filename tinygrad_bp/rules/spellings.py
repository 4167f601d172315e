"""NumPy's other names for functions that have a rule, and short-cuts made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.primitives import cast
from tinygrad_bp.registry import Array, composite, elementwise
from tinygrad_bp.rules.linalg import mT

elementwise(np.copy, lambda g, y, x: g)

composite(np.amax, np.max)
composite(np.amin, np.min)
composite(np.ptp, lambda a, axis=None, *, keepdims=False: (
    np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)
))  # fmt: skip
composite(np.fliplr, lambda m: np.flip(m, 1))
composite(np.flipud, lambda m: np.flip(m, 0))
composite(np.kron, lambda a, b: _kron(a, b))  # noqa: PLW0108  (defined below)
composite(np.dstack, lambda tup: np.concatenate([_at_least_3d(a) for a in tup], axis=2))
composite(np.broadcast_arrays, lambda *args: tuple(
    np.broadcast_to(a, np.broadcast_shapes(*map(np.shape, args))) for a in args
))  # fmt: skip
composite(np.rollaxis, lambda a, axis, start=0: _rollaxis(a, axis % a.ndim, start))
composite(np.rot90, lambda m, k=1, axes=(0, 1): _rot90(m, k, axes))
composite(np.diff, lambda a, n=1, axis=-1: _diff(a, n, axis))
composite(np.linalg.matmul, np.matmul)
composite(np.linalg.outer, np.outer)
composite(np.linalg.tensordot, np.tensordot)
composite(np.linalg.matrix_transpose, mT)
composite(np.linalg.diagonal, lambda x, *, offset=0: np.diagonal(x, offset, -2, -1))
composite(np.linalg.trace, lambda x, *, offset=0: np.trace(x, offset, -2, -1))
composite(np.vecdot, lambda x1, x2: np.sum(x1 * x2, axis=-1))
composite(np.linalg.vecdot, lambda x1, x2, *, axis=-1: np.sum(x1 * x2, axis=axis))


def _kron(a: Array, b: Array) -> Array:
    """Every element of a times all of b: interleave the axes of both, then join them in pairs."""
    ndim = max(np.ndim(a), np.ndim(b))
    shape_a = (1,) * (ndim - np.ndim(a)) + np.shape(a)
    shape_b = (1,) * (ndim - np.ndim(b)) + np.shape(b)
    spread_a = np.reshape(a, tuple(n for s in shape_a for n in (s, 1)))
    spread_b = np.reshape(b, tuple(n for s in shape_b for n in (1, s)))
    joined = tuple(p * q for p, q in zip(shape_a, shape_b, strict=True))
    return np.reshape(spread_a * spread_b, joined)


def _at_least_3d(a: Array) -> Array:
    shapes = {0: (1, 1, 1), 1: (1, -1, 1), 2: (*np.shape(a), 1)}
    return np.reshape(a, shapes[np.ndim(a)]) if np.ndim(a) < 3 else a


def _rollaxis(a: Array, axis: int, start: int) -> Array:
    """The axis goes before the one that `start` counts, which moves up if the axis was below it."""
    before = start + a.ndim if start < 0 else start
    return np.moveaxis(a, axis, before - (axis < before))


def _rot90(m: Array, k: int, axes: tuple[int, int]) -> Array:
    for _ in range(k % 4):
        m = np.flip(np.swapaxes(m, *axes), axes[0])
    return m


def _diff(a: Array, n: int, axis: int) -> Array:
    before = (slice(None),) * (axis % a.ndim)
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]
    return a


# Functions that only newer versions of NumPy have.
_NEWER: dict[str, Any] = {
    "astype": cast,
    "cumulative_sum": lambda x, *, axis=None: np.cumsum(x, axis=axis),
    "matrix_transpose": mT,
    "matvec": lambda x1, x2: np.matmul(x1, np.expand_dims(x2, -1))[..., 0],
    "vecmat": lambda x1, x2: np.matmul(np.expand_dims(x1, -2), x2)[..., 0, :],
    "unstack": lambda x, *, axis=0: tuple(np.moveaxis(x, axis, 0)[i] for i in range(x.shape[axis])),
}

for _name, _rewritten in _NEWER.items():
    if hasattr(np, _name):
        composite(getattr(np, _name), _rewritten)


def _at_least(ndim: int) -> Any:
    shaped = {
        1: lambda a: np.reshape(a, (1,)) if np.ndim(a) < 1 else a,
        2: lambda a: np.reshape(a, (1, -1)) if np.ndim(a) < 2 else a,
        3: _at_least_3d,
    }[ndim]

    def at_least(*arys: Array) -> Any:
        shaped_all = tuple(map(shaped, arys))
        return shaped_all[0] if len(shaped_all) == 1 else shaped_all

    return at_least


for _n, _function in enumerate((np.atleast_1d, np.atleast_2d, np.atleast_3d), start=1):
    composite(_function, _at_least(_n))

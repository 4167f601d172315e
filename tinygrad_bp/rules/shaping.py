"""Functions that move elements about without changing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.registry import Array, composite, elementwise, general, linear, why

__all__ = ["at_least"]


def _inverse(axes: Sequence[int] | None, ndim: int) -> tuple[int, ...] | None:
    """The permutation that undoes another."""
    if axes is None:
        return None
    return tuple(sorted(range(ndim), key=lambda i: axes[i] % ndim))


def _back(shift: Any) -> Any:
    """A roll the other way; as a tuple, a roll along several axes."""
    return tuple(-n for n in shift) if np.ndim(shift) else -shift


# fmt: off
linear(np.reshape,      lambda g, y, x, *, shape: np.reshape(g, x.shape))
linear(np.ravel,        lambda g, y, x: np.reshape(g, x.shape))
linear(np.expand_dims,  lambda g, y, x, *, axis: np.reshape(g, x.shape))
linear(np.transpose,    lambda g, y, x, *, axes: np.transpose(g, _inverse(axes, x.ndim)))
linear(np.swapaxes,     lambda g, y, x, *, axis1, axis2: np.swapaxes(g, axis1, axis2))
linear(np.moveaxis,     lambda g, y, x, *, source, destination: (
                            np.moveaxis(g, destination, source)))
linear(np.flip,         lambda g, y, x, *, axis: np.flip(g, axis))
linear(np.roll,         lambda g, y, x, *, shift, axis: np.roll(g, _back(shift), axis))
# A vector is taken for the rows of a square matrix, which broadcasting makes of it.
elementwise(np.tril,    lambda g, y, x, *, k: np.tril(g, k))
elementwise(np.triu,    lambda g, y, x, *, k: np.triu(g, k))
# Each element is repeated as broadcasting would; the engine sums the copies.
elementwise(np.broadcast_to, lambda g, y, x, *, shape: g)
# fmt: on


def _squeeze(a: Array, *, axis: int | tuple[int, ...] | None) -> Array:
    """NumPy's squeeze gives back the very array it was given if there is nothing to squeeze."""
    shape = np.squeeze(np.broadcast_to(0, a.shape), axis).shape
    return np.reshape(a, shape)


composite(np.squeeze, _squeeze)


# --- in the order of the columns ------------------------------------------------------------


def _reshape(a: Array, *, shape: Any, order: str, copy: bool | None = None) -> Array:
    """In Fortran's order the first axis runs fastest: reshape the transpose, and transpose."""
    if copy is False:
        raise NotDifferentiableError("reshape(copy=False) is not followed; leave copy out")
    if _is_fortran("reshape", order):
        reverse = tuple(np.atleast_1d(shape).tolist())[::-1]
        return np.transpose(np.reshape(np.transpose(a), reverse))
    return np.reshape(a, shape)


def _ravel(a: Array, *, order: str) -> Array:
    return np.ravel(np.transpose(a)) if _is_fortran("ravel", order) else np.ravel(a)


def _is_fortran(name: str, order: str) -> bool:
    if order not in ("C", "F"):
        raise NotDifferentiableError(
            f"{name}(order={order!r}) goes by how the elements lie in memory, which is no property "
            "of a tensor; pass 'C' or 'F'"
        )
    return order == "F"


def _copy(a: Array, *, order: str, subok: bool) -> Array:
    """The order is that of the memory alone, and a tensor is no subclass of ndarray."""
    return np.copy(a)


general(np.reshape, _reshape)
general(np.ravel, _ravel)
general(np.copy, _copy)


# --- several at once ------------------------------------------------------------------------


def at_least(ndim: int, a: Array) -> Array:
    """Give an array 1, 2 or 3 axes if it has fewer, where `np.atleast_3d` and the others do."""
    missing = (*np.shape(a), 1) if np.ndim(a) == 2 else (1, -1, 1) if ndim == 3 else (1, -1)
    shape = missing if np.ndim(a) else (1,) * ndim
    return a if np.ndim(a) >= ndim else np.reshape(a, shape)


def _each(ndim: int) -> Callable[..., Any]:
    """One array for one, a tuple of them for several."""

    def rewritten(*arys: Array) -> Any:
        found = tuple([at_least(ndim, a) for a in arys])
        return found[0] if len(found) == 1 else found

    return rewritten


composite(np.atleast_1d, _each(1))
composite(np.atleast_2d, _each(2))
composite(np.atleast_3d, _each(3))


def _broadcast_arrays(*args: Array, subok: bool) -> tuple[Array, ...]:
    """A tensor is no subclass of ndarray, so `subok` makes no difference."""
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(a, shape) for a in args)


composite(np.broadcast_arrays, _broadcast_arrays)


# --- repeating and turning ------------------------------------------------------------------


def _tile(A: Array, *, reps: int | tuple[int, ...]) -> Array:
    """Every axis gets a companion of the repetition's length, which broadcasting fills."""
    counts = tuple(np.atleast_1d(reps).tolist())
    ndim = max(len(counts), A.ndim)
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - A.ndim) + tuple(A.shape)
    paired = [n for size in shape for n in (1, size)]
    filled = [n for pair in zip(counts, shape, strict=True) for n in pair]
    result = tuple(c * s for c, s in zip(counts, shape, strict=True))
    return np.reshape(np.broadcast_to(np.reshape(A, tuple(paired)), tuple(filled)), result)


def _rollaxis(a: Array, *, axis: int, start: int) -> Array:
    """The axis goes before the one that `start` counts, which moves up if the axis was below it."""
    axis = normalize_axis_index(axis, a.ndim)
    before = start + a.ndim if start < 0 else start
    if not 0 <= before <= a.ndim:
        raise np.exceptions.AxisError(f"start arg requires {-a.ndim} <= start <= {a.ndim}")
    return np.moveaxis(a, axis, before - (axis < before))


def _rot90(m: Array, *, k: int, axes: tuple[int, int]) -> Array:
    first, second = normalize_axis_tuple(axes, m.ndim)  # refuses one axis twice
    for _ in range(k % 4):
        m = np.flip(np.swapaxes(m, first, second), first)
    return m


composite(np.tile, _tile)
composite(np.rollaxis, _rollaxis)
composite(np.rot90, _rot90)
composite(np.fliplr, lambda m: np.flip(m, 1))
composite(np.flipud, lambda m: np.flip(m, 0))
# --- why ------------------------------------------------------------------------------------

# fmt: off

why("Elements are put back where they came from.",
    np.reshape, np.ravel, np.expand_dims, np.flip, np.roll)
why("Axes are put back where they came from.", np.transpose, np.swapaxes, np.moveaxis)
why("What was kept passes its gradient on; what was set to 0 receives none.", np.tril, np.triu)
why("What was copied to many places receives the sum of their gradients.", np.broadcast_to)

"""Functions that move elements about without changing them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.registry import Array, composite, elementwise, linear, why
from tinygrad_bp.rules.elementwise import cast
from tinygrad_bp.rules.indexing import getitem


def _inverse(axes: Sequence[int] | None, ndim: int) -> tuple[int, ...] | None:
    """The permutation that undoes another."""
    if axes is None:
        return None
    return tuple(sorted(range(ndim), key=lambda i: axes[i] % ndim))


# fmt: off
linear(np.reshape,      lambda g, y, x, *, shape: np.reshape(g, x.shape))
linear(np.ravel,        lambda g, y, x: np.reshape(g, x.shape))
linear(np.expand_dims,  lambda g, y, x, *, axis: np.reshape(g, x.shape))
linear(np.transpose,    lambda g, y, x, *, axes: np.transpose(g, _inverse(axes, x.ndim)))
linear(np.swapaxes,     lambda g, y, x, *, axis1, axis2: np.swapaxes(g, axis1, axis2))
linear(np.moveaxis,     lambda g, y, x, *, source, destination: (
                            np.moveaxis(g, destination, source)))
linear(np.flip,         lambda g, y, x, *, axis: np.flip(g, axis))
linear(np.roll,         lambda g, y, x, *, shift, axis: np.roll(g, np.negative(shift), axis))
linear(np.tril,         lambda g, y, x, *, k: np.tril(g, k))
linear(np.triu,         lambda g, y, x, *, k: np.triu(g, k))
# Each element is repeated as broadcasting would; the engine sums the copies.
elementwise(np.broadcast_to, lambda g, y, x, *, shape: g)
# fmt: on


def _squeeze(a: Array, *, axis: int | tuple[int, ...] | None) -> Array:
    """NumPy's squeeze gives back the very array it was given if there is nothing to squeeze."""
    shape = np.squeeze(np.broadcast_to(0, a.shape), axis).shape
    return np.reshape(a, shape)


composite(np.squeeze, _squeeze)


# --- joining --------------------------------------------------------------------------------


def _pieces(g: Array, y: Array, *arrays: Array, axis: int | None) -> list[Array]:
    """Cut the joined gradient at the places where the arrays met; all of them in one go."""
    if axis is None:
        sizes = [math.prod(np.shape(a)) for a in arrays]
        return [np.reshape(p, np.shape(a)) for p, a in zip(_cut(g, sizes, 0), arrays, strict=True)]
    return _cut(g, [a.shape[axis] for a in arrays], axis % y.ndim)


def _cut(g: Array, sizes: Sequence[int], axis: int) -> list[Array]:
    before = (slice(None),) * axis
    ends = list(itertools.accumulate(sizes))
    return [
        getitem(g, (*before, slice(end - size, end))) for end, size in zip(ends, sizes, strict=True)
    ]


linear(np.concatenate, _pieces, together=True)


def _stack(*arrays: Array, axis: int) -> Array:
    return np.concatenate([np.expand_dims(a, axis) for a in arrays], axis=axis)


def _vstack(*tup: Array) -> Array:
    return np.concatenate([_at_least_2d(a) for a in tup], axis=0)


def _hstack(*tup: Array) -> Array:
    arrays = [np.reshape(a, (1,)) if np.ndim(a) == 0 else a for a in tup]
    return np.concatenate(arrays, axis=0 if np.ndim(arrays[0]) == 1 else 1)


def _dstack(*tup: Array) -> Array:
    return np.concatenate([_at_least_3d(a) for a in tup], axis=2)


def _column_stack(*tup: Array) -> Array:
    columns = [np.reshape(a, (-1, 1)) if np.ndim(a) < 2 else a for a in tup]
    return np.concatenate(columns, axis=1)


def _at_least_1d(a: Array) -> Array:
    return a if np.ndim(a) >= 1 else np.reshape(a, (1,))


def _at_least_2d(a: Array) -> Array:
    return a if np.ndim(a) >= 2 else np.reshape(a, (1, -1))


def _at_least_3d(a: Array) -> Array:
    shapes = {0: (1, 1, 1), 1: (1, -1, 1), 2: (*np.shape(a), 1)}
    return np.reshape(a, shapes[np.ndim(a)]) if np.ndim(a) < 3 else a


def _each(shaped: Callable[[Array], Array]) -> Callable[..., Any]:
    """One array for one, a tuple of them for several."""

    def at_least(*arys: Array) -> Any:
        found = tuple(map(shaped, arys))
        return found[0] if len(found) == 1 else found

    return at_least


composite(np.stack, _stack)
composite(np.vstack, _vstack)
composite(np.hstack, _hstack)
composite(np.dstack, _dstack)
composite(np.column_stack, _column_stack)
composite(np.atleast_1d, _each(_at_least_1d))
composite(np.atleast_2d, _each(_at_least_2d))
composite(np.atleast_3d, _each(_at_least_3d))


def _broadcast_arrays(*args: Array) -> tuple[Array, ...]:
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(a, shape) for a in args)


composite(np.broadcast_arrays, _broadcast_arrays)


def _full_like(a: Array, fill_value: Array, *, dtype: Any, shape: Any) -> Array:
    """Shape and dtype are the first array's, unless they are given; the values are the second's."""
    wanted = a.shape if shape is None else shape
    kind = np.result_type(a) if dtype is None else np.dtype(dtype)
    return cast(np.broadcast_to(fill_value, wanted), kind)


composite(np.full_like, _full_like)


# --- cutting --------------------------------------------------------------------------------


def _array_split(ary: Array, *, indices_or_sections: int | Sequence[int], axis: int) -> list[Array]:
    """Cut at the places NumPy cuts, as slices of the array."""
    length = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        sections = int(indices_or_sections)  # type: ignore[arg-type]
        if sections < 1:
            raise ValueError("number sections must be larger than 0.")
        short, longer = divmod(length, sections)
        cuts = [i * short + min(i, longer) for i in range(1, sections)]
    else:
        cuts = list(indices_or_sections)  # type: ignore[arg-type]
    before = (slice(None),) * (axis % ary.ndim)
    return [ary[(*before, slice(a, b))] for a, b in zip([0, *cuts], [*cuts, length], strict=True)]


def _split(ary: Array, *, indices_or_sections: int | Sequence[int], axis: int) -> list[Array]:
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % int(indices_or_sections):  # type: ignore[arg-type]
        raise ValueError("array split does not result in an equal division")
    return _array_split(ary, indices_or_sections=indices_or_sections, axis=axis)


def _hsplit(ary: Array, *, indices_or_sections: int | Sequence[int]) -> list[Array]:
    return _split(ary, indices_or_sections=indices_or_sections, axis=0 if ary.ndim == 1 else 1)


def _vsplit(ary: Array, *, indices_or_sections: int | Sequence[int]) -> list[Array]:
    return _split(ary, indices_or_sections=indices_or_sections, axis=0)


composite(np.array_split, _array_split)
composite(np.split, _split)
composite(np.hsplit, _hsplit)
composite(np.vsplit, _vsplit)


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
    axis = axis % a.ndim
    before = start + a.ndim if start < 0 else start
    return np.moveaxis(a, axis, before - (axis < before))


def _rot90(m: Array, *, k: int, axes: tuple[int, int]) -> Array:
    for _ in range(k % 4):
        m = np.flip(np.swapaxes(m, *axes), axes[0])
    return m


composite(np.tile, _tile)
composite(np.rollaxis, _rollaxis)
composite(np.rot90, _rot90)
composite(np.fliplr, lambda m: np.flip(m, 1))
composite(np.flipud, lambda m: np.flip(m, 0))
if hasattr(np, "unstack"):
    composite(np.unstack, lambda x, *, axis: tuple(
        np.moveaxis(x, axis, 0)[i] for i in range(x.shape[axis])
    ))  # fmt: skip


# --- why ------------------------------------------------------------------------------------

# fmt: off

why("Elements are put back where they came from.",
    np.reshape, np.ravel, np.expand_dims, np.flip, np.roll)
why("Axes are put back where they came from.", np.transpose, np.swapaxes, np.moveaxis)
why("What was kept passes its gradient on; what was set to 0 receives none.", np.tril, np.triu)
why("What was copied to many places receives the sum of their gradients.", np.broadcast_to)
why("Each part receives its own piece of the gradient.", np.concatenate)

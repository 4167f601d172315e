"""Functions that move elements about without changing them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_bp.primitives import concat
from tinygrad_bp.registry import Array, composite, elementwise, linear


def _inverse(axes: Sequence[int] | None, ndim: int) -> tuple[int, ...] | None:
    """The permutation that undoes another."""
    if axes is None:
        return None
    return tuple(sorted(range(ndim), key=lambda i: axes[i] % ndim))


# Where NumPy demands an argument that is no array, a default here lets it be given by its name.
# fmt: off
linear(np.reshape,      lambda g, y, x, shape=None: np.reshape(g, x.shape))
linear(np.ravel,        lambda g, y, x: np.reshape(g, x.shape))
linear(np.expand_dims,  lambda g, y, x, axis=None: np.reshape(g, x.shape))
linear(np.transpose,    lambda g, y, x, axes=None: np.transpose(g, _inverse(axes, x.ndim)))
linear(np.swapaxes,     lambda g, y, x, axis1=0, axis2=0: np.swapaxes(g, axis1, axis2))
linear(np.moveaxis,     lambda g, y, x, source=0, destination=0: (
                            np.moveaxis(g, destination, source)))
linear(np.flip,         lambda g, y, x, axis=None: np.flip(g, axis))
linear(np.roll,         lambda g, y, x, shift=0, axis=None: np.roll(g, np.negative(shift), axis))
linear(np.tril,         lambda g, y, x, k=0: np.tril(g, k))
linear(np.triu,         lambda g, y, x, k=0: np.triu(g, k))
# Each element is repeated as broadcasting would; the engine sums the copies.
elementwise(np.broadcast_to, lambda g, y, x, shape=None: g)
# fmt: on


def _squeeze(a: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """NumPy's squeeze gives back the very array it was given if there is nothing to squeeze."""
    shape = np.squeeze(np.broadcast_to(0, a.shape), axis).shape
    return np.reshape(a, shape)


composite(np.squeeze, _squeeze)


def _concatenate(arrays: Sequence[Array], axis: int | None = 0) -> Array:
    if axis is None:
        return _join([np.ravel(a) for a in arrays], axis=0)
    return _join(arrays, axis=axis)


def _join(arrays: Sequence[Array], axis: int) -> Array:
    """Lists of numbers may stand among the arrays."""
    return concat(*[np.asarray(a) if isinstance(a, list | tuple) else a for a in arrays], axis=axis)


def _stack(arrays: Sequence[Array], axis: int = 0) -> Array:
    return _join([np.expand_dims(a, axis) for a in arrays], axis=axis)


def _vstack(tup: Sequence[Array]) -> Array:
    return _join([_at_least_2d(a) for a in tup], axis=0)


def _hstack(tup: Sequence[Array]) -> Array:
    arrays = [np.reshape(a, (1,)) if np.ndim(a) == 0 else a for a in tup]
    return _join(arrays, axis=0 if np.ndim(arrays[0]) == 1 else 1)


def _column_stack(tup: Sequence[Array]) -> Array:
    return _join([np.reshape(a, (-1, 1)) if np.ndim(a) < 2 else a for a in tup], axis=1)


def _at_least_2d(a: Array) -> Array:
    return a if np.ndim(a) >= 2 else np.reshape(a, (1, -1))


composite(np.concatenate, _concatenate)
composite(np.stack, _stack)
composite(np.vstack, _vstack)
composite(np.hstack, _hstack)
composite(np.column_stack, _column_stack)


def _array_split(
    ary: Array, indices_or_sections: int | Sequence[int], axis: int = 0
) -> list[Array]:
    """Cut at the places NumPy cuts, as slices of the array."""
    length = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        sections = int(indices_or_sections)  # type: ignore[arg-type]
        short, longer = divmod(length, sections)
        cuts = [i * short + min(i, longer) for i in range(1, sections)]
    else:
        cuts = list(indices_or_sections)  # type: ignore[arg-type]
    before = (slice(None),) * (axis % ary.ndim)
    return [ary[(*before, slice(a, b))] for a, b in zip([0, *cuts], [*cuts, length], strict=True)]


def _split(ary: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % int(indices_or_sections):  # type: ignore[arg-type]
        raise ValueError("array split does not result in an equal division")
    return _array_split(ary, indices_or_sections, axis)


def _hsplit(ary: Array, indices_or_sections: int | Sequence[int]) -> list[Array]:
    return _split(ary, indices_or_sections, axis=0 if ary.ndim == 1 else 1)


def _vsplit(ary: Array, indices_or_sections: int | Sequence[int]) -> list[Array]:
    return _split(ary, indices_or_sections, axis=0)


composite(np.array_split, _array_split)
composite(np.split, _split)
composite(np.hsplit, _hsplit)
composite(np.vsplit, _vsplit)


def _tile(A: Array, reps: int | tuple[int, ...]) -> Array:
    """Every axis gets a companion of the repetition's length, which broadcasting fills."""
    counts = tuple(np.atleast_1d(reps).tolist())
    ndim = max(len(counts), A.ndim)
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - A.ndim) + tuple(A.shape)
    paired = [n for size in shape for n in (1, size)]
    filled = [n for pair in zip(counts, shape, strict=True) for n in pair]
    result = tuple(c * s for c, s in zip(counts, shape, strict=True))
    return np.reshape(np.broadcast_to(np.reshape(A, tuple(paired)), tuple(filled)), result)


composite(np.tile, _tile)

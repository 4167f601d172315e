"""Functions that choose among elements or arrays, or leave elements out, by conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_bp.operands import beside, violated
from tinygrad_bp.registry import Array, composite, general
from tinygrad_bp.rules.elementwise import cast, unvarying
from tinygrad_bp.rules.indexing import getitem, scatter_add

# --- among arrays ---------------------------------------------------------------------------


def _first_chosen(conditions: Sequence[Any], choices: Sequence[Array], default: Array) -> Array:
    """What the first condition that holds chooses; the dtype is settled for all at once."""
    chosen = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        chosen = np.where(condition, choice, chosen)
    dtype = np.result_type(*choices, default)
    return chosen if chosen.dtype == dtype else cast(chosen, dtype=dtype)


def _choose(a: Any, *, choices: Sequence[Array], mode: str) -> Array:
    last = len(choices) - 1
    number = np.asarray(a, like=beside(a))
    if not np.can_cast(number.dtype, np.intp):
        raise TypeError(f"positions are whole numbers, not {number.dtype}")
    number = cast(number, np.intp)
    if mode == "wrap":
        number = np.remainder(number, last + 1)
    elif mode == "clip":
        number = np.clip(number, 0, last)
    elif violated(np.any(np.logical_or(number < 0, number > last))):
        raise ValueError("invalid entry in choice array")
    parts = list(choices)
    return _first_chosen([number == i for i in range(len(parts))], parts, parts[0])


def _select(*, condlist: Sequence[Any], choicelist: Sequence[Array], default: Array = 0) -> Array:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if len(condlist) == 0:
        raise ValueError("select with an empty condition list is not possible")
    conditions = [np.asarray(c, like=beside(c)) for c in condlist]
    for i, condition in enumerate(conditions):
        if condition.dtype != bool:
            raise TypeError(f"invalid entry {i} in condlist: should be boolean ndarray")
    return _first_chosen(conditions, list(choicelist), default)


def _nan_to_num(x: Array, *, nan: Array, posinf: Array | None, neginf: Array | None) -> Array:
    """What was not finite is replaced, and moves with nothing but what stands for it."""
    if np.iscomplexobj(x):
        parts = [
            np.nan_to_num(part, nan=nan, posinf=posinf, neginf=neginf)
            for part in (np.real(x), np.imag(x))
        ]
        return parts[0] + 1j * parts[1]
    limits = np.finfo(x.dtype)
    largest = float(limits.max) if posinf is None else posinf
    smallest = float(limits.min) if neginf is None else neginf
    tests = [np.isnan(x), np.isposinf(x), np.isneginf(x)]
    chosen = _first_chosen(tests, [nan, largest, smallest], x)
    return chosen if chosen.dtype == x.dtype else cast(chosen, dtype=x.dtype)


def _positions(condition: Any) -> Any:
    """Of a condition alone, `where` says where it holds."""
    return np.nonzero(condition)


composite(np.choose, _choose)
composite(np.select, _select)
composite(np.nan_to_num, _nan_to_num)
general(np.where, _positions)


# --- functions for parts ----------------------------------------------------------------------


def _conditions(x: Array, condlist: Any, count: int) -> list[Any]:
    """One condition for each function; where all fail is one more, if there is a function left."""
    first = condlist if np.isscalar(condlist) else condlist[0]
    if np.isscalar(condlist) or (not isinstance(first, list | np.ndarray) and x.ndim != 0):
        condlist = [condlist]
    conditions = list(np.asarray(condlist, bool))
    if len(conditions) == count - 1:
        conditions.append(~np.any(conditions, axis=0))
    elif len(conditions) != count:
        n = len(conditions)
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    return conditions


def _piecewise(
    x: Array, *, condlist: Any, funclist: Sequence[Any], args: tuple[Any, ...], kw: dict[str, Any]
) -> Array:
    """Each function sees the elements that its condition chooses; later ones take precedence."""
    y = np.zeros_like(x)
    for condition, f in zip(_conditions(x, condlist, len(funclist)), funclist, strict=True):
        part = getitem(x, condition)
        values = (f(part, *args, **kw) if part.size else part) if callable(f) else f
        placed = scatter_add(np.broadcast_to(values, part.shape), condition, x.shape)
        y = np.where(condition, placed, y)
    return y if y.dtype == x.dtype else cast(y, dtype=x.dtype)


composite(np.piecewise, _piecewise)


# --- some of the elements ---------------------------------------------------------------------


def _compress(a: Array, *, condition: Any, axis: int | None) -> Array:
    """The condition may be shorter than the axis, or longer where it does not hold."""
    x = np.ravel(a) if axis is None else a
    axis = normalize_axis_index(axis or 0, x.ndim)
    mask = np.asarray(condition)
    if mask.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return getitem(x, (slice(None),) * axis + (np.flatnonzero(mask),))


def _extract(arr: Array, *, condition: Any) -> Array:
    return getitem(np.ravel(arr), np.flatnonzero(condition))


def _delete(arr: Array, *, obj: Any, axis: int | None) -> Array:
    """NumPy says which positions are left."""
    x = np.ravel(arr) if axis is None else arr
    axis = normalize_axis_index(axis or 0, x.ndim)
    left = np.delete(np.arange(x.shape[axis]), obj)
    return getitem(x, (slice(None),) * axis + (left,))


def _trim_zeros(filt: Array, *, trim: str, axis: Any = None) -> Array:
    """Cut off zeros at the ends; of several axes, where a whole slice is zero."""
    sides = trim.lower()
    if sides not in ("fb", "bf", "f", "b"):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    axes = range(filt.ndim) if axis is None else normalize_axis_tuple(axis, filt.ndim)
    places = np.nonzero(filt)
    index = []
    for i, at in enumerate(places):
        ends = (at.min(), at.max() + 1) if at.size else (0, 0)
        start = ends[0] if "f" in sides or not at.size else None
        stop = ends[1] if "b" in sides or not at.size else None
        index.append(slice(start, stop) if i in axes else slice(None))
    return getitem(filt, tuple(index))


composite(np.compress, _compress, arrays=("a",))
composite(np.extract, _extract, arrays=("arr",))
composite(np.delete, _delete)
composite(np.trim_zeros, _trim_zeros)


# --- some of them many times, and others in between -------------------------------------------


def _repeat(a: Array, *, repeats: Any, axis: int | None) -> Array:
    """A companion of the axis is filled by broadcasting; by counts that differ, one by one."""
    x = np.ravel(a) if axis is None else a
    x = np.reshape(x, (1,)) if x.ndim == 0 else x
    axis = normalize_axis_index(axis or 0, x.ndim)
    counts = np.asarray(repeats)
    before, length, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if counts.size != 1:
        positions = np.repeat(np.arange(length), counts)
        return getitem(x, (slice(None),) * axis + (positions,))
    count = int(np.repeat(0, counts).size)
    filled = np.broadcast_to(np.expand_dims(x, axis + 1), (*before, length, count, *after))
    return np.reshape(filled, (*before, length * count, *after))


def _resize(a: Array, *, new_shape: int | tuple[int, ...]) -> Array:
    """The elements from the start again, as often as they are needed."""
    shape = tuple(np.atleast_1d(np.asarray(new_shape, int)).tolist())
    size = math.prod(shape)
    if any(n < 0 for n in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    if a.size == 0:
        return unvarying(np.zeros_like(a, shape=shape), a)
    times = -(-size // a.size)
    return np.reshape(np.tile(np.ravel(a), times)[:size], shape)


def _insert(arr: Array, *, obj: Any, values: Array, axis: int | None) -> Array:
    """Old and new are joined; NumPy says in which order, of which it is given the numbers."""
    old = np.ravel(arr) if axis is None else arr
    axis = normalize_axis_index(axis or 0, old.ndim)
    length, single = old.shape[axis], np.ndim(obj) == 0 and not isinstance(obj, slice)
    new = np.reshape(values, (1,) * (old.ndim - np.ndim(values)) + np.shape(values))
    new = np.moveaxis(new, 0, axis) if single else new
    places = np.insert(np.arange(length), obj, 0).size - length
    count = new.shape[axis] if places == 1 else places  # several can go to one place
    order = np.insert(np.arange(length), obj, length + np.arange(count))
    new = np.broadcast_to(new, (*old.shape[:axis], count, *old.shape[axis + 1 :]))
    new = new if new.dtype == old.dtype else cast(new, dtype=old.dtype)
    joined = np.concatenate([old, new], axis=axis)
    return getitem(joined, (slice(None),) * axis + (order,))


def _append(arr: Array, values: Array, *, axis: int | None) -> Array:
    if axis is None:
        return np.concatenate([np.ravel(arr), np.ravel(values)])
    return np.concatenate([arr, values], axis=axis)


composite(np.repeat, _repeat)
composite(np.resize, _resize)
composite(np.insert, _insert)
composite(np.append, _append)

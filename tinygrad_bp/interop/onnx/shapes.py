"""Functions that move elements about: shapes, axes, parts, and what is looked up by an index."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_bp import rules
from tinygrad_bp.interop.onnx.constants import Constant, Dims
from tinygrad_bp.interop.onnx.graph import INTEGER, Graph, common
from tinygrad_bp.interop.onnx.program import Step
from tinygrad_bp.interop.onnx.sizes import Size
from tinygrad_bp.rules.indexing import getitem
from tinygrad_bp.tensor import array_of

__all__ = ["SPELLED", "WRITERS"]

Writer = Callable[..., Any]
END = np.iinfo(np.int64).max


# --- shapes and axes ------------------------------------------------------------------------


def _reshape(graph: Graph, call: Step, x: Any, *, shape: Any, **_: Any) -> Any:
    wanted = list(shape) if isinstance(shape, tuple) else [shape]
    varying = [i for i, n in enumerate(wanted) if isinstance(n, Size)]
    if len(varying) == 1 and -1 not in wanted and 0 not in wanted:
        wanted[varying[0]] = -1  # whatever is left
    name = graph.use(x, call.dtype)
    if not wanted or 0 not in wanted:
        return graph.emit("Reshape", name, graph.dims(wanted))
    return graph.emit("Reshape", name, graph.dims(wanted), allowzero=1)


def _transpose(graph: Graph, call: Step, x: Any, *, axes: Any = None) -> Any:
    ndim = len(call.shape)
    order = range(ndim)[::-1] if axes is None else [int(a) % ndim for a in axes]
    return graph.once("Transpose", graph.use(x), perm=list(order))


def _expand_dims(graph: Graph, call: Step, x: Any, *, axis: Any) -> Any:
    axes = axis if isinstance(axis, tuple) else (axis,)
    places = sorted(int(a) % len(call.shape) for a in axes)
    return graph.emit("Unsqueeze", graph.use(x), graph.integers(*places))


def _squeeze(graph: Graph, call: Step, x: Any, *, axis: Any = None) -> Any:
    if axis is None:
        if any(not isinstance(n, int) for n in x.shape):
            graph.refuse("squeeze without an axis might leave out a dynamic axis; name the axis")
        axis = tuple([i for i, n in enumerate(x.shape) if n == 1])
    axes = [int(a) % len(x.shape) for a in (axis if isinstance(axis, tuple) else (axis,))]
    name = graph.use(x, call.dtype)
    return graph.emit("Squeeze", name, graph.integers(*axes)) if axes else name


def _broadcast_to(graph: Graph, call: Step, x: Any, **_: Any) -> Any:
    return graph.emit("Expand", graph.use(x, call.dtype), graph.dims(call.shape))


def _concatenate(graph: Graph, call: Step, *parts: Any, axis: Any = 0, **_: Any) -> Any:
    there = [x for x in parts if axis is None or x.shape[axis] != 0] or parts[:1]
    names = [graph.use(x, call.dtype) for x in there]
    if axis is None:
        names = [graph.emit("Reshape", name, graph.integers(-1)) for name in names]
    return graph.emit("Concat", *names, axis=0 if axis is None else axis)


def _pad(graph: Graph, call: Step, x: Any, *, pad_width: Any, **_: Any) -> Any:
    ndim = len(call.shape)
    pairs = np.broadcast_to(np.asarray(_plain_widths(graph, pad_width)), (ndim, 2))
    ends = graph.integers(*pairs[:, 0].tolist(), *pairs[:, 1].tolist())
    return _padded(graph, graph.use(x, call.dtype), ends, call.dtype)


def _padded(graph: Graph, name: str, ends: str, dtype: Any) -> str:
    if np.dtype(dtype).kind == "b":
        whole = graph.emit("Pad", graph.cast(name, np.dtype(np.int32)), ends)
        return graph.cast(whole, np.dtype(bool))
    padded: str = graph.emit("Pad", name, ends)
    return padded


def _plain_widths(graph: Graph, widths: Any) -> Any:
    if isinstance(widths, tuple):
        return [_plain_widths(graph, part) for part in widths]
    if isinstance(widths, Size):
        graph.refuse("pad by widths that depend on dynamic axes has no form here")
    return getattr(widths, "value", widths)


def _trilu(*, upper: int) -> Writer:
    def write(graph: Graph, call: Step, x: Any, *, k: int = 0) -> Any:
        name, number = graph.use(x), graph.constant(np.array(int(k)))
        if call.dtype.kind == "b":
            part = graph.emit("Trilu", graph.cast(name, INTEGER), number, upper=upper)
            return graph.cast(part, np.dtype(bool))
        return graph.emit("Trilu", name, number, upper=upper)

    return write


# --- indices --------------------------------------------------------------------------------


def _getitem(graph: Graph, call: Step, x: Any, *, index: Any) -> Any:
    """Slices and numbers first, then new axes; arrays by Gather, or GatherND if several."""
    parts = _parts(graph, index, len(x.shape))
    name = _sliced(graph, graph.use(x), x.shape, [p for p in parts if p is not None])
    kept = [p for p in parts if p is None or isinstance(p, slice) or _is_array(p)]
    arrays = [i for i, p in enumerate(kept) if _is_array(p)]
    fresh = [i for i, p in enumerate(kept) if p is None]
    if fresh:
        name = graph.emit("Unsqueeze", name, graph.integers(*fresh))
    if not arrays:
        return name
    if any(p is None or isinstance(p, int | Size) for p in parts) and len(arrays) > 1:
        graph.refuse("an index of several arrays, with numbers or new axes among them, has no form")
    found = [kept[i] for i in arrays]
    if len(arrays) == 1:
        rows = graph.use(found[0], INTEGER)
        return graph.emit("Gather", name, rows, axis=arrays[0])
    return _several(graph, call, name, len(kept), arrays, found)


def _is_array(part: Any) -> bool:
    return part is not None and not isinstance(part, slice | int | Size)


def _parts(graph: Graph, index: Any, ndim: int) -> list[Any]:
    """A part for each axis, and None for new ones; booleans as the places where they are True."""
    given = list(index) if isinstance(index, tuple) else [index]
    given = [_whole(graph, part) for part in given]
    flat: list[Any] = []
    for part in given:
        flat += part if isinstance(part, list) else [part]
    taken = sum(1 for part in flat if part is not None and part is not ...)
    rest = [slice(None)] * (ndim - taken)
    if not any(part is ... for part in flat):
        return [*flat, *rest]
    at = next(i for i, part in enumerate(flat) if part is ...)
    return [*flat[:at], *rest, *flat[at + 1 :]]


def _whole(graph: Graph, part: Any) -> Any:
    """One part of an index; a mask becomes a list of arrays."""
    if isinstance(part, bool | np.bool_):
        graph.refuse("an index True or False has no form in ONNX here")
    if part is None or part is ... or isinstance(part, slice | int | Size):
        return part
    if part.dtype.kind == "b":
        if not hasattr(part, "value"):
            graph.refuse(
                "an index by a condition picks as many elements as it holds for, in every run "
                "others; write np.where(condition, x, 0)"
            )
        return [Constant(places) for places in np.nonzero(part.value)]
    if getattr(part, "shape", None) == () and hasattr(part, "value"):
        return int(part.value)
    return part


def _sliced(graph: Graph, name: str, shape: Dims, parts: Sequence[Any]) -> str:
    """Take slices and single places, each of an axis of its own."""
    starts, stops, axes, steps = [], [], [], []
    for axis, part in enumerate(parts):
        if isinstance(part, slice) and not isinstance(shape[axis], int):
            _check_ends(graph, part)
        if isinstance(part, int | Size):
            part = slice(part, _next(part))  # noqa: PLW2901
        if not isinstance(part, slice) or part == slice(None):
            continue
        step = 1 if part.step is None else part.step
        backwards = step < 0
        starts.append((END if backwards else 0) if part.start is None else part.start)
        stops.append((-END if backwards else END) if part.stop is None else part.stop)
        axes.append(axis)
        steps.append(step)
    if axes:
        ends = graph.dims(starts), graph.dims(stops)
        name = graph.emit("Slice", name, *ends, graph.integers(*axes), graph.integers(*steps))
    alone = [axis for axis, part in enumerate(parts) if isinstance(part, int | Size)]
    return graph.emit("Squeeze", name, graph.integers(*alone)) if alone else name


def _check_ends(graph: Graph, part: slice) -> None:
    """Refuse x[:k] and x[-k:] of a dynamic axis, which have fewer elements where it is shorter."""
    first = isinstance(part.stop, int) and part.stop > 1
    last = isinstance(part.start, int) and part.start < -1
    if first or last:
        graph.refuse(
            "a slice of a dynamic axis up to a fixed place, or from one counted from its end, is "
            "shorter where the axis is: that is no formula"
        )


def _next(place: int | Size) -> int | Size:
    if isinstance(place, Size):
        return Size({**place.terms, (): place.terms.get((), 0) + 1})
    return END if place == -1 else place + 1


def _several(  # noqa: PLR0917
    graph: Graph, call: Step, name: str, ndim: int, axes: list[int], arrays: list[Any]
) -> Any:
    """Axes that arrays point into come first, for GatherND, and back where NumPy puts them."""
    others = [axis for axis in range(ndim) if axis not in axes]
    moved = graph.emit("Transpose", name, perm=[*axes, *others])
    together = axes == list(range(axes[0], axes[-1] + 1))
    depth = len(call.shape) - len(others)
    first = axes[0] if together else 0
    shape = call.shape[first : first + depth]
    rows = [graph.emit("Expand", graph.use(a, INTEGER), graph.dims(shape)) for a in arrays]
    columns = [graph.emit("Unsqueeze", row, graph.integers(depth)) for row in rows]
    found = graph.emit("GatherND", moved, graph.emit("Concat", *columns, axis=depth))
    order = [*range(depth, depth + first), *range(depth), *range(depth + first, len(call.shape))]
    return graph.emit("Transpose", found, perm=order) if first else found


def _take_along_axis(graph: Graph, call: Step, x: Any, *, indices: Any, axis: Any) -> Any:
    if axis is None:
        graph.refuse("take_along_axis without an axis has no form in ONNX here")
    axis = axis % len(x.shape)
    name, rows = graph.use(x), graph.use(indices, INTEGER)
    if len(call.shape) == len(x.shape):
        wide = [n if a != axis else x.shape[axis] for a, n in enumerate(call.shape)]
        if tuple(wide) != tuple(x.shape):
            name = graph.emit("Expand", name, graph.dims(wide))
        if tuple(indices.shape) != tuple(call.shape):
            rows = graph.emit("Expand", rows, graph.dims(call.shape))
    return graph.emit("GatherElements", name, rows, axis=axis)


def _scatter_add(graph: Graph, call: Step, g: Any, *, index: Any, shape: Any) -> Any:
    """Rows added to zeros, at places along the first axis."""
    if isinstance(index, tuple):
        graph.refuse("scatter_add along other axes than the first has no form in ONNX here")
    zeros = graph.emit("Expand", graph.constant(np.zeros((), call.dtype)), graph.dims(shape))
    rows = graph.emit("Unsqueeze", graph.use(index, INTEGER), graph.integers(len(index.shape)))
    return graph.emit("ScatterND", zeros, rows, graph.use(g, call.dtype), reduction="add")


def _sorted(*, places: bool) -> Writer:
    """TopK of all, from the smallest; or where they are."""

    def write(graph: Graph, call: Step, x: Any, *, axis: Any = -1, **_: Any) -> Any:
        name = graph.use(x)
        if axis is None:
            name, axis = graph.emit("Reshape", name, graph.integers(-1)), 0
        count = graph.length(call.shape[axis])
        made = graph.emit("TopK", name, count, outputs=2, axis=axis, largest=0, sorted=1)
        return made[1] if places else made[0]

    return write


def _searchsorted(graph: Graph, call: Step, a: Any, v: Any, *, side: str = "left", **_: Any) -> Any:
    """How many numbers of a sorted vector are below each of v, or not above it."""
    if len(a.shape) != 1:
        graph.refuse("searchsorted has a form for vectors alone")
    dtype = common(a, v)
    above = graph.emit("Unsqueeze", graph.use(v, dtype), graph.integers(len(v.shape)))
    compared = "LessOrEqual" if side == "right" else "Less"
    behind = graph.emit(compared, graph.use(a, dtype), above)
    over = graph.integers(len(v.shape))
    return graph.emit("ReduceSum", graph.cast(behind, call.dtype), over, keepdims=0)


# --- in words of others -----------------------------------------------------------------------


def _moveaxis(a: Any, *, source: Any, destination: Any) -> Any:
    sources = normalize_axis_tuple(source, a.ndim)
    targets = normalize_axis_tuple(destination, a.ndim)
    order = [axis for axis in range(a.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return np.transpose(a, order)


def _swapaxes(a: Any, *, axis1: int, axis2: int) -> Any:
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return np.transpose(a, order)


def _flip(m: Any, *, axis: Any) -> Any:
    axes = range(m.ndim) if axis is None else normalize_axis_tuple(axis, m.ndim)
    turned: list[Any] = [slice(None, None, -1 if a in axes else None) for a in range(m.ndim)]
    return getitem(m, tuple(turned))


def _roll(a: Any, *, shift: Any, axis: Any) -> Any:
    if axis is None:
        return np.reshape(_roll(np.ravel(a), shift=shift, axis=0), a.shape)
    axes = normalize_axis_tuple(axis, a.ndim)
    shifts = np.broadcast_to(shift, (len(axes),)).tolist()
    for place, by in zip(axes, shifts, strict=True):
        cut = a.shape[place] - by % max(a.shape[place], 1)
        before = (slice(None),) * place
        a = np.concatenate([a[(*before, slice(cut, None))], a[(*before, slice(cut))]], axis=place)
    return a


def _take(a: Any, *, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
    x, indices = np.ravel(a) if axis is None else a, array_of(indices)
    place = 0 if axis is None else axis % x.ndim
    if mode == "wrap":
        indices = np.remainder(indices, x.shape[place])
    elif mode == "clip":
        indices = np.clip(indices, 0, x.shape[place] - 1)
    return getitem(x, (slice(None),) * place + (indices,))


def _repeated(a: Any, *, repeats: Any, axis: Any = None) -> Any:
    x = np.ravel(a) if axis is None else a
    place = 0 if axis is None else axis % x.ndim
    if np.ndim(repeats):
        index = np.repeat(np.arange(x.shape[place]), repeats)
        return getitem(x, (*(slice(None),) * place, index))
    wide = np.expand_dims(x, place + 1)
    shape = (*x.shape[: place + 1], repeats, *x.shape[place + 1 :])
    y = np.broadcast_to(wide, shape)
    return np.reshape(y, (*x.shape[:place], x.shape[place] * repeats, *x.shape[place + 1 :]))


def _windows(x: Any, *, window_shape: Any, axis: Any) -> Any:
    lengths = tuple(np.atleast_1d(window_shape).tolist())
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    for place, length in zip(axes, lengths, strict=True):
        before, count = (slice(None),) * place, x.shape[place] - length + 1
        x = np.stack([x[(*before, slice(i, i + count))] for i in range(length)], axis=-1)
    return x


def _ravel(a: Any) -> Any:
    return np.reshape(a, (math.prod(a.shape),))


# fmt: off
WRITERS: dict[Callable[..., Any], Writer] = {
    np.reshape: _reshape, np.transpose: _transpose, np.expand_dims: _expand_dims,
    np.squeeze: _squeeze, np.broadcast_to: _broadcast_to, np.concatenate: _concatenate,
    np.pad: _pad, np.tril: _trilu(upper=0), np.triu: _trilu(upper=1),
    getitem: _getitem, np.take_along_axis: _take_along_axis,
    rules.scatter_add: _scatter_add, np.searchsorted: _searchsorted,
    np.sort: _sorted(places=False), np.argsort: _sorted(places=True),
}
SPELLED: dict[Callable[..., Any], Callable[..., Any]] = {
    np.ravel: _ravel, np.moveaxis: _moveaxis, np.swapaxes: _swapaxes, np.flip: _flip,
    np.roll: _roll, np.take: _take, np.repeat: _repeated,
    np.lib.stride_tricks.sliding_window_view: _windows,
    np.zeros_like: lambda a, dtype=None, **_: np.zeros(a.shape, dtype or a.dtype),
    np.ones_like: lambda a, dtype=None, **_: np.ones(a.shape, dtype or a.dtype),
}
# fmt: on

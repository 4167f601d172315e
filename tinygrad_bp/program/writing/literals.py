"""Values as they are written in a text: the shortest literals that give the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.program.writing.imports import Imports

__all__ = ["bracketed", "dtype_text", "literal", "size"]

_LEFT_OUT = getattr(np, "_NoValue", object())  # NumPy's mark of an argument left out
_MANY = 32  # elements of an array that is written in full


def literal(item: Any, imports: Imports) -> str | None:
    """Return a text that gives an object again, None where there is none or it is too long.

    >>> imports = Imports()
    >>> literal(np.float32(0.2), imports), literal(np.arange(10), imports)
    ('float32(0.2)', 'arange(10)')
    >>> literal((slice(2, None), ..., None, -np.inf, np.dtype("f4")), imports)
    '(slice(2, None, None), ..., None, -inf, float32)'
    """
    if isinstance(item, np.generic):
        return _scalar(item, imports)
    if isinstance(item, np.dtype):
        return dtype_text(item, imports)
    if item is _LEFT_OUT:
        return imports.module("numpy._NoValue")
    write = _WRITERS.get(type(item))
    return write(item, imports) if write is not None else None


def bracketed(kind: type, parts: list[str]) -> str:
    """Return parts as a list, or as a tuple."""
    inside = ", ".join(parts)
    return f"[{inside}]" if kind is list else f"({inside}{',' * (len(parts) == 1)})"


def dtype_text(dtype: np.dtype[Any], imports: Imports) -> str:
    """Return a dtype as one writes it: `float32`."""
    name = {"bool": "bool_"}.get(dtype.name, dtype.name)
    if dtype.isnative and getattr(np, name, None) is dtype.type and np.dtype(dtype.type) == dtype:
        return imports.take("numpy", name)
    return f"{imports.take('numpy', 'dtype')}({dtype.str!r})"


def _number(item: complex, imports: Imports) -> str:
    if isinstance(item, complex):
        return f"complex({_number(item.real, imports)}, {_number(item.imag, imports)})"
    if math.isfinite(item):
        return repr(item)
    name = imports.take("numpy", "nan" if math.isnan(item) else "inf")
    return f"-{name}" if math.copysign(1, item) < 0 else name


def _shortest(item: np.generic) -> Any:
    """A number of Python's with the fewest digits that gives the same element."""
    if isinstance(item, np.complexfloating):
        return complex(_shortest(item.real), _shortest(item.imag))
    if isinstance(item, np.floating) and np.isfinite(item):
        return float(str(item))
    return item.item()


def _scalar(item: np.generic, imports: Imports) -> str | None:
    short = _shortest(item)
    if not _same(np.array(short, item.dtype), np.array(item)):
        return None
    dtype = dtype_text(item.dtype, imports)
    written = literal(_without_point(short), imports)
    return None if written is None or "(" in dtype else f"{dtype}({written})"


def _without_point(short: Any) -> Any:
    """A whole number without its point, where the dtype is written beside it."""
    whole = isinstance(short, float) and short.is_integer() and abs(short) < 1e6
    return int(short) if whole and (short or math.copysign(1, short) > 0) else short


def _array(array: np.ndarray[Any, Any], imports: Imports) -> str | None:
    if not array.flags.c_contiguous or array.dtype.kind not in "biufc":
        return None
    if not array.size:
        return (
            f"{imports.take('numpy', 'empty')}({array.shape}, {dtype_text(array.dtype, imports)})"
        )
    written = _full(array, imports) or _range(array, imports)
    return written or (_in_full(array, imports) if array.size <= _MANY else None)


def _range(array: np.ndarray[Any, Any], imports: Imports) -> str | None:
    """Whole numbers that are equally far apart; an identity matrix."""
    if array.dtype.kind not in "iuf" or array.size < 3:
        return None
    dtype = dtype_text(array.dtype, imports)
    if array.ndim == 2 and _same(np.eye(*array.shape, dtype=array.dtype), array):
        return f"{imports.take('numpy', 'eye')}({array.shape[0]}, dtype={dtype})"
    ends = _ends(array) if array.ndim == 1 else None
    if ends is None or not _same(np.arange(*ends, dtype=array.dtype), array):
        return None
    given = ", ".join(map(str, ends[1:2] if ends[::2] == (0, 1) else ends))
    dtype = "" if array.dtype == np.arange(2).dtype else f", dtype={dtype}"
    return f"{imports.take('numpy', 'arange')}({given}{dtype})"


def _ends(array: np.ndarray[Any, Any]) -> tuple[int, int, int] | None:
    """Where numbers start and end, and how far apart the first two are, if these are whole."""
    start, second = array[0].item(), array[1].item()
    if not (float(start).is_integer() and float(second).is_integer()) or start == second:
        return None
    step = int(second) - int(start)
    end = int(start) + step * array.size
    return None if abs(end) > 1e6 or (array.dtype.kind == "u" and end < 0) else (
        int(start), end, step
    )  # fmt: skip


def _in_full(array: np.ndarray[Any, Any], imports: Imports) -> str | None:
    short = [_without_point(_shortest(item)) for item in array.ravel()]
    if not _same(np.array(short, array.dtype).reshape(array.shape), array):
        return None
    written = literal(np.array(short, object).reshape(array.shape).tolist(), imports)
    return f"{imports.take('numpy', 'array')}({written}, {dtype_text(array.dtype, imports)})"


def _full(array: np.ndarray[Any, Any], imports: Imports) -> str | None:
    """An array of one and the same number."""
    number = _without_point(_shortest(array.flat[0]))
    if array.size < 2 or not _same(np.full(array.shape, number, array.dtype), array):
        return None
    shape, dtype = size(array.shape), dtype_text(array.dtype, imports)
    if number in (0, 1) and type(number) is int:
        return f"{imports.take('numpy', ('zeros', 'ones')[number])}({shape}, {dtype})"
    return f"{imports.take('numpy', 'full')}({shape}, {literal(number, imports)}, {dtype})"


def size(shape: tuple[int, ...]) -> str:
    """Return a shape as `empty` and others take it: one length by itself."""
    return str(shape[0]) if len(shape) == 1 else str(shape)


def _same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return one.tobytes() == other.tobytes()


def _nested(items: Any, imports: Imports) -> str | None:
    parts = [literal(part, imports) for part in items]
    return None if None in parts else bracketed(type(items), parts)  # type: ignore[arg-type]


def _slice(item: slice, imports: Imports) -> str | None:
    ends = _nested((item.start, item.stop, item.step), imports)
    return ends and f"slice{ends}"


_WRITERS: dict[type, Callable[[Any, Imports], str | None]] = {
    **dict.fromkeys((type(None), bool, int, str, bytes, range), lambda item, _: repr(item)),
    type(...): lambda *_: "...",
    float: _number,
    complex: _number,
    list: _nested,
    tuple: _nested,
    slice: _slice,
    np.ndarray: _array,
}

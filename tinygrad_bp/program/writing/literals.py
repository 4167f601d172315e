"""Values as they are written in a text: the shortest literals that give the same bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.program.writing.imports import Imports

__all__ = ["dtype_text", "literal"]

_MANY = 32  # elements of an array that is written in full


def literal(item: Any, imports: Imports) -> str | None:
    """Return a text that gives an object again, None where there is none or it is too long.

    >>> imports = Imports()
    >>> literal(np.float32(0.2), imports), literal(np.arange(10), imports)
    ('float32(0.2)', 'arange(10)')
    >>> literal((slice(2, None), ..., None, -np.inf, np.dtype("f4")), imports)
    '(slice(2, None, None), ..., None, -inf, float32)'
    """
    kind = type(item)
    if item is None or item is ... or kind in (bool, int, str, bytes, range):
        return "..." if item is ... else repr(item)
    if kind in (float, complex):
        return _number(item, imports)
    if kind in (list, tuple):
        parts = [literal(part, imports) for part in item]
        return None if None in parts else bracketed(kind, parts)  # type: ignore[arg-type]
    if kind is slice:
        found = literal((item.start, item.stop, item.step), imports)
        return found and f"slice{found}"
    if isinstance(item, np.dtype):
        return dtype_text(item, imports)
    if isinstance(item, np.generic):
        return _scalar(item, imports)
    if kind is np.ndarray:
        return _array(item, imports)
    return None


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
    written = literal(_rounded(short, item.dtype), imports)
    return None if written is None or "(" in dtype else f"{dtype}({written})"


def _rounded(short: Any, dtype: np.dtype[Any]) -> Any:
    """Whole numbers without a point, where the dtype is written beside them."""
    whole = isinstance(short, float) and short.is_integer() and abs(short) < 1e6
    return int(short) if whole and (short or math.copysign(1, short) > 0) else short


def _array(array: np.ndarray[Any, Any], imports: Imports) -> str | None:
    if not array.flags.c_contiguous or array.dtype.kind not in "biufc":
        return None
    dtype = dtype_text(array.dtype, imports)
    if (
        array.ndim == 1
        and array.size > 2
        and _same(np.arange(array.size, dtype=array.dtype), array)
    ):
        usual = array.dtype == np.arange(2).dtype
        return (
            f"{imports.take('numpy', 'arange')}({array.size}{'' if usual else f', dtype={dtype}'})"
        )
    if array.size > 1 and _same(np.full_like(array, array.flat[0]), array):
        return _full(array, dtype, imports)
    if not array.size:
        return f"{imports.take('numpy', 'empty')}({array.shape}, {dtype})"
    if array.size > _MANY:
        return None
    short = [_rounded(_shortest(item), array.dtype) for item in array.ravel()]
    if not _same(np.array(short, array.dtype).reshape(array.shape), array):
        return None
    written = literal(np.array(short, object).reshape(array.shape).tolist(), imports)
    return f"{imports.take('numpy', 'array')}({written}, {dtype})"


def _full(array: np.ndarray[Any, Any], dtype: str, imports: Imports) -> str | None:
    """An array of one and the same number."""
    first = array.flat[0]
    if not _same(np.full_like(array, _shortest(first)), array):
        return None
    number = _rounded(_shortest(first), array.dtype)
    if number in (0, 1) and type(number) is int:
        return f"{imports.take('numpy', ('zeros', 'ones')[number])}({array.shape}, {dtype})"
    return f"{imports.take('numpy', 'full')}({array.shape}, {literal(number, imports)}, {dtype})"


def _same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return one.tobytes() == other.tobytes()

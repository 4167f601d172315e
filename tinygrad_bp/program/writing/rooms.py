"""Memory as it is written: what is made for results, and what is a part of an array given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Bytes, Room, Value
from tinygrad_bp.program.strides import is_usual
from tinygrad_bp.program.writing.imports import Imports
from tinygrad_bp.program.writing.literals import dtype_text, size
from tinygrad_bp.program.writing.naming import Names
from tinygrad_bp.state import LINE, address_of, block_of

__all__ = ["are_aligned", "lines_of_rooms", "parts_of"]

_LARGE = 1 << 12  # bytes, from which on it matters where an array begins
_LITTLE = 1 << 20  # bytes, up to which it is not worth it that arrays share their memory


# --- rooms ----------------------------------------------------------------------------------


def are_aligned(values: Sequence[Value]) -> bool:
    """Whether there are rooms whose size makes it worth it where they begin."""
    return not _share(values) and any(value.nbytes >= _LARGE for value in values)


def _share(values: Sequence[Value]) -> bool:
    return sum(value.nbytes for value in values) > _LITTLE


def lines_of_rooms(
    values: Sequence[Value], names: Names, imports: Imports, aligned: str | None
) -> Iterator[str]:
    """Yield the lines that make the memory that results are written into.

    `aligned` is the name of the function that makes large arrays, if there are any.
    """
    shares = _share(values)
    memories: dict[Bytes, str] = {}
    for value in values:
        room: Any = value.source
        if shares and room.memory is not None and room.memory not in memories:
            memories[room.memory] = names.new("memory")
            yield from _memory(memories[room.memory], room.memory, imports)
        if aligned is not None and room.nbytes >= _LARGE and is_usual(room):
            text = f"{aligned}({size(room.shape)}, {dtype_text(room.dtype, imports)})"
        else:
            text = _room(room, memories, imports)
        yield f"{' = '.join(names.of_memory(value))} = {text}"


def _memory(name: str, memory: Bytes, imports: Imports) -> Iterator[str]:
    """One piece of memory for all, from where a line of the cache begins."""
    empty, uint8 = (imports.take("numpy", function) for function in ("empty", "uint8"))
    yield f"{name} = {empty}({memory.nbytes + LINE}, {uint8})"
    yield f"{name} = {name}[-{name}.ctypes.data % {LINE} :]"


def _room(room: Room, memories: Mapping[Bytes, str], imports: Imports) -> str:
    dtype = dtype_text(room.dtype, imports)
    usual = is_usual(room)
    if room.memory is not None and room.memory in memories:
        strides = "" if usual else f", {room.strides}"
        where = f"{memories[room.memory]}, {room.offset}"
        return f"{imports.take('numpy', 'ndarray')}({room.shape}, {dtype}, {where}{strides})"
    empty = imports.take("numpy", "empty")
    if usual:
        return f"{empty}({size(room.shape)}, {dtype})"
    axes = np.argsort([-stride for stride in room.strides], kind="stable").tolist()
    shape = tuple(room.shape[axis] for axis in axes)
    back = tuple(np.argsort(axes).tolist())
    return f"{empty}({size(shape)}, {dtype}).transpose{back}"


# --- parts of arrays ------------------------------------------------------------------------


def parts_of(
    homes: Sequence[Value], name: Callable[[Value], str]
) -> Iterator[tuple[Value, str | None]]:
    """Yield each home with how it is a part of a larger one, None if it is none."""
    by_owner: dict[int, list[Value]] = defaultdict(list)
    for value in sorted(homes, key=lambda value: -value.size):
        by_owner[id(block_of(_array(value)))].append(value)
    for value in homes:
        others = by_owner[id(block_of(_array(value)))]
        larger = (v for v in others if v is not value and v.size > value.size)
        found = (_part(_array(value), _array(other), name(other)) for other in larger)
        yield value, next(filter(None, found), None)


def _array(value: Value) -> Any:
    return value.source.array  # type: ignore[union-attr]


def _part(array: Any, of: Any, name: str) -> str | None:
    """Return how an array shows a part of a vector, None if it does not."""
    if of.ndim != 1 or not of.flags.c_contiguous or array.dtype != of.dtype or not array.size:
        return None
    start = address_of(array) - address_of(of)
    if start < 0 or start % of.itemsize or start + array.nbytes > of.nbytes:
        return None
    first = start // of.itemsize
    part = f"{name}[{first}:{first + array.size}]"
    if array.flags.c_contiguous:
        shape = array.shape or ((),)
        return part if array.ndim == 1 else f"{part}.reshape({', '.join(map(str, shape))})"
    return f"{part}.reshape{array.shape[::-1]}.T" if array.flags.f_contiguous else None

"""Parts that are all written to the homes of a vector are one write."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tinygrad_bp.program.listing import Home, Listing, Statement, Value, Write, subscript
from tinygrad_bp.state import address_of

__all__ = ["one_write"]


def one_write(listing: Listing) -> Listing:
    """Return a listing in which parts of a vector that go where they belong are one write."""
    made_by = listing.made_by()
    by_vector: dict[Value, list[Write]] = {}
    for write in listing.writes:
        by_vector.setdefault(write.target.base or write.target, []).append(write)
    writes = []
    for vector, parts in by_vector.items():
        whole = _whole(vector, parts, made_by)
        writes += parts if whole is None else [Write(vector, whole)]
    return dataclasses.replace(listing, writes=writes, limits=_wholes(listing.limits))


def _wholes(limits: Mapping[Value, float]) -> dict[Value, float]:
    """Return the limits of vectors in the places of those of all their parts."""
    sizes: dict[Value, int] = {}
    for home in limits:
        if home.base is not None:
            sizes[home.base] = sizes.get(home.base, 0) + home.size
    whole = {vector for vector, size in sizes.items() if size == vector.size}
    found: dict[Value, float] = {}
    for home, limit in limits.items():
        place = home.base if home.base in whole and home.base else home
        found[place] = min(limit, found.get(place, limit))
    return found


def _whole(
    vector: Value, writes: Sequence[Write], made_by: Mapping[Value, Statement]
) -> Value | None:
    """Return the vector whose parts are written into all parts of another one, if they are."""
    if sum(write.target.size for write in writes) != vector.size or len(writes) == 1:
        return None
    found = set()
    for write in writes:
        value, start = _cut_from(write.value, made_by)
        if start != _start_in(write.target, vector) or value.shape != vector.shape:
            return None
        found.add(value)
    return found.pop() if len(found) == 1 else None


def _cut_from(value: Value, made_by: Mapping[Value, Statement]) -> tuple[Value, int]:
    """Return the vector that a value is a part of, and where it starts there."""
    start = 0
    while (statement := made_by.get(value)) is not None and value.base is not None:
        if statement.function is subscript and (where := _start_of_slice(statement)) is not None:
            start += where
        elif statement.function is not np.reshape:
            break
        value = statement.args[0]
    return value, start


def _start_of_slice(statement: Statement) -> int | None:
    """Return where a slice of a vector starts."""
    vector, index = statement.args
    index = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    plain = isinstance(index, slice) and index.step is None and len(vector.shape) == 1
    return index.start or 0 if plain and (index.start or 0) >= 0 else None


def _start_in(home: Value, vector: Value) -> int:
    """Return where a home starts in its vector."""
    part, whole = home.source, vector.source
    if not isinstance(part, Home) or not isinstance(whole, Home):
        return -1
    return (address_of(part.array) - address_of(whole.array)) // whole.array.itemsize

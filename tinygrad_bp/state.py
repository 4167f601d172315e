"""What can be assigned: values in memory, when they were last written, and how to replace many.

Memory has one version, whoever views it. NumPy leads every view back to the array that owns the
memory, so the time of a write is kept there: a graph that read the memory through any tensor finds
out. Recording pays nothing; only ops older than the latest write are looked at (`Op.check_fresh`).
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

__all__ = ["clock", "memory", "note_write", "owner_of", "replace_all", "written_at"]

Array: TypeAlias = Any

clock = itertools.count()
"""Tells the ages of ops and writes."""

_NEVER = -1


class _Memory:
    """When memory was last written, by the id of the array that owns it."""

    def __init__(self) -> None:
        self.latest = _NEVER
        self.times: dict[int, int] = {}
        self.owners: dict[int, weakref.ref[Any]] = {}  # what is gone is forgotten

    def key_of(self, array: Array) -> int:
        """Return the key of an array's memory."""
        owner = array if getattr(array, "base", None) is None else owner_of(array)
        key = id(owner)
        if key not in self.owners:
            self.owners[key] = weakref.ref(owner, lambda _: self._forget(key))
        return key

    def _forget(self, key: int) -> None:
        self.times.pop(key, None)
        self.owners.pop(key, None)


memory = _Memory()
"""The versions of all memory; `memory.latest` is the time of the latest write anywhere."""


def owner_of(array: Array) -> Array:
    """Return the array that owns the memory, at the end of the chain of views.

    >>> a = np.zeros(4)
    >>> owner_of(a[1:].reshape(3, 1).T) is a
    True
    """
    while isinstance(base := getattr(array, "base", None), np.ndarray):
        array = base
    return array


def written_at(array: Array) -> int:
    """Return the time at which an array's memory was last written, -1 for never.

    >>> a = np.zeros(4)
    >>> v = a[1:]
    >>> note_write(a)
    >>> written_at(v) == memory.latest
    True
    """
    return memory.times.get(id(owner_of(array)), _NEVER)


def note_write(array: Array) -> None:
    """Note that an array was written to: ops that read its memory before are stale now."""
    memory.times[memory.key_of(array)] = memory.latest = next(clock)


def replace_all(
    places: Sequence[Array],
    values: Iterable[Array],
    assignments: tuple[Sequence[object], Sequence[str], Sequence[Any]] = ((), (), ()),
) -> None:
    """Write values into arrays and set attributes, all of them or none: nothing can come between.

    `assignments` are objects, and an attribute's name and its new value for each. Everything was
    checked before: the shapes fit, no write can fail. The work is done by one call of C code, in
    which no signal is handled: an interrupt comes before it or after it. (`np.copyto` would run
    Python in its dispatcher.)

    >>> a, b = np.zeros(2), np.zeros(1)
    >>> replace_all([a, b], [np.ones(2), 5.0])
    >>> a.tolist(), b.tolist()
    ([1.0, 1.0], [5.0])
    """
    now = next(clock)
    keys = list(map(memory.key_of, places))
    objects, names, new = assignments
    stroke: Iterator[object] = itertools.chain(
        map(dict.update, (memory.times,), (dict.fromkeys(keys, now),)),
        map(np.ndarray.__setitem__, places, itertools.repeat(...), values),
        map(setattr, (memory, *objects), ("latest", *names), (now, *new)),
    )
    deque(stroke, maxlen=0)

"""Rooms that are not needed at the same time lie in the same memory."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator

from tinygrad_bp.program.listing import Bytes, Listing, Room, Value
from tinygrad_bp.program.planning.memory import Memory
from tinygrad_bp.state import LINE

__all__ = ["Heap", "shared"]


def shared(listing: Listing) -> Listing:
    """Give the rooms of a listing their places in one piece of memory."""
    memory = Memory(listing)
    heap = Heap()
    places = []
    ends: dict[float, list[tuple[int, int]]] = {}
    position = 0
    for first, last, room in sorted(_lives(listing, memory), key=lambda life: life[0]):
        for gone in range(position, first):
            for place in ends.pop(gone, ()):
                heap.free(*place)
        position = max(position, first)
        size = -(-room.nbytes // LINE) * LINE
        start = heap.allocate(size)
        places.append((room, start))
        ends.setdefault(last, []).append((start, size))
    everything = Bytes(heap.size)
    for room, start in places:
        room.memory, room.offset = everything, start
    return listing


def _lives(listing: Listing, memory: Memory) -> Iterator[tuple[int, float, Room]]:
    """Yield each room with the positions at which it is first written and last read."""
    for value in listing.sources:
        room = value.source
        if isinstance(room, Room) and value.base is None:
            yield _life(value, room, memory)


def _life(value: Value, room: Room, memory: Memory) -> tuple[int, float, Room]:
    if room.lasting:
        return 0, math.inf, room
    return memory.first.get(value, 0), memory.last.get(value, 0), room


class Heap:
    """Places in a piece of memory that grows as far as it has to.

    >>> heap = Heap()
    >>> a, b, c = heap.allocate(128), heap.allocate(64), heap.allocate(64)
    >>> heap.free(a, 128)
    >>> heap.allocate(64), heap.allocate(64), heap.size
    (0, 64, 256)
    """

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []  # start and size, in order, none next to another

    def allocate(self, size: int) -> int:
        """Return where a place starts: in the smallest gap that is large enough."""
        fitting = [(gap, i) for i, (_, gap) in enumerate(self._free) if gap >= size]
        if not fitting:
            return self._at_the_end(size)
        _, i = min(fitting)
        start, gap = self._free.pop(i)
        if gap > size:
            self._free.insert(i, (start + size, gap - size))
        return start

    def _at_the_end(self, size: int) -> int:
        start = self.size
        if self._free and sum(self._free[-1]) == self.size:
            start, _ = self._free.pop()
        self.size = start + size
        return start

    def free(self, start: int, size: int) -> None:
        """Take a place back, and join it with gaps beside it."""
        i = bisect.bisect(self._free, (start, size))
        if i < len(self._free) and self._free[i][0] == start + size:
            size += self._free.pop(i)[1]
        if i and sum(self._free[i - 1]) == start:
            start, before = self._free.pop(i - 1)
            size, i = size + before, i - 1
        self._free.insert(i, (start, size))

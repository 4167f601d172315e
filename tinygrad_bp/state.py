"""What can be assigned: values in memory, when they were last written, and how to replace many.

Memory has one version, whoever views it. NumPy leads every view back to the array that owns the
memory, so the time of a write is kept there: a graph that read the memory through any tensor finds
out. Recording pays nothing; only ops older than the latest write are looked at (`Op.check_fresh`).
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Never, Protocol, TypeAlias

import numpy as np

from tinygrad_bp.operands import is_foreign

__all__ = [
    "LINE",
    "Tracer",
    "address_of",
    "block_of",
    "changes",
    "clock",
    "draw",
    "laid_out",
    "memory",
    "note_write",
    "owner_of",
    "replace_all",
    "require",
    "tracer",
    "tracers",
    "vector_of",
    "written_at",
]

Array: TypeAlias = Any


class Tracer(Protocol):
    """A run that is written down as a program: whoever reads or writes state tells it."""

    thread: int
    """Where it runs; other threads go on as if there were none."""

    def meet(self, function: Any, args: Any) -> None:
        """Learn which function is called next, and of what."""

    def adopt(self, owner: Any) -> None:
        """Learn that the run reads or writes what an object holds: a tensor, or moments."""

    def forget_gradient(self, tensor: Any) -> None:
        """Learn that a tensor's gradient is forgotten, or set anew."""

    def held(self, value: Any) -> Any:
        """Return what stands for what a tensor holds."""

    def write(self, tensor: Any, value: Any) -> None:
        """Assign values to a tensor, in its memory."""

    def assign(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of an object that holds state."""

    def draw(self, rng: np.random.Generator, method: str, args: Any, options: Any) -> Any:
        """Draw random numbers."""

    def options(self, group: Any, dtype: Any) -> dict[str, Any]:
        """Return the options of a group of parameters, numbers as arrays if a dtype is given."""

    def require(self, condition: Any) -> None:
        """Learn that a condition is to hold in every run."""

    def in_dtype(self, value: Any, dtype: Any) -> Any:
        """Return a value in a dtype, as an assignment converts it."""

    def is_array(self, value: Any) -> bool:
        """Return whether a value is an array, perhaps without axes, rather than a number."""

    def rely_on(self, holds: Callable[[Any], bool], given: Any) -> None:
        """Learn of something that must hold for a run, beside what is in memory."""

    def phase(self, phase: str, title: str) -> Any:
        """Return a context that says what the calls in it belong to."""

    def set_attribute(self, module: Any, name: str, value: Any) -> None:
        """Learn that an attribute of a module is set."""

    def own(self, module: Any) -> None:
        """Learn that a module is made, which nobody had before."""

    def visit(self, module: Any) -> None:
        """Learn that a module is called: its settings decide what the run does."""

    def refuse(self, problem: str) -> Never:
        """Raise an error for what cannot be part of a program, with the line of the user."""


class _Changes:
    """When something was last set that decides what a compiled step does."""

    count = 0

    def note(self) -> None:
        """Note one; the count is one that it never was, whatever other threads do meanwhile."""
        self.count = next(clock)


changes = _Changes()
"""Changes of what tensors, moments and modules hold; compiled steps look at their count."""

tracers: list[Tracer] = []
"""The runs that are being written down, in all threads; nearly always, there is none."""


def tracer() -> Tracer | None:
    """Return the run of this thread that is being written down: ask only if there are `tracers`."""
    here = threading.get_ident()
    return next((run for run in reversed(tracers) if run.thread == here), None)


clock = itertools.count()
"""Tells the ages of ops and writes."""

_NEVER = -1

LINE = 64
"""Bytes in a line of the cache, at which vectors begin."""


class _Block(bytearray):
    """Memory that arrays are laid out in, one after the other."""


class _Memory:
    """When memory was last written, by the id of the array that owns it."""

    def __init__(self) -> None:
        self.latest = _NEVER
        self.times: dict[int, int] = {}
        self.owners: dict[int, weakref.ref[Any]] = {}  # what is gone is forgotten

    def key_of(self, array: Array) -> int:
        """Return the key of an array's memory."""
        return self._key(array if getattr(array, "base", None) is None else owner_of(array))

    def key_of_block(self, array: Array) -> int:
        """Return the key of all that was laid out together with an array, or its own."""
        owner = owner_of(array)
        return self._key(owner.base if isinstance(owner.base, _Block) else owner)

    def _key(self, owner: Any) -> int:
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
    kinds = np.ndarray, type(array)  # CuPy's views have a base, too
    while isinstance(base := getattr(array, "base", None), kinds):
        array = base
    return array


def address_of(array: Array) -> int:
    """Return where in memory the first element stands."""
    address: int = array.__array_interface__["data"][0]
    return address


def laid_out(arrays: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Return a vector with room for arrays one after the other, and its parts in their shapes.

    NumPy knows none of them as a view of another: so each part has a version of its own. Who writes
    to the vector notes it for the block that they are all in.

    >>> vector, (a, b) = laid_out([np.zeros(2), np.zeros((1, 2))])
    >>> vector[...] = [1.0, 2.0, 3.0, 4.0]
    >>> a.tolist(), b.tolist(), owner_of(b) is b
    ([1.0, 2.0], [[3.0, 4.0]], True)
    """
    dtype = arrays[0].dtype
    starts = [*itertools.accumulate((a.nbytes for a in arrays), initial=0)]
    block = _Block(starts[-1] + LINE)
    first = -address_of(np.frombuffer(block, np.uint8)) % LINE
    parts = [
        np.ndarray(a.shape, dtype, block, first + start)
        for a, start in zip(arrays, starts, strict=False)
    ]
    return np.ndarray((starts[-1] // dtype.itemsize,), dtype, block, first), parts


def vector_of(arrays: Sequence[Array]) -> Array | None:
    """Return the vector in which arrays of one dtype lie one after the other, if they do.

    >>> vector, parts = laid_out([np.zeros(2), np.zeros(3), np.zeros(1)])
    >>> vector_of(parts[1:]).shape, vector_of(parts[::2])
    ((4,), None)
    """
    block = block_of(arrays[0])
    places = [address_of(a) for a in arrays]
    ends = [place + a.nbytes for place, a in zip(places, arrays, strict=True)]
    if places[1:] != ends[:-1] or not all(block_of(a) is block for a in arrays):
        return None
    begins = address_of(np.frombuffer(block, np.uint8))
    dtype, size = arrays[0].dtype, sum(a.size for a in arrays)
    found: Array = np.ndarray((size,), dtype, block, places[0] - begins)
    return found


def block_of(array: Array) -> Any:
    """What holds the memory: the array that owns it, or what it was laid out in."""
    owner = owner_of(array)
    return owner if owner.base is None else owner.base


def written_at(array: Array) -> int:
    """Return the time at which an array's memory was last written, -1 for never.

    >>> a = np.zeros(4)
    >>> v = a[1:]
    >>> note_write(a)
    >>> written_at(v) == memory.latest
    True
    """
    owner = owner_of(array)
    time = memory.times.get(id(owner), _NEVER)
    if type(getattr(owner, "base", None)) is _Block:
        return max(time, memory.times.get(id(owner.base), _NEVER))
    return time


def note_write(array: Array) -> None:
    """Note that an array was written to: ops that read its memory before are stale now.

    Arrays that nobody can refer to weakly, such as Dask's, are not followed: they are not written
    to either, others take their place.
    """
    with contextlib.suppress(TypeError):
        memory.times[memory.key_of(array)] = memory.latest = next(clock)


def draw(rng: np.random.Generator, method: str, *args: Any, **options: Any) -> Array:
    """Return what a method of a random generator draws: in a program, every run draws anew.

    >>> draw(np.random.default_rng(0), "random", 2)
    array([0.63696169, 0.26978671])
    """
    if tracers and (run := tracer()):
        return run.draw(rng, method, args, options)
    return getattr(rng, method)(*args, **options)


def require(condition: Any, explain: Callable[[], Any]) -> None:
    """Call what raises an error, unless a condition holds; a program checks it in every run.

    Of a condition that is elsewhere, on a GPU, nobody asks.

    >>> require(True, lambda: 1 / 0)
    """
    if tracers and (run := tracer()):
        run.require(condition)
    elif not is_foreign(condition) and not condition:
        explain()


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
    objects, names, new = assignments
    if tracers and (run := tracer()):
        _replace_in_trace(run, objects, names, new, places)
        return
    now = next(clock)
    keys = list(map(memory.key_of, places))
    stroke: Iterator[object] = itertools.chain(
        map(dict.update, (memory.times,), (dict.fromkeys(keys, now),)),
        map(np.ndarray.__setitem__, places, itertools.repeat(...), values),
        map(setattr, (memory, *objects), ("latest", *names), (now, *new)),
    )
    deque(stroke, maxlen=0)
    # Programs look at options themselves. (A generator that ends early may swallow an interrupt.)
    if not {"options"}.issuperset(names):
        changes.note()


def _replace_in_trace(
    tracer: Tracer,
    objects: Sequence[object],
    names: Sequence[str],
    new: Sequence[Any],
    places: Sequence[Array],
) -> None:
    """What objects hold is kept by the run; arrays without an owner cannot be followed."""
    if places:
        tracer.refuse("values are loaded or replaced within the step, which no program can do")
    for owner, name, value in zip(objects, names, new, strict=True):
        tracer.assign(owner, name, value)

"""What is around a step: modules, objects and variables that it reads, and sets.

While a step is traced, random generators in their attributes are stood in for. When the trace ends,
what the step has left there has the values of that run in the places of stand-ins.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any, Never

import numpy as np

from tinygrad_bp.program.listing import Constant, Home, Value
from tinygrad_bp.program.names import Name, Read, is_module, is_open
from tinygrad_bp.program.results import results_of
from tinygrad_bp.program.stand_in import Traced
from tinygrad_bp.state import changes
from tinygrad_bp.tensor import Tensor

__all__ = ["Around", "Stream"]

_REFUSED = {
    "shuffle": "changes its argument in place: use permutation(), which returns a new array",
    "spawn": "makes other generators: do it outside of the step",
    "bit_generator": "tells where the stream is, which is elsewhere in every run",
    "bytes": "gives no array: use integers()",
}


class Stream:
    """A random generator in a step that is traced: every run draws anew what is drawn from it."""

    __slots__ = ("_trace", "generator")

    def __init__(self, generator: np.random.Generator, trace: Any) -> None:
        self.generator = generator
        self._trace = trace

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What `isinstance` is told."""
        return np.random.Generator

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.generator, name)
        if self._trace.over or self._trace.thread != threading.get_ident():
            return found
        if name in _REFUSED:
            self._refuse(name, _REFUSED[name])
        return partial(self._draw, name)

    def _draw(self, method: str, *args: Any, **options: Any) -> Any:
        if options.get("out") is not None:
            self._refuse(f"{method}(out=)", "writes into an array: use what it returns")
        return self._trace.draw(self.generator, method, args, options)

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._refuse("a copy", "draws the same numbers again: copy it outside of the step")

    def __repr__(self) -> str:
        return repr(self.generator)

    def _refuse(self, name: str, why: str) -> Never:
        self._trace.refuse(f"{name} of a random generator {why}")
        raise AssertionError


class Around:
    """The places around a step, what was there before a trace, and what is there after it."""

    def __init__(self, trace: Any) -> None:
        self._trace = trace
        self._function: Callable[..., Any] = _step
        self._seen: dict[int, Any] = {}
        self._containers: dict[int, tuple[Any, Any]] = {}
        """Attributes, lists and dicts, and copies of them as they were before."""
        self._variables: list[tuple[Name, Any]] = []
        """Variables around the step, and what they were before."""
        self._streams: dict[int, Stream] = {}
        self._stood_in: list[tuple[Name, Any, Any]] = []
        """Where stand-ins for generators are put, what was there, and what is there now."""
        self._own: dict[int, Any] = {}
        """Modules that the step makes."""
        self._kept = False

    # --- before, and during the run -----------------------------------------------------------

    def look(self, function: Callable[..., Any], objects: Iterable[Any], read: Read) -> None:
        """Find what is around a function that is called with some objects, by what it reads."""
        self._function = function
        found = [(name, name.now()) for name in read.names]
        self._variables = [(name, was) for name, was in found if name.is_variable]
        bound = getattr(function, "__self__", None)
        for item in [bound, *objects, *[was for _, was in found]]:
            self.look_at(item)

    def look_at(self, item: Any) -> None:
        """Find what an object holds, if it is a module or one of the user's."""
        if id(item) in self._seen or isinstance(item, ModuleType):
            return
        self._seen[id(item)] = item
        if type(item) in (list, dict):
            self._look_into(item)
        elif is_module(item):
            for module in item.modules():
                self._seen[id(module)] = module
                self._look_into(vars(module))
        elif is_open(item) and not isinstance(item, type) and hasattr(item, "__dict__"):
            self._look_into(vars(item))

    def own(self, module: Any) -> None:
        """Learn of a module that the step makes: nobody had it before."""
        self._own[id(module)] = module

    def is_own(self, module: Any) -> bool:
        """Whether the step has made a module."""
        return id(module) in self._own

    def _look_into(self, container: Any) -> None:
        if id(container) in self._containers:
            return
        self._containers[id(container)] = container, container.copy()
        for place in _places(container):
            was = place.now()
            now = self.stand_in(was)
            if now is not was:
                self._stood_in.append((place, was, now))
                _put(place, now)
            elif type(was) in (list, dict):
                self._look_into(was)

    def stand_in(self, item: Any) -> Any:
        """Return what stands for a random generator, or for a tuple of them; all else as it is."""
        if type(item) is Stream:
            return item
        if _is_generator(item):
            return self._streams.setdefault(id(item), Stream(item, self._trace))
        if type(item) is tuple:
            parts = tuple(map(self.stand_in, item))
            return item if all(a is b for a, b in zip(parts, item, strict=True)) else parts
        return item

    def generators(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Yield the random generators that are variables, for which nothing stands in."""
        return ((str(name), item) for name, item in self._variables if _is_generator(item))

    # --- after the run ------------------------------------------------------------------------

    def leave(self, homes: dict[Value, Value]) -> bool:
        """Put values in the places of stand-ins; return whether the step has left any there.

        `homes` has what stands for memory, by what is written to it.
        """
        for place, was, now in self._stood_in:
            if place.now() is now:
                _put(place, was)
        end = _End(self._trace, self._function, homes)
        for module in self._own.values():
            end.into(vars(module))
        end.found = False
        for container, _ in list(self._containers.values()):
            end.into(container)
        for name, _ in self._variables:
            _replace(name, end.of(name.now()))
        self._kept = self._kept or end.found
        return self._kept

    def release(self) -> None:
        """Let go of what is in a circle with this."""
        self._trace, self._streams, self._stood_in = None, {}, []

    def undo(self) -> None:
        """Put everything back as it was before: the step will be run once more, eagerly."""
        if not self._kept:
            return
        for container, before in self._containers.values():
            _restore(container, before)
        for name, value in self._variables:
            _replace(name, value)
        changes.note()


class _End:
    """What becomes of stand-ins when a trace ends."""

    def __init__(self, trace: Any, function: Callable[..., Any], homes: dict[Value, Value]) -> None:
        self._trace, self._homes = trace, homes
        self._result = results_of(function)
        self._seen: dict[int, Any] = {}
        self.found = False
        """Whether there were any."""

    def into(self, container: Any) -> None:
        """Go through the entries of a list or dict."""
        if id(container) in self._seen:
            return
        self._seen[id(container)] = container
        for place in _places(container):
            _replace(place, self.of(place.now()))

    def of(self, item: Any) -> Any:
        """Return an item with values in the places of stand-ins."""
        if type(item) is Stream:
            return item.generator
        if isinstance(item, Tensor):
            self._revive(item)
        elif isinstance(item, Traced):
            return self._values(item)
        elif type(item) in (list, dict):
            self.into(item)
        elif isinstance(item, tuple):
            parts = [self.of(part) for part in item]
            if any(a is not b for a, b in zip(parts, item, strict=True)):
                return type(item)(*parts) if hasattr(item, "_fields") else type(item)(parts)
        return item

    def _revive(self, tensor: Tensor) -> None:
        """Give a tensor its values; one that tracks carries no graph, as results do not."""
        value = tensor._value
        if isinstance(value, Traced) and value.run is self._trace:
            is_result = tensor.op is not None
            tensor._value = np.asarray(self._values(value))
            if is_result:
                tensor.op, tensor.output = self._result(tensor._value).op, None
        if tensor.op is None:
            tensor._grad = self.of(tensor._grad)
            if isinstance(tensor._passes, Traced):
                tensor._passes = tensor._passes.value

    def _values(self, item: Traced) -> Any:
        if item.run is not self._trace:
            return item
        self.found = True
        if isinstance(item.ref.source, Constant):  # which the program holds, too
            return np.copy(item.value)
        return self._at_home(self._homes.get(item.ref, item.ref), item.value)

    def _at_home(self, value: Value, found: Any) -> Any:
        """Return an array; memory that it shows has to stay where it is."""
        home = value.base or value
        if not isinstance(home.source, Home):
            return found
        home.source = replace(home.source, alone=False)
        return home.source.array if home is value else found


def _step() -> None:
    """Stand for a step that is not known yet."""


def _places(container: Any) -> list[Name]:
    keys = range(len(container)) if type(container) is list else list(container)
    return [Name(container, key) for key in keys]


def _put(place: Name, value: Any) -> None:
    if isinstance(place.owner, list | dict):
        place.owner[place.name] = value
    else:
        setattr(place.owner, place.name, value)


def _replace(place: Name, value: Any) -> None:
    if place.now() is not value:
        _put(place, value)


def _restore(container: Any, before: Any) -> None:
    """Let a list or dict hold what it held before."""
    if type(container) is list:
        container[:] = before
        return
    for key in [key for key in container if key not in before]:
        del container[key]
    for key, value in before.items():
        if key not in container or container[key] is not value:
            container[key] = value


def _is_generator(item: Any) -> bool:
    kind = type(item)  # to ask NumPy would load what draws
    return kind.__name__ == "Generator" and kind.__module__ == "numpy.random._generator"

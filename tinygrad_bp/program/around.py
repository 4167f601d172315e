"""What is around a step: modules, objects and variables that it reads, and sets.

While a step is traced, random generators in their attributes are stood in for. When the trace ends,
what the step has left there has the values of that run in the places of stand-ins. A step that
changes anything there may do so in every call, which no program does: it is traced each time.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType, MemberDescriptorType, ModuleType
from typing import Any, Never

import numpy as np

from tinygrad_bp.program.listing import Constant, Home, Value
from tinygrad_bp.program.names import Name, Read, alike, data_of, is_module, is_open
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
_CONTAINERS = (list, dict, set, deque, np.ndarray)
_MANY = 1024  # entries: among more, nothing is looked for
_LARGE = 2**17  # entries: of more, no copy is made


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
        self._containers: dict[int, tuple[Any, dict[Any, Any]]] = {}
        """Containers and objects, and what they held before."""
        self._variables: list[tuple[Name, Any]] = []
        """Variables around the step, and what they were before."""
        self._streams: dict[int, Stream] = {}
        self._stood_in: list[tuple[Name, Any, Any]] = []
        """Where stand-ins for generators are put, what was there, and what is there now."""
        self._own: dict[int, Any] = {}
        """Modules that the step makes."""
        self._may_draw = False

    # --- before, and during the run -----------------------------------------------------------

    def look(self, function: Callable[..., Any], objects: Iterable[Any], read: Read) -> None:
        """Find what is around a function that is called with some objects, by what it reads."""
        self._function = function
        self._may_draw = read.may_draw
        found = [(name, name.now()) for name in read.names]
        self._variables = [(name, was) for name, was in found if name.is_variable]
        bound = getattr(function, "__self__", None)
        owners = [name.owner for name, _ in found if not name.is_variable]
        for item in [bound, *objects, *[was for _, was in found], *owners, *read.arrays]:
            self.look_at(item)

    def look_at(self, item: Any) -> None:
        """Find what an object holds, if it is a container, a module or one of the user's."""
        if id(item) in self._seen or isinstance(item, ModuleType):
            return
        self._seen[id(item)] = item
        if isinstance(item, _CONTAINERS):
            self._look_into(item)
        elif is_module(item):
            for module in item.modules():
                self._seen[id(module)] = module
                self._look_into(vars(module))
        elif is_open(item):
            self._look_into(item)
            if not isinstance(item, type):
                self.look_at(type(item))
                self._look_into(getattr(item, "__dict__", {}))

    def own(self, module: Any) -> None:
        """Learn of a module that the step makes: nobody had it before."""
        self._own[id(module)] = module

    def is_own(self, module: Any) -> bool:
        """Whether the step has made a module."""
        return id(module) in self._own

    def _look_into(self, container: Any) -> None:
        if id(container) in self._containers or _size(container) > _LARGE:
            return
        entries = _entries(container)
        self._containers[id(container)] = container, entries
        for key, was in entries.items() if len(entries) <= _MANY else ():
            now = self.stand_in(was)
            if now is not was:
                self._stood_in.append((Name(container, key), was, now))
                _put(container, key, now)
            elif isinstance(was, _CONTAINERS):
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

    def generators(self) -> Iterator[tuple[str, Any]]:
        """Yield what draws random numbers, and nothing stands in for it: variables and modules."""
        yield from ((str(name), item) for name, item in self._variables if _is_generator(item))
        if self._may_draw:  # else another thread may, meanwhile, and that is its own matter
            yield "np.random", np.random.Generator(np.random.mtrand.get_bit_generator())
            yield "random", random

    # --- after the run ------------------------------------------------------------------------

    def leave(self, homes: dict[Value, Value]) -> bool:
        """Put values in the places of stand-ins; return whether the step has changed anything.

        `homes` has what stands for memory, by what is written to it. All that is left as it was, or
        that programs do, has to be back in its place.
        """
        for place, was, now in self._stood_in:
            if place.now() is now:
                _put(*place, was)
        end = _End(self._trace, self._function, homes)
        for module in self._own.values():
            end.into(vars(module))
        containers = [*self._changed()]
        for container, before in containers:
            end.into(container, before)
        variables = [name for name, was in self._variables if not alike(name.now(), was)]
        for name in variables:
            _replace(name, end.of(name.now()))
        return bool(containers or variables)

    def _changed(self) -> Iterator[tuple[Any, dict[Any, Any]]]:
        """Yield the containers that hold something else, and what they held before."""
        return (pair for pair in self._containers.values() if not _holds(*pair))

    def has_changed(self, container: Any) -> bool:
        """Whether the step has changed a container that was looked at."""
        found = self._containers.get(id(container))
        return found is not None and not _holds(*found)

    def release(self) -> None:
        """Let go of what is in a circle with this."""
        self._trace, self._streams, self._stood_in = None, {}, []

    def undo(self) -> None:
        """Put everything back as it was before: the step will be run once more, eagerly."""
        for container, before in self._changed():
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

    def into(self, container: Any, before: Mapping[Any, Any] = MappingProxyType({})) -> None:
        """Go through what a container or an object holds, and did not hold before."""
        if id(container) in self._seen:
            return
        self._seen[id(container)] = container
        for key, item in _entries(container).items():
            if key not in before or before[key] is not item:
                found = self.of(item)
                if found is not item:
                    _put(container, key, found)

    def of(self, item: Any) -> Any:
        """Return an item with values in the places of stand-ins."""
        if type(item) is Stream:
            return item.generator
        if isinstance(item, Tensor):
            self._revive(item)
        elif isinstance(item, Traced):
            return self._value(item)
        elif isinstance(item, _CONTAINERS):
            self.into(item)
        elif isinstance(item, tuple):
            parts = [self.of(part) for part in item]
            if any(a is not b for a, b in zip(parts, item, strict=True)):
                return type(item)(*parts) if hasattr(item, "_fields") else type(item)(parts)
        elif is_open(item) and not isinstance(item, type | ModuleType):
            self.into(item)
            self.into(getattr(item, "__dict__", {}))
        return item

    def _revive(self, tensor: Tensor) -> None:
        """Give a tensor its values; one that tracks carries no graph, as results do not."""
        value = tensor._value
        if isinstance(value, Traced) and value.run is self._trace:
            is_result = tensor.op is not None
            tensor._value = np.asarray(self._value(value))
            if is_result:
                tensor.op, tensor.output = self._result(tensor._value).op, None
        if tensor.op is None:
            tensor._grad = self.of(tensor._grad)
            if isinstance(tensor._passes, Traced):
                tensor._passes = tensor._passes.value

    def _value(self, item: Traced) -> Any:
        if item.run is not self._trace:
            return item
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


def _size(container: Any) -> int:
    if isinstance(container, np.ndarray):
        return container.size
    return len(container) if isinstance(container, _CONTAINERS) else 0


def _entries(container: Any) -> dict[Any, Any]:
    """Return what a container holds, or an object or class in slots and attributes of its own."""
    if isinstance(container, dict):
        return dict(container)
    if isinstance(container, set):
        return dict.fromkeys(container)
    if isinstance(container, list | deque):
        return dict(enumerate(container))
    if isinstance(container, np.ndarray):
        return {} if container.dtype.hasobject else {...: container.tobytes()}
    if isinstance(container, type):
        own = vars(container)
        return {name: own[name] for name in data_of(container) if name in own}
    slots = [name for name in data_of(type(container)) if _is_slot(type(container), name)]
    return {name: getattr(container, name) for name in slots if hasattr(container, name)}


def _holds(container: Any, before: dict[Any, Any]) -> bool:
    now = _entries(container)
    return now.keys() == before.keys() and all(map(alike, now.values(), before.values()))


def _is_slot(kind: type, name: str) -> bool:
    return isinstance(getattr(kind, name, None), MemberDescriptorType)


def _put(owner: Any, key: Any, value: Any) -> None:
    if isinstance(owner, list | dict | deque):
        owner[key] = value
    elif isinstance(owner, type | ModuleType):
        setattr(owner, key, value)
    else:
        object.__setattr__(owner, key, value)  # of a frozen dataclass, too


def _replace(place: Name, value: Any) -> None:
    if place.now() is not value:
        _put(*place, value)


def _restore(container: Any, before: dict[Any, Any]) -> None:
    """Let a container, or an object, hold what it held before."""
    if isinstance(container, np.ndarray):
        container[...] = np.frombuffer(before[...], container.dtype).reshape(container.shape)
    elif isinstance(container, set):
        container.intersection_update(before)
        container.update(before)
    elif isinstance(container, list | deque):
        container.clear()
        container.extend(before.values())
    else:
        for key in _entries(container).keys() - before.keys():
            container.pop(key) if isinstance(container, dict) else delattr(container, key)
        for key, value in before.items():
            _replace(Name(container, key), value)


def _is_generator(item: Any) -> bool:
    kind = type(item)  # to ask NumPy would load what draws
    return kind.__name__ == "Generator" and kind.__module__ == "numpy.random._generator"

"""What a program needs to find as it was when it was traced: arguments, settings, names.

Settings of modules have a version, and are compared when that has changed. All else is looked at in
every call.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.state import changes
from tinygrad_bp.tensor import Tensor, wrap

__all__ = [
    "Arguments",
    "Name",
    "Same",
    "Settings",
    "alike",
    "count_arrays",
    "has_settings",
    "names_of",
]

_KNOWN = frozenset({"numpy", "tinygrad_bp", "scipy", "builtins", "math"})
"""Packages whose objects decide nothing, or have a guard of their own."""


def _is_plain(item: Any) -> bool:
    """Whether an argument is a tensor that stands for its values alone."""
    return type(item) is Tensor and item.op is None and not item._requires_grad


class Arguments:
    """The arguments of a call: the arrays among them, and a key for all else.

    Arrays, floats, and tensors that do not track, are values, which each run has anew. All else is
    part of what the program is for.

    >>> given = Arguments((np.zeros(2), 0.5), {"training": True})
    >>> given.arrays, given.key[1:]
    ([array([0., 0.]), 0.5], ('float', ('training', (<class 'bool'>, True))))
    """

    __slots__ = ("args", "arrays", "key", "kwargs", "objects")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.arrays: list[Any] = []
        self.objects: list[Any] = []
        """Arguments that are compared by identity."""
        key = [self._key(arg) for arg in args]
        self.key = (*key, *[(name, self._key(value)) for name, value in kwargs.items()])

    def _key(self, item: Any) -> Any:
        kind = type(item)
        if _is_plain(item):
            item = item._value
        if isinstance(item, np.ndarray | np.generic):
            self.arrays.append(item)
            return kind, item.shape, item.dtype, item.strides
        if kind is float:
            self.arrays.append(item)
            return "float"
        if kind in (list, tuple):
            return kind, tuple([self._key(part) for part in item])
        if kind is dict:
            return kind, tuple([(name, self._key(part)) for name, part in item.items()])
        if kind in (int, bool, str, type(None)):
            return kind, item
        self.objects.append(item)
        return kind, Same(item)

    def difference(self, key: tuple[Any, ...]) -> str | None:
        """Return how the arguments differ from those of another key, None if they do not."""
        for i, (now, was) in enumerate(zip(self.key, key, strict=False)):
            if now != was:
                return f"argument {i + 1} is {_told(now)}, and was {_told(was)}"
        return None if len(self.key) == len(key) else "the number of arguments is another"

    def stand_ins(self, trace: Any, function: Callable[..., Any]) -> tuple[Any, Any]:
        """Return the arguments with stand-ins in the places of arrays."""
        made = _StandIns(trace)
        names = _parameters(function, len(self.args))
        args = [made.of(arg, name) for arg, name in zip(self.args, names, strict=True)]
        return args, {name: made.of(value, name) for name, value in self.kwargs.items()}


class _StandIns:
    """What stands for arguments, the arrays among them numbered in their order."""

    def __init__(self, trace: Any) -> None:
        self._trace = trace
        self._numbers = itertools.count()

    def of(self, item: Any, name: str) -> Any:
        """Return an argument with stand-ins in the places of arrays."""
        kind = type(item)
        if _is_plain(item):
            return wrap(self.of(item._value, name))
        if isinstance(item, np.ndarray) and kind not in (np.ndarray, np.memmap):
            self._trace.refuse(f"argument '{name}' is a {kind.__name__}: pass np.asarray(it)")
        if isinstance(item, np.ndarray | np.generic) or kind is float:
            return self._trace.argument(item, next(self._numbers), name)
        if kind in (list, tuple):
            return kind([self.of(part, f"{name}{i}") for i, part in enumerate(item)])
        if kind is dict:
            return {key: self.of(part, f"{name}_{key}") for key, part in item.items()}
        return self._trace.around.stand_in(item)


def _parameters(function: Callable[..., Any], count: int) -> list[str]:
    """The names of the first parameters of a function, with numbers for what has none."""
    code = getattr(function, "__code__", None)
    named = list(code.co_varnames[: code.co_argcount]) if code else []
    bound = getattr(function, "__self__", None) is not None
    named = named[bound:]
    return [named[i] if i < len(named) else f"argument{i + 1}" for i in range(count)]


def _told(key: Any) -> str:
    """What a key says of an argument."""
    if isinstance(key, tuple) and len(key) == 4 and isinstance(key[2], np.dtype):
        return f"an array {key[1]} of {key[2]}"
    if isinstance(key, tuple) and len(key) == 2 and key[0] in (int, bool, str, type(None)):
        return repr(key[1])
    return "of another kind"


def count_arrays(key: tuple[Any, ...]) -> int:
    """Return how many arrays there are among the arguments that a key describes."""
    return sum(map(_arrays_in, key))


def _arrays_in(key: Any) -> int:
    if key == "float":
        return 1
    if not isinstance(key, tuple):
        return 0
    if len(key) == 4 and isinstance(key[2], np.dtype):
        return 1
    return sum(map(_arrays_in, key))


class Same:
    """An object as part of a key: equal to itself alone."""

    __slots__ = ("item",)

    def __init__(self, item: Any) -> None:
        self.item = item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.item is self.item

    def __hash__(self) -> int:
        return id(self.item)

    def __repr__(self) -> str:
        return repr(self.item)


class Settings:
    """The settings of the modules that a step called: all attributes that are no tensors."""

    def __init__(self, modules: Sequence[Any], tensors: Sequence[Tensor]) -> None:
        self._modules, self._tensors = modules, tensors
        self._found = self._now()
        self.version = changes.count

    def unchanged(self) -> bool:
        """Whether they are what they were; if so, they are of the latest version."""
        if self._now() != self._found:
            return False
        self.version = changes.count
        return True

    def _now(self) -> list[Any]:
        return [
            *[(name, _setting(value)) for m in self._modules for name, value in vars(m).items()],
            *[_setting(m.registered_hooks()) for m in self._modules],
            *[tensor._requires_grad for tensor in self._tensors],
            *[list((tensor._hooks or {}).items()) for tensor in self._tensors],
        ]


def _setting(value: Any) -> Any:
    """A setting as something to compare: numbers and text by value, objects by identity."""
    if isinstance(value, bool | int | float | str | type(None)):
        return type(value), value
    if isinstance(value, list | tuple):
        return type(value), tuple([_setting(part) for part in value])
    if isinstance(value, dict):
        return dict, tuple([(key, _setting(part)) for key, part in value.items()])
    return Same(value)


_FEW = 64  # entries of a list or dict: of longer ones, who knows what a step reads


class Name(NamedTuple):
    """A name that a step reads from outside: where it is kept."""

    owner: Any
    """A variable's cell, a dict or list, or an object that has the name as an attribute."""
    name: Any

    def now(self) -> Any:
        """Return what it stands for."""
        if isinstance(self.owner, dict):
            return self.owner.get(self.name)
        if isinstance(self.owner, list):
            return self.owner[self.name] if self.name < len(self.owner) else None
        return getattr(self.owner, self.name)

    def __str__(self) -> str:
        return str(self.name) if self.name != "cell_contents" else "a variable around the step"

    def read(self, owner: str) -> str:
        """Return the text that reads it from its owner."""
        if isinstance(self.owner, dict):
            return f"{owner}.get({self.name!r})"
        if isinstance(self.owner, list):
            return f"({owner}[{self.name}] if len({owner}) > {self.name} else None)"
        return f"{owner}.{self.name}"


def names_of(function: Callable[..., Any], objects: Iterable[Any]) -> list[Name]:
    """Return the names that a function takes from outside.

    Those are the variables around it, the globals that its own code reads, and of the objects
    that are found there or among `objects`, the attributes that the code names; and what lists and
    dicts among all these hold, if they are short.
    """
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    named = list(dict.fromkeys(_names_in(code)))
    around: dict[str, Any] = function.__globals__
    found = [Name(cell, "cell_contents") for cell in function.__closure__ or () if _is_set(cell)]
    found += [Name(around, name) for name in named if name in around]
    roots = [*objects, *(name.now() for name in found)]
    seen = {id(root) for root in roots}
    for root in roots:  # grows as it is read
        found += _entries_of(root)
        if not has_settings(root):
            continue
        for name in named:
            if name in vars(root):
                found.append(Name(root, name))
                value = vars(root)[name]
                if id(value) not in seen:
                    seen.add(id(value))
                    roots.append(value)
    return found


def _entries_of(item: Any) -> list[Name]:
    """What a short list or dict holds, by its places."""
    if type(item) is list and len(item) <= _FEW:
        return [Name(item, i) for i in range(len(item))]
    if type(item) is dict and len(item) <= _FEW:
        return [Name(item, key) for key in item if isinstance(key, str | int)]
    return []


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names_in(inner)


def _is_set(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # nothing was assigned to it
        return False
    return True


def has_settings(item: Any) -> bool:
    """Whether an object is one of the user's, whose attributes decide what a step does."""
    if not hasattr(item, "__dict__") or isinstance(item, type | FunctionType):
        return False
    module = item.__name__ if isinstance(item, ModuleType) else type(item).__module__
    return module.partition(".")[0] not in _KNOWN


def alike(now: Any, was: Any) -> bool:
    """Whether a name stands for what it stood for: the same object, or an equal number or text."""
    if now is was:
        return True
    return type(now) is type(was) and isinstance(now, int | float | str) and now == was

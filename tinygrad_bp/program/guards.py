"""What a program needs to find as it was when it was traced: settings, names, options.

Settings of modules have a version, and are compared when that has changed. All else is looked at in
every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from tinygrad_bp.program.arguments import Same
from tinygrad_bp.state import changes
from tinygrad_bp.tensor import Tensor

__all__ = ["Name", "Settings", "has_settings", "names_of", "option_kinds", "other_name"]

_KNOWN = frozenset({"numpy", "tinygrad_bp", "scipy", "builtins", "math"})
"""Packages whose objects decide nothing, or have a guard of their own."""


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
    is_module = isinstance(item, ModuleType)
    name = getattr(item, "__name__", "") if is_module else getattr(type(item), "__module__", "")
    return str(name).partition(".")[0] not in _KNOWN


def _alike(now: Any, was: Any) -> bool:
    """Whether a name stands for what it stood for: the same object, or an equal number or text."""
    if now is was:
        return True
    return type(now) is type(was) and isinstance(now, int | float | str) and now == was


def other_name(names: Iterable[Name], now: Iterable[Any], was: Iterable[Any]) -> str | None:
    """Return what is said of the first name that stands for something else, None if none does."""
    for name, found, before in zip(names, now, was, strict=True):
        if not _alike(found, before):
            return f"'{name}' is {_told(found)}, and was {_told(before)}"
    return None


def _told(item: Any) -> str:
    """What is said of what a name stands for: objects may be large, or say nothing any more."""
    is_short = item is None or isinstance(item, int | float | str)
    return f"{item!r:.40}" if is_short else f"a {type(item).__name__}"


def option_kinds(group: Any) -> list[Any]:
    """Return what of a group's options decides how a step goes: all but the size of numbers."""
    return [(name, _kind(value)) for name, value in group.options.values.items()]


def _kind(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_kind(part) for part in value])
    return "number" if isinstance(value, float) and value else (type(value), value)

"""What a program needs to find as it was when it was traced: arguments, state, settings, names.

Settings of modules have a version, and are compared when that has changed. All else is looked at in
every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_bp.state import settings
from tinygrad_bp.tensor import Tensor, wrap

__all__ = ["Arguments", "Settings", "names_of"]


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

    __slots__ = ("args", "arrays", "key", "kwargs")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.arrays: list[Any] = []
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
        return kind, Same(item)

    def stand_ins(self, trace: Any, function: Callable[..., Any]) -> tuple[Any, Any]:
        """Return the arguments with stand-ins in the places of arrays."""
        numbers = iter(range(len(self.arrays)))

        def stand_in(item: Any, name: str) -> Any:
            kind = type(item)
            if _is_plain(item):
                return wrap(stand_in(item._value, name))
            if isinstance(item, np.ndarray | np.generic) or kind is float:
                return trace.argument(item, next(numbers), name)
            if kind in (list, tuple):
                return kind([stand_in(part, f"{name}{i}") for i, part in enumerate(item)])
            if kind is dict:
                return {key: stand_in(part, f"{name}_{key}") for key, part in item.items()}
            return item

        names = _parameters(function, len(self.args))
        args = [stand_in(arg, name) for arg, name in zip(self.args, names, strict=True)]
        return args, {name: stand_in(value, name) for name, value in self.kwargs.items()}


def _parameters(function: Callable[..., Any], count: int) -> list[str]:
    """The names of the first parameters of a function, with numbers for what has none."""
    code = getattr(function, "__code__", None)
    named = list(code.co_varnames[: code.co_argcount]) if code else []
    bound = getattr(function, "__self__", None) is not None
    named = named[bound:]
    return [named[i] if i < len(named) else f"argument{i + 1}" for i in range(count)]


class Same:
    """An object as part of a key: equal to itself alone."""

    __slots__ = ("item",)

    def __init__(self, item: Any) -> None:
        self.item = item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.item is self.item

    def __hash__(self) -> int:
        return id(self.item)


class Settings:
    """The settings of the modules that a step called: all attributes that are no tensors."""

    def __init__(self, modules: Sequence[Any], tensors: Sequence[Tensor]) -> None:
        self._modules, self._tensors = modules, tensors
        self._found = self._now()
        self.version = settings.version

    def unchanged(self) -> bool:
        """Whether they are what they were; if so, they are of the latest version."""
        if self._now() != self._found:
            return False
        self.version = settings.version
        return True

    def _now(self) -> list[Any]:
        return [
            *[(name, _setting(value)) for m in self._modules for name, value in vars(m).items()],
            *[tensor._requires_grad for tensor in self._tensors],
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


def names_of(function: Callable[..., Any]) -> Iterator[tuple[Any, str, Any]]:
    """Yield what the names stand for that a function takes from outside, and where that is kept.

    Those are the variables around it, and the globals that its own code reads: an owner, the path
    from there, and what is found at its end.
    """
    function = getattr(function, "__func__", function)
    for cell in getattr(function, "__closure__", None) or ():
        try:
            yield cell, ".cell_contents", cell.cell_contents
        except ValueError:  # nothing was assigned to it
            continue
    code = getattr(function, "__code__", None)
    around: Mapping[str, Any] = getattr(function, "__globals__", {})
    for name in _global_names(code) if code else ():
        if name in around:
            yield around, f".get({name!r})", around[name]


def _global_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _global_names(inner)

"""What a program needs to find as it was when it was traced: arguments, state, settings, names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_bp.state import settings
from tinygrad_bp.tensor import Tensor

__all__ = ["Arguments", "Names", "Settings"]


class Arguments:
    """The arguments of a call: the arrays among them, and a key for all else.

    Arrays, and tensors that do not track, are values, which each run has anew. All else is part of
    what the program was traced for.
    """

    __slots__ = ("args", "arrays", "key", "kwargs", "names")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.arrays: list[Any] = []
        self.names: list[str] = []
        key = [self._key(arg) for arg in args]
        if kwargs:
            key += [(name, self._key(value)) for name, value in kwargs.items()]
        self.key = tuple(key)

    def _key(self, item: Any) -> Any:
        kind = type(item)
        if kind is Tensor and not item._requires_grad and item.op is None:
            item, kind = item._value, Tensor
        if isinstance(item, np.ndarray | np.generic):
            self.arrays.append(item)
            contiguous = item.flags.c_contiguous
            return kind, item.shape, item.dtype, None if contiguous else item.strides
        if kind is float:
            self.arrays.append(item)
            return float
        if kind in (list, tuple):
            return kind, tuple([self._key(part) for part in item])
        if kind is dict:
            return kind, tuple([(name, self._key(part)) for name, part in item.items()])
        if kind in (int, bool, str, type(None)):
            return kind, item
        return kind, _Same(item)

    def stand_ins(self, trace: Any, names: Sequence[str] = ()) -> tuple[Any, Any]:
        """Return the arguments with stand-ins in the places of arrays."""
        count = [0]

        def stand_in(item: Any, name: str) -> Any:
            kind = type(item)
            if kind is Tensor and not item._requires_grad and item.op is None:
                return _wrapped(stand_in(item._value, name))
            if isinstance(item, np.ndarray | np.generic) or kind is float:
                count[0] += 1
                return trace.argument(item, count[0] - 1, name)
            if kind in (list, tuple):
                return kind([stand_in(part, f"{name}{i}") for i, part in enumerate(item)])
            if kind is dict:
                return {k: stand_in(part, str(k)) for k, part in item.items()}
            return item

        args = [
            stand_in(arg, names[i] if i < len(names) else f"argument{i}")
            for i, arg in enumerate(self.args)
        ]
        return args, {name: stand_in(value, name) for name, value in self.kwargs.items()}


def _wrapped(stand_in: Any) -> Tensor:
    from tinygrad_bp.tensor import wrap

    return wrap(stand_in)


class _Same:
    """An object as part of a key: equal to itself alone."""

    __slots__ = ("item",)

    def __init__(self, item: Any) -> None:
        self.item = item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.item is self.item

    def __hash__(self) -> int:
        return id(self.item)


class Settings:
    """The settings of the modules that a step called: all attributes that are no tensors."""

    def __init__(self, modules: Sequence[Any]) -> None:
        self._modules = modules
        self._found = self._now()
        self._version = settings.version

    def unchanged(self) -> bool:
        """Whether they are what they were."""
        if self._version == settings.version:
            return True
        if self._now() != self._found:
            return False
        self._version = settings.version
        return True

    def _now(self) -> list[Any]:
        return [
            (name, _setting(value))
            for module in self._modules
            for name, value in vars(module).items()
        ]


def _setting(value: Any) -> Any:
    """A setting as something to compare: numbers and text by value, objects by identity."""
    if isinstance(value, bool | int | float | str | type(None)):
        return type(value), value
    if isinstance(value, list | tuple):
        return type(value), tuple([_setting(part) for part in value])
    if isinstance(value, dict):
        return dict, tuple([(key, _setting(part)) for key, part in value.items()])
    return _Same(value)


class Names:
    """What the names stand for that a step takes from outside: variables around it, and globals."""

    def __init__(self, function: Callable[..., Any]) -> None:
        code = getattr(function, "__code__", None)
        self._cells = getattr(function, "__closure__", None) or ()
        self._globals: Mapping[str, Any] = getattr(function, "__globals__", {})
        self._read = [n for n in _global_names(code) if n in self._globals] if code else []
        self._found = [*self._now()]

    def unchanged(self) -> bool:
        """Whether they stand for what they stood for."""
        for now, before in zip(self._now(), self._found, strict=True):
            if now is not before and not _equal_numbers(now, before):
                return False
        return True

    def _now(self) -> Iterator[Any]:
        for cell in self._cells:
            try:
                yield cell.cell_contents
            except ValueError:  # nothing was assigned to it yet
                yield None
        for name in self._read:
            yield self._globals.get(name)


def _global_names(code: CodeType) -> list[str]:
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return [*code.co_names, *(name for c in inner for name in _global_names(c))]


def _equal_numbers(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, int | float | str) and a == b

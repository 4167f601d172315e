"""The arguments of a call: the arrays, which each run has anew, and what a program is for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.operands import is_foreign
from tinygrad_bp.tensor import Tensor, wrap

__all__ = ["Arguments", "Same", "count_arrays"]


def _is_plain(item: Any) -> bool:
    """Whether an argument is a tensor that stands for its values alone."""
    return type(item) is Tensor and item.op is None and not item._requires_grad


def _is_named(item: Any) -> bool:
    """Whether an argument is a tuple whose parts have names."""
    return isinstance(item, tuple) and hasattr(item, "_fields")


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
        if isinstance(item, np.ndarray | np.generic) or is_foreign(item):
            self.arrays.append(item)
            layout = type(item) if is_foreign(item) else item.strides
            return kind, item.shape, item.dtype, layout
        if kind is float:
            self.arrays.append(item)
            return "float"
        if kind in (list, tuple) or _is_named(item):
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
        return None if len(self.key) == len(key) else "the number of arguments has changed"

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
        if isinstance(item, np.ndarray | np.generic) or kind is float or is_foreign(item):
            return self._trace.argument(item, next(self._numbers), name)
        if _is_named(item):
            return kind(*map(self.of, item, item._fields))
        if kind in (list, tuple, dict):
            return self._copied(item, name)
        return self._trace.around.stand_in(item)

    def _copied(self, item: Any, name: str) -> Any:
        """Return a list, tuple or dict with stand-ins; what the step puts there would be lost."""
        if type(item) is dict:
            made: Any = {key: self.of(part, f"{name}_{key}") for key, part in item.items()}
        else:
            made = type(item)([self.of(part, f"{name}{i}") for i, part in enumerate(item)])
        if type(item) is not tuple:
            self._trace.copied.append((name, made))
            self._trace.around.look_at(made)
        return made


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

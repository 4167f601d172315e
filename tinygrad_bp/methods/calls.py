"""What methods are made of: facts about the array, and calls of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

__all__ = ["Axis", "Calls", "axis_of", "binary", "choice", "listed", "named", "unary"]

Axis = int | tuple[int, ...] | None
A = TypeVar("A")
B = TypeVar("B")


class Calls:
    """What an array must have for methods to be written on it."""

    __slots__ = ()

    _value: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        shape: tuple[int, ...] = self._value.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        dtype: np.dtype[Any] = self._value.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._value.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self._value.size)

    if TYPE_CHECKING:

        def _call(
            self,
            function: Callable[..., Any],
            arrays: Sequence[Any],
            options: Mapping[str, Any] = ...,
        ) -> Any: ...

        def _call_as_written(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any: ...

    def _as_written(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._call_as_written(function, (self, *args), kwargs)

    def _reduce(
        self, function: Callable[..., Any], axis: Any, options: dict[str, Any], *keepdim: Any
    ) -> Any:
        """PyTorch says `dim` and `keepdim` where NumPy says `axis` and `keepdims`."""
        if isinstance(axis, bool) or (keepdim and not isinstance(keepdim[0], bool)):
            raise TypeError(
                f"t.{function.__name__}(axis, keepdim) takes an axis and whether to keep it; name "
                "anything else, as in dtype=..."
            )
        axis = axis_of(axis, options.pop("dim", None))
        if options.pop("keepdim", *keepdim or (False,)):
            options["keepdims"] = True
        return self._as_written(function, axis=axis, **options)


def axis_of(axis: Any, dim: Any, default: Any = None) -> Any:
    """Return the one of NumPy's `axis` and PyTorch's `dim` that was given; a list as a tuple."""
    if axis is not None and dim is not None:
        raise TypeError("axis and dim are two names for one thing; give one of them")
    given = axis if dim is None else dim
    if given is None:
        return default
    return tuple(given) if isinstance(given, list) else given


def listed(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments that were given one by one, or as one list or tuple."""
    if len(given) == 1 and isinstance(given[0], tuple | list):
        return tuple(given[0])
    return given


def choice(name: str, word: Any, among: Mapping[Any, B]) -> B:
    """Return what a word stands for; `ValueError` lists the words if it is none of them."""
    if word not in among:
        words = ", ".join(map(repr, among))
        raise ValueError(f"{name} {word!r} is not one of {words}")
    return among[word]


def unary(function: Callable[..., Any], gives: str) -> Callable[[A], A]:
    """Return a method that calls a function on the array alone."""

    def method(self: Any) -> Any:
        return self._call(function, (self,))

    return named(method, function.__name__, f"Return {gives}, element by element.")


def binary(function: Callable[..., Any], gives: str) -> Callable[[A, Any], A]:
    """Return a method that calls a function on the array and another operand."""

    def method(self: Any, other: Any) -> Any:
        return self._call(function, (self, other))

    return named(method, function.__name__, f"Return {gives}, with broadcasting.")


def named(method: Callable[..., Any], name: str, text: str) -> Any:
    """Return a method that was made by another function, under a name and with a docstring."""
    method.__name__ = name
    method.__qualname__ = f"Methods.{name}"
    method.__doc__ = text
    return method

"""An array that speaks NumPy's two protocols and little else: a stand-in for one on a GPU.

It holds an ndarray that nobody else may see. It refuses to become one, and ndarrays beside it in a
call; of attributes it has what every array library has. Like CuPy, it takes positions and masks
from the host as an index; and it refuses calls that CuPy does not understand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
from cupy_vocabulary import refusal, refusal_of_ufunc
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["Strict"]


class Strict(NDArrayOperatorsMixin):
    """An array of this library, which has no name.

    >>> np.sum(Strict([1.0, 2.0]))
    Strict(3.0)
    """

    __slots__ = ("__weakref__", "held")
    brought: ClassVar[int] = 0
    """How often an array of the host's came here, as `np.asarray(a, like=...)` asks."""

    def __init__(self, values: Any) -> None:
        self.held = np.asarray(values)

    shape = property(lambda self: self.held.shape)
    dtype = property(lambda self: self.held.dtype)
    ndim = property(lambda self: self.held.ndim)
    size = property(lambda self: self.held.size)
    T = property(lambda self: given(self.held.T))

    def __repr__(self) -> str:
        return f"Strict({self.held.tolist()})"

    def astype(self, dtype: Any) -> Any:
        return given(self.held.astype(dtype))

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, index: Any) -> Any:
        return given(self.held[position(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.held[position(index)] = taken(value)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def __bool__(self) -> bool:
        raise TypeError("a look at values: the program would wait for the GPU")

    __float__ = __int__ = __index__ = __complex__ = __bool__

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        if not ours(type(a) for a in args if hasattr(a, "__array_ufunc__")):
            return NotImplemented
        if why := refusal_of_ufunc(ufunc, method, args, kwargs):
            raise TypeError(why)
        if method == "at":
            return ufunc.at(taken(args[0]), position(args[1]), *map(taken, args[2:]))
        if method != "__call__":
            return NotImplemented
        return given(ufunc(*map(taken, args), **taken(kwargs)))

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Any, kwargs: Any
    ) -> Any:
        if function in (np.array, np.asarray) and isinstance(args[0], np.ndarray):
            Strict.brought += 1
            return given(function(*args, **kwargs))
        known = (function.__module__ or "numpy").startswith("numpy")
        if not (known and ours(types)):
            return NotImplemented
        if why := refusal(function, args, kwargs):
            raise TypeError(why)
        if function is np.take:
            args = args[0], position(args[1]), *args[2:]
            return given(np.take(taken(args[0]), *args[1:], **taken(kwargs)))
        return given(function(*taken(args), **taken(kwargs)))


def ours(types: Iterable[type]) -> bool:
    """Whether nobody else, who knows better, has arrays in the call."""
    return all(issubclass(kind, Strict | np.ndarray | np.generic) for kind in types)


def taken(value: Any) -> Any:
    """What a call on these arrays is carried out on."""
    if isinstance(value, Strict):
        return value.held
    if isinstance(value, np.ndarray):
        raise TypeError(f"an ndarray of shape {value.shape} in a call on another kind of array")
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(map(taken, value))
    if isinstance(value, dict):
        return {key: taken(part) for key, part in value.items()}
    return value


def position(index: Any) -> Any:
    """An index, with positions and masks from here or from the host."""
    if isinstance(index, tuple):
        return tuple(map(position, index))
    return index if isinstance(index, np.ndarray) and index.dtype.kind in "iub" else taken(index)


def given(value: Any) -> Any:
    """What a call gives, as arrays of this kind."""
    if isinstance(value, np.ndarray | np.generic):
        return Strict(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(given, value))
    if isinstance(value, list | tuple):
        return type(value)(map(given, value))
    return value

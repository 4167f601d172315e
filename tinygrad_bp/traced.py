"""Traced: an array that stands for the arrays of many runs, and leaves a list of calls.

Its values are those of one run. Whoever asks for them as plain numbers would make a constant of
them: that is refused, with the line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Never, Protocol, Self, TypeAlias

import numpy as np

from tinygrad_bp.duck import NO_OPTIONS, DuckArray
from tinygrad_bp.rules.elementwise import cast
from tinygrad_bp.rules.indexing import getitem, plain_index
from tinygrad_bp.tensor import Tensor

__all__ = ["FACTS", "Run", "Traced", "plain", "replaced"]

Function: TypeAlias = Callable[..., Any]

FACTS = {np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj}


class Run(Protocol):
    """The run that traced arrays belong to."""

    def call(self, function: Function, arrays: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Note a call in normal form, and return what stands for its result."""

    def refuse(self, problem: str) -> Never:
        """Raise an error that says where in the user's code we are."""


class Traced(DuckArray):
    """An array with the call that made it; its values are those of one run."""

    __slots__ = ("ref", "run", "value")

    known: ClassVar[bool] = False
    advice: ClassVar[str] = ""
    """What to write instead of what depends on values."""

    def __init__(self, value: Any, run: Any, ref: Any) -> None:
        self.value = value
        """What it is in this run: for shapes and dtypes, and for the values of other calls."""
        self.run = run
        self.ref = ref
        """What the run knows it by."""

    # Whoever reads the values past the protocols would make a constant of them.
    @property
    def _value(self) -> Self:
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis, in this run."""
        shape: tuple[int, ...] = self.value.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        dtype: np.dtype[Any] = self.value.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements, in this run."""
        return int(self.value.size)

    def __len__(self) -> int:
        return len(self.value)

    def _call(
        self,
        function: Function,
        arrays: Sequence[Any],
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> Any:
        if function in FACTS:
            return function(*map(plain, arrays), **plain(dict(options)))
        return self.run.call(function, arrays, options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shape}, {self.dtype})"

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        plain = [part if isinstance(part, DuckArray) else plain_index(part) for part in parts]
        return self._call(getitem, (self,), {"index": tuple(plain)})

    def astype(self, dtype: Any, **_: Any) -> Any:
        """Return the array in another dtype."""
        return self._call(cast, (self,), {"dtype": np.dtype(dtype)})

    # --- logic, as arrays of booleans have it ------------------------------------------------

    def __and__(self, other: Any) -> Any:
        return self._call(np.bitwise_and, (self, other))

    def __or__(self, other: Any) -> Any:
        return self._call(np.bitwise_or, (self, other))

    def __xor__(self, other: Any) -> Any:
        return self._call(np.bitwise_xor, (self, other))

    def __invert__(self) -> Any:
        return self._call(np.invert, (self,))

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    # --- what would make a constant of it -----------------------------------------------------

    def _refuse(self, what: str) -> Never:
        run: Run = self.run
        run.refuse(f"{what} depends on values, which are others in every run{self.advice}")

    def is_violated(self) -> bool:
        """Return whether something is sure to be wrong: where values are not known, nothing is."""
        return self.is_certain()

    def is_certain(self) -> bool:
        """Return whether it holds in every run: of values that are not known, it may not."""
        return False

    def __bool__(self) -> bool:  # noqa: PLE0304
        self._refuse("a branch (if, and, or, while, bool())")

    def __float__(self) -> float:
        self._refuse("float()")

    def __int__(self) -> int:
        self._refuse("int()")

    def __complex__(self) -> complex:
        self._refuse("complex()")

    def __index__(self) -> int:  # noqa: PLE0305
        self._refuse("an index of a list or plain array, or a size,")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        self._refuse(
            "a plain array (np.asarray; for a table to look things up in, make it a buffer)"
        )

    def __format__(self, spec: str) -> str:
        self._refuse("text")

    def item(self, *_: int) -> Any:
        """Raise an error: it depends on values."""
        self._refuse("item()")

    def tolist(self) -> Any:
        """Raise an error: it depends on values."""
        self._refuse("tolist()")


def plain(value: Any) -> Any:
    """Return the values of this run in the places of traced arrays and tensors."""
    return replaced(value, lambda array: array.value)


def replaced(value: Any, of_traced: Callable[[Any], Any]) -> Any:
    """Return nested arguments with something else in the places of traced arrays."""
    if isinstance(value, Traced):
        return of_traced(value)
    if isinstance(value, Tensor):
        return replaced(value.data, of_traced)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[replaced(part, of_traced) for part in value])
    if isinstance(value, list | tuple):
        return type(value)([replaced(part, of_traced) for part in value])
    if isinstance(value, dict):
        return {key: replaced(part, of_traced) for key, part in value.items()}
    return value

"""What may come into a call, and where it is: here, or in another library's hands.

The arrays of Dask, CuPy and others stay what they are, and nobody looks at their values, which are
on a cluster or a GPU. What a rule needs beside them, it makes beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_bp.errors import ConversionError, NotDifferentiableError

__all__ = [
    "ORDINARY",
    "admit",
    "beside",
    "certainly",
    "check_together",
    "copied",
    "in_dtype",
    "is_foreign",
    "ones",
    "placed",
    "violated",
]

ORDINARY = frozenset(
    {np.ndarray, bool, int, float, complex, type(None), np.bool_}
    | {np.dtype(c).type for c in np.typecodes["AllInteger"] + np.typecodes["AllFloat"]}
)
"""What may meet a function without a further look: plain arrays and numbers."""


def admit(value: Any) -> Any:
    """Return an operand as rules may meet it: an array, a number, or a foreign array as it is.

    Lists of numbers, pandas objects and other libraries' arrays in this machine's memory become
    ndarrays, by position. Arrays of Dask or CuPy speak NumPy's protocols and stay as they are.
    Raises `NotDifferentiableError` for arrays whose operators mean something else.

    >>> admit([1.0, 2.0])
    array([1., 2.])
    """
    if isinstance(value, np.ndarray):
        return _plain(value)
    kind = type(value)
    if hasattr(kind, "__array_function__"):
        return value
    if (kind.__module__ or "").startswith("scipy.sparse"):
        raise NotDifferentiableError(
            f"a sparse matrix ({kind.__name__}) has a product of its own; pass m.toarray()"
        )
    if isinstance(value, list | tuple | range) or _is_array(value):
        found = np.asarray(value)
        if found.dtype.kind in "OSUV":
            raise ConversionError(
                f"NumPy finds no number type for this {kind.__name__}: it holds {found.dtype}"
            )
        return found
    return value


def is_foreign(value: Any) -> bool:
    """Return whether an array, or what a reader holds, is another library's.

    Its values are elsewhere, on a GPU or a cluster, or not worked out yet: they are not looked at.

    >>> is_foreign(np.ones(2)), is_foreign(2.0)
    (False, False)
    """
    held = getattr(value, "_value", value)
    kind = type(held)
    if hasattr(kind, "rank"):  # a reader of our own
        return bool(held.is_elsewhere)
    return hasattr(kind, "__array_function__") and not issubclass(kind, np.ndarray)


def check_together(name: str, arrays: Iterable[Any], error: Exception) -> None:
    """Raise `ConversionError` if what a function was given is in part here, in part elsewhere."""
    kinds = {type(a) for a in arrays if isinstance(a, np.ndarray) or is_foreign(a)}
    if len(kinds) > 1:
        told = " and ".join(sorted(f"{k.__module__.partition('.')[0]}.{k.__name__}" for k in kinds))
        raise ConversionError(
            f"{name} was given {told}, and arrays of two libraries do not mix. Bring them to one "
            "place, as model.to(cupy.asarray) does with a model, and cupy.asarray(x) with a batch."
        ) from error


def beside(value: Any) -> Any:
    """Return what NumPy's `like=` takes: an array, or None in the place of a number.

    `np.zeros(3, like=beside(a))` makes zeros where `a` is, be that a GPU or a cluster.

    >>> np.zeros(2, like=beside(np.float64(1.0)))
    array([0., 0.])
    """
    return value if hasattr(type(value), "__array_function__") else None


def ones(shape: Any, dtype: Any, array: Any) -> Any:
    """Return ones beside an array: CuPy's own `ones` knows no `like`.

    >>> ones(2, float, np.zeros(3))
    array([1., 1.])
    """
    return np.ones_like(np.zeros(shape, dtype=dtype, like=beside(array)))


def placed(made: Any, array: Any) -> Any:
    """Return what was made here, a mask or a number, beside an array that is elsewhere.

    >>> placed(np.array([True, False]), np.ones(2))
    array([ True, False])
    """
    moves = is_foreign(array) and not is_foreign(made)
    return np.asarray(made, like=array) if moves else made


def in_dtype(value: Any, dtype: Any) -> Any:
    """Return an array converted to a dtype.

    Of NumPy's two ways, Dask's arrays, and scalars before NumPy 2.1, know the method alone.

    >>> in_dtype(np.array([1, 0]), bool)
    array([ True, False])
    """
    by_method = isinstance(value, np.generic) or is_foreign(value)
    return value.astype(dtype) if by_method else np.astype(value, dtype)


def copied(value: Any) -> Any:
    """Return a copy of an array, where it is; Dask's arrays do not know NumPy's `copy`.

    >>> copied(np.array([1.0, 2.0]))
    array([1., 2.])
    """
    is_reader = hasattr(type(value), "rank")  # what it does with `copy` is recorded
    return np.array(value, like=value) if is_foreign(value) and not is_reader else np.copy(value)


def certainly(condition: Any) -> bool:
    """Return whether a condition holds in every run: of values that are not known, it may not.

    What is only a check, or a shorter way to the same result, asks in this way. A trace may say
    yes, and check the condition in every run.

    >>> certainly(np.array([True, True]).all())
    True
    """
    if is_foreign(condition):
        return False
    if getattr(condition, "known", True):
        return bool(condition)
    held: bool = condition.is_certain()
    return held


def violated(condition: Any) -> bool:
    """Return whether what must not hold does: of values that are not known, it may not.

    The caller raises an error then. A trace checks in every run that there is none to be raised.

    >>> violated(np.array([1, -1]).min() < 0)
    True
    """
    if is_foreign(condition):
        return False
    if getattr(condition, "known", True):
        return bool(condition)
    found: bool = condition.is_violated()
    return found


def _plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if type(array) in (np.ndarray, np.memmap):
        return np.asarray(array)
    if isinstance(array, np.ma.MaskedArray):
        raise NotDifferentiableError(
            "a masked array would lose its mask here; pass m.filled(value) or m.data"
        )
    raise NotDifferentiableError(
        f"np.{type(array).__name__} is a subclass of ndarray whose operators mean something else; "
        "pass np.asarray(m)"
    )


def _is_array(value: Any) -> bool:
    """Whether another library offers this as an array, by protocol or as a buffer of numbers."""
    if hasattr(type(value), "__array__"):
        return not isinstance(value, np.generic)
    return isinstance(value, memoryview | bytearray) or type(value).__module__ == "array"

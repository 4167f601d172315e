"""Saved values go into a model exactly as they are, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.tensor import Tensor

__all__ = ["Unmatched", "fitted", "holds", "listed"]

SHOWN = 50  # of a long list of problems


class Unmatched(NamedTuple):
    """What a load that is not strict has left out."""

    missing_keys: list[str]
    """Names in the model for which there was no value: these tensors are as they were."""
    unexpected_keys: list[str]
    """Names for which the model has no tensor: these values were ignored."""


def fitted(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the values that a state has for these tensors, in the tensors' dtypes.

    Nothing is changed. An array may be wider than what was saved (float64 for float32) but never
    narrower. Numbers and lists have no dtype of their own: they fit if they come through
    unchanged.

    Raises `CheckpointError` naming every entry that is missing, unexpected, of another shape, or
    of a dtype whose values the tensor could not hold exactly.

    >>> w = Tensor([0.0, 0.0], dtype=np.float64)
    >>> fitted({"w": w}, {"w": np.float32([1, 2])})
    {'w': array([1., 2.])}
    >>> fitted({"w": w}, {"v": [1, 2]})
    Traceback (most recent call last):
    tinygrad_bp.errors.CheckpointError: the state does not fit the model: missing: w; unexpected: v
    """
    problems = [f"missing: {name}" for name in tensors if name not in state]
    problems += [f"unexpected: {name}" for name in state if name not in tensors]
    values = {}
    for name, t in tensors.items():
        if name in state:
            try:
                values[name] = _as_it_is(state[name], t)
            except (TypeError, ValueError) as misfit:
                problems.append(f"{name} {misfit}")
    if problems:
        raise CheckpointError(f"the state does not fit the model: {listed(problems)}")
    return values


def listed(problems: Iterable[str]) -> str:
    r"""Return problems as one line, of a long list the beginning.

    >>> print(listed(["missing: a", "missing: b\nc"]))
    missing: a; missing: b\nc
    """
    problems = list(problems)
    more = len(problems) - SHOWN
    told = "; ".join(problems[:SHOWN]) + (f"; and {more:,} more" if more > 0 else "")
    return told.replace("\n", r"\n")


def holds(wide: np.dtype[Any], narrow: np.dtype[Any]) -> bool:
    """Whether the first dtype can hold every value of the second exactly.

    NumPy's "safe" casts are nearly that, but for large integers in floats.

    >>> holds(np.dtype("f8"), np.dtype("i4")), holds(np.dtype("f8"), np.dtype("i8"))
    (True, False)
    """
    if narrow.kind in "iu" and wide.kind in "fc":
        return int(np.iinfo(narrow).max).bit_length() <= np.finfo(wide).nmant + 1
    return np.can_cast(narrow, wide, "safe")


def _as_it_is(value: Any, t: Tensor) -> NDArray[Any]:
    """Return the value in the tensor's dtype; a ValueError says why it does not fit."""
    found = np.asarray(value.data if isinstance(value, Tensor) else value)
    if found.shape != t.shape:
        raise ValueError(f"has shape {found.shape}, the model {t.shape}")
    if hasattr(value, "dtype"):
        if not holds(t.dtype, found.dtype):
            raise ValueError(
                f"is {found.dtype} and the model's {t.dtype} cannot hold that exactly: build the "
                f"model in {found.dtype}, or convert the entry yourself, .astype('{t.dtype}')"
            )
        return found.astype(t.dtype, copy=False)
    values = _unchanged(found, t.dtype)
    if values is None:
        raise ValueError(
            f"has numbers that {t.dtype} cannot hold exactly: if rounding is meant, pass them as "
            f"np.array(..., '{t.dtype}')"
        )
    return values


def _unchanged(found: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return the array in another dtype, or None if that changes a number in it."""
    if found.dtype.kind not in "biuf" + dtype.kind:
        return None
    with np.errstate(all="ignore"):
        values = found.astype(dtype)
    # Python compares integers with floats exactly, and NaN is never equal to anything.
    pairs = zip(values.ravel().tolist(), found.ravel().tolist(), strict=True)
    return values if all(a == b or (a != a and b != b) for a, b in pairs) else None  # noqa: PLR0124

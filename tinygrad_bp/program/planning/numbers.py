"""Python's numbers in calls of ufuncs become arrays without axes, which NumPy takes faster."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Constant, Listing, Statement, Value

__all__ = ["as_arrays"]


def as_arrays(listing: Listing) -> Listing:
    """Return a listing whose ufuncs are given arrays instead of numbers that never change.

    A number takes the dtype of the arrays that it meets, if that is of its kind; so does its array.
    """
    found: dict[Any, Value] = {}
    statements = [_changed(statement, found) for statement in listing.statements]
    sources = [*listing.sources, *found.values()]
    return dataclasses.replace(listing, statements=statements, sources=sources)


def _changed(statement: Statement, found: dict[Any, Value]) -> Statement:
    if not isinstance(statement.function, np.ufunc) or statement.kwargs:
        return statement
    dtypes = {v.dtype for v in statement.args if isinstance(v, Value)}
    if len(dtypes) != 1:
        return statement
    (dtype,) = dtypes
    if dtype is None or not _takes_one_dtype(statement.function, dtype):
        return statement
    args = [_array(arg, dtype, found) for arg in statement.args]
    return dataclasses.replace(statement, args=tuple(args))


def _takes_one_dtype(function: np.ufunc, dtype: np.dtype[Any]) -> bool:
    """Whether a ufunc takes arguments that all have a dtype: ldexp, for one, wants an integer."""
    return any(kind.startswith(f"{dtype.char * function.nin}->") for kind in function.types)


def _array(item: Any, dtype: np.dtype[Any] | None, found: dict[Any, Value]) -> Any:
    """Return a number of Python's as an array, if it is of the dtype's kind."""
    if dtype is None or dtype.kind not in "fc" or type(item) not in (int, float):
        return item
    key = repr(item), dtype
    if key not in found:
        with np.errstate(all="ignore"):
            array = np.asarray(item, dtype)
        if np.isfinite(array) != np.isfinite(float(item)):
            return item
        found[key] = Value((), dtype, (), Constant(array))
    return found[key]

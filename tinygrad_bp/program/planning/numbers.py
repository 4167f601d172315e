"""Python's numbers in calls of ufuncs become arrays without axes, which NumPy takes faster."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Constant, Listing, Option, Statement, Value

__all__ = ["as_arrays"]


def as_arrays(listing: Listing) -> Listing:
    """Return a listing whose ufuncs are given arrays instead of numbers that rarely change.

    A number takes the dtype of the arrays that it meets, if that is of its kind; so does its array.
    What options decide becomes an array when an option changes.
    """
    numbers = _Numbers(listing)
    statements = []
    for statement in listing.statements:
        statements += numbers.changed(statement)
    sources = [*listing.sources, *numbers.constants]
    return dataclasses.replace(listing, statements=statements, sources=sources)


class _Numbers:
    """The numbers that are arrays now."""

    def __init__(self, listing: Listing) -> None:
        self.constants: list[Value] = []
        self._decided = {v for v in listing.sources if isinstance(v.source, Option)}
        self._arrays: dict[Any, Any] = {}
        self._new: list[Statement] = []

    def changed(self, statement: Statement) -> list[Statement]:
        """Return a statement that is given arrays, behind those that make them."""
        if all(output.is_number for output in statement.outputs):
            read = [v for v in statement.inputs() if not isinstance(v.source, Constant)]
            if read and not statement.draws and self._decided.issuperset(read):
                self._decided.update(statement.outputs)
            return [statement]
        if not isinstance(statement.function, np.ufunc) or statement.kwargs:
            return [statement]
        dtypes = {v.dtype for v in statement.args if isinstance(v, Value)} - {None}
        dtype = dtypes.pop() if len(dtypes) == 1 else None
        if dtype is None or not _takes_one_dtype(statement.function, dtype):
            return [statement]
        self._new = []
        args = [self._array(arg, dtype, statement) for arg in statement.args]
        return [*self._new, dataclasses.replace(statement, args=tuple(args))]

    def _array(self, item: Any, dtype: np.dtype[Any], statement: Statement) -> Any:
        """Return a number of Python's as an array, if it is of the dtype's kind."""
        if isinstance(item, Value):
            return self._of_options(item, dtype, statement) if item in self._decided else item
        if type(item) not in (int, float):
            return item
        key = repr(item), dtype
        if key not in self._arrays:
            self._arrays[key] = self._constant(item, dtype)
        return self._arrays[key]

    def _constant(self, item: Any, dtype: np.dtype[Any]) -> Any:
        with np.errstate(all="ignore"):
            array = np.asarray(item, dtype)
        if np.isfinite(array) != np.isfinite(float(item)):
            return item
        self.constants.append(Value((), dtype, (), Constant(array)))
        return self.constants[-1]

    def _of_options(self, number: Value, dtype: np.dtype[Any], statement: Statement) -> Value:
        key = number, dtype
        if key not in self._arrays:
            made = self._arrays[key] = Value((), dtype, name=number.name)
            call = Statement(np.asarray, (number, dtype), {}, (made,), place=statement.place)
            self._new.append(call)
        found: Value = self._arrays[key]
        return found


def _takes_one_dtype(function: np.ufunc, dtype: np.dtype[Any]) -> bool:
    """Whether a ufunc takes arguments of a floating dtype alone: ldexp, for one, does not."""
    one = dtype.char * function.nin
    return dtype.kind in "fc" and any(kind.startswith(f"{one}->") for kind in function.types)

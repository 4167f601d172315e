"""What a trace knows of functions: which of them it refuses, enters, or calls as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import Value, subscript
from tinygrad_bp.registry import rule_of
from tinygrad_bp.rules.indexing import getitem, scatter_add

__all__ = ["OF_SHAPES", "OPAQUE", "WITH_EFFECTS", "as_written", "has_shape", "is_shaped_by_values"]

OF_SHAPES = {np.ones_like, np.zeros_like}
"""Functions whose results depend on no values."""

WITH_EFFECTS = {
    np.empty_like, np.empty, np.copyto, np.put, np.place, np.putmask, np.put_along_axis,
    np.fill_diagonal, np.save, np.savez, np.savez_compressed, np.savetxt,
}  # fmt: skip
"""Functions that write into arrays or files, or return what happens to be in memory."""

OPAQUE = {getitem, scatter_add}
"""Primitives whose bodies cannot be entered."""

_SHAPED_BY_VALUES = {
    np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.compress, np.extract, np.repeat,
    np.bincount, np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d, np.unique_values,
    np.unique_all, np.unique_counts, np.unique_inverse, np.delete,
}  # fmt: skip


def is_shaped_by_values(function: Callable[..., Any], args: Any) -> bool:
    """Whether a call gives other shapes for other values: masks that choose, and the like."""
    if function is subscript:
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        return any(isinstance(part, Value) and part.dtype == bool for part in index)
    return function in _SHAPED_BY_VALUES or (function is np.where and len(args) == 1)


def has_shape(array: Any, shape: tuple[int, ...]) -> bool:
    """Return whether an array has a shape that depends on values, as the rest of the step does."""
    found: tuple[int, ...] = array.shape
    return found == shape


def as_written(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Return arguments as one would write them, however they came: passes look for them there."""
    rule = rule_of(function)
    if rule is None or not rule.differentiable or not kwargs:
        return args, kwargs
    return rule.form.as_written(*rule.form.bind(tuple(args), kwargs))

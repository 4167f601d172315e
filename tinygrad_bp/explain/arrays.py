"""Arrays as they stand in the data of a pass: in full if they are small, else a summary.

A scalar is a number. Any other array is a dict of its shape and dtype, with the entries (`data`)
or, where there are too many, their extremes, mean and norm and one `corner`. What is not finite is
a word, because JSON has no number for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.explain.formatting import in_line, number, shape_text

__all__ = ["Views", "array_of_view", "finite", "norm_of", "summary"]

Array: TypeAlias = "np.ndarray[Any, Any]"

IN_FULL = 256  # entries of an array that is written out
CORNER = 8  # rows and columns of a larger one


class Views:
    """The views of arrays, each made once however often it is mentioned.

    >>> views = Views()
    >>> views.add(np.array(2.0)), views.add(np.array([1.0, np.nan])), views.add(None)
    (0, 1, None)
    >>> views.found
    [2.0, {'shape': [2], 'dtype': 'float64', 'data': [1.0, 'nan']}]
    """

    def __init__(self) -> None:
        self.found: list[Any] = []
        self._kept: dict[int, tuple[Array, int]] = {}  # the arrays too, so that ids stay theirs

    def add(self, array: Array | None) -> int | None:
        """Return the position of an array's view, None for None."""
        if array is None:
            return None
        if id(array) not in self._kept:
            self._kept[id(array)] = array, len(self.found)
            self.found.append(_view(array))
        return self._kept[id(array)][1]


def _view(array: Array) -> Any:
    if array.ndim == 0:
        return finite(array.tolist())
    described = {"shape": list(array.shape), "dtype": array.dtype.name}
    if array.size <= IN_FULL:
        return {**described, "data": finite(array.tolist())}
    corner = array[(0,) * (array.ndim - 2)][..., :CORNER][:CORNER]
    numbers = array.astype(np.float64)
    with np.errstate(all="ignore"):
        summed_up = {
            "min": numbers.min(),
            "max": numbers.max(),
            "mean": numbers.mean(),
            "norm": np.sqrt(np.sum(numbers * numbers)),
        }
    return {
        **described,
        **{key: finite(float(value)) for key, value in summed_up.items()},
        "corner": finite(corner.tolist()),
    }


def finite(value: Any) -> Any:
    """Return a number, or lists of them, with words in place of what is not finite.

    >>> finite([1.0, float("nan"), float("-inf")])
    [1.0, 'nan', '-inf']
    """
    if isinstance(value, list):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def array_of_view(view: Any) -> Array | None:
    """Return the array of a view, None if it was too large to be kept in full.

    >>> array_of_view({"shape": [2], "dtype": "float64", "data": [1.0, "nan"]})
    array([ 1., nan])
    """
    if not isinstance(view, Mapping):
        return np.asarray(float(view) if isinstance(view, str) else view)
    if "data" not in view:
        return None
    array: Array = np.array(view["data"]).astype(view["dtype"])
    return array.reshape(view["shape"])


def norm_of(view: Any) -> float:
    """Return the square root of the sum of squares of a view's array."""
    array = array_of_view(view)
    return float(view["norm"] if array is None else np.linalg.norm(array.astype(float).ravel()))


def summary(view: Any) -> str:
    """Return a scalar's number, a short vector's elements, another array's shape and norm.

    >>> summary(0.48433), summary({"shape": [2], "dtype": "float64", "data": [3.0, 4.0]})
    ('0.4843', '[3, 4]')
    """
    if not isinstance(view, Mapping):
        return number(view)
    if "data" in view and (elements := in_line(array_of_view(view))) is not None:
        return elements
    return f"{shape_text(view['shape'])}, norm {number(norm_of(view))}"

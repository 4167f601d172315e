"""Functions that return nested lists, tuples and dicts of arrays, as functions to one row.

A transform then deals with one array, and the row is cut into the parts that users see.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["InARow"]


class InARow:
    """A function whose value, if it has parts, comes in one row.

    >>> f = InARow(lambda x: {"a": x, "b": [2 * x]})
    >>> f(Tensor([1.0, 2.0]))
    Tensor([1., 2., 2., 4.])
    >>> f.cut(np.arange(4.0))
    {'a': array([0., 1.]), 'b': [array([2., 3.])]}
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", repr(function))
        self.tree: Any = None
        self.parts: list[Any] = []

    def __call__(self, *args: Any) -> Any:
        """Return the value, its parts one after another."""
        value = self.function(*args)
        if not isinstance(value, dict | list | tuple):
            return value
        self.tree = value
        rows = [part if isinstance(part, Tensor) else Tensor(part) for part in leaves(value)]
        self.parts = [part.data for part in rows]
        return np.concatenate([np.ravel(part) for part in rows]) if rows else np.zeros(0)

    def cut(self, row: Any) -> Any:
        """Return what belongs to the value, in its structure, shapes and dtypes."""
        if self.tree is None:
            return row
        ends = accumulate([part.size for part in self.parts], initial=0)
        cuts = zip(pairwise(ends), self.parts, strict=True)
        return fill(self.tree, iter([_like(row[a:b], part) for (a, b), part in cuts]))

    def joined(self, tree: Any) -> Any:
        """Return what arrives at the value, in a row."""
        if self.tree is None:
            return tree
        given = leaves(tree)
        shapes, wanted = [np.shape(array_of(g)) for g in given], [p.shape for p in self.parts]
        if shapes != wanted:
            raise ShapeError(f"the value has parts of shapes {wanted}, not {shapes}")
        return np.concatenate([np.ravel(g) for g in given]) if given else np.zeros(0)


def _like(piece: Any, part: Any) -> Any:
    piece = piece.reshape(part.shape)
    if piece.dtype.kind == "c" and part.dtype.kind != "c":
        piece = np.real(piece)
    return piece if piece.dtype == part.dtype else piece.astype(part.dtype)

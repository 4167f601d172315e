"""Arrays one after another in few vectors: one message takes them all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Layout", "Vectors"]

Vectors: TypeAlias = "list[NDArray[Any]]"


class Layout(NamedTuple):
    """The shapes of arrays and their dtypes, of which each has a vector of its own.

    >>> layout = Layout.of([np.eye(2), np.arange(3), np.ones(1)])
    >>> vectors = layout.joined([np.eye(2), np.arange(3), np.ones(1)])
    >>> [vector.tolist() for vector in vectors]
    [[1.0, 0.0, 0.0, 1.0, 1.0], [0, 1, 2]]
    >>> [array.shape for array in layout.cut(vectors)]
    [(2, 2), (3,), (1,)]
    """

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]

    @classmethod
    def of(cls, arrays: Sequence[NDArray[Any]]) -> Layout:
        """Return the layout of arrays."""
        return cls(tuple(a.shape for a in arrays), tuple(a.dtype.str for a in arrays))

    def joined(self, arrays: Sequence[NDArray[Any]]) -> Vectors:
        """Return new vectors of what is in arrays of this layout."""
        return [
            np.concatenate([np.ravel(arrays[i]) for i in places]) for _, places in self._groups()
        ]

    def cut(self, vectors: Vectors) -> list[NDArray[Any]]:
        """Return the arrays in vectors of this layout, as views."""
        found: dict[int, NDArray[Any]] = {}
        for (_, places), vector in zip(self._groups(), vectors, strict=True):
            start = 0
            for i in places:
                end = start + math.prod(self.shapes[i])
                found[i] = vector[start:end].reshape(self.shapes[i])
                start = end
        return [found[i] for i in range(len(found))]

    def _groups(self) -> Iterator[tuple[str, list[int]]]:
        """Yield each dtype with the numbers of its arrays."""
        for dtype in dict.fromkeys(self.dtypes):
            yield dtype, [i for i, other in enumerate(self.dtypes) if other == dtype]

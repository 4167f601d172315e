"""Every example has wishes of its own: the lesson's table of them, and their average."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinygrad_bp.lesson.network import SIZES, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tinygrad_bp.lesson.deltas import Deltas

__all__ = ["WishTable", "class_effects", "notable_rows", "wish_table"]


class WishTable(NamedTuple):
    """Rows of parameters, a column of nudges for each example, and their average."""

    indices: tuple[int, ...]
    names: tuple[str, ...]
    nudges: NDArray[np.float64]
    """(rows, examples)"""

    def average(self, examples: Iterable[int] | None = None) -> NDArray[np.float64]:
        """Return the mean of all columns, or of those that are switched on: (rows,)."""
        chosen = range(self.nudges.shape[1]) if examples is None else list(examples)
        return np.asarray(self.nudges[:, chosen].mean(axis=1))


def wish_table(
    deltas: Deltas, *, pinned: Sequence[int] = (), rows: Sequence[int] | None = None
) -> WishTable:
    """Return what each of a few examples wants of a few parameters: -∂C_k/∂p.

    The rows are those of `notable_rows` and the `pinned` ones, unless given.

    >>> from tinygrad_bp.lesson import deltas_of, flatten, lesson_network
    >>> images = np.random.default_rng(0).random((3, 784)) * (np.arange(784) > 0)
    >>> table = wish_table(deltas_of(flatten(lesson_network()), images, [2, 0, 4]))
    >>> table.nudges.shape, table.names[-1], float(np.abs(table.nudges[4]).max())
    ((6, 3), 'b3[9]', 0.0)
    """
    nudges = -deltas.per_example()
    chosen = notable_rows(nudges.mean(axis=0)) if rows is None else rows
    indices = tuple(dict.fromkeys((*map(int, chosen), *map(int, pinned))))
    names = tuple(name_of(i, deltas.sizes) for i in indices)
    return WishTable(indices, names, nudges[:, indices].T)


def notable_rows(average: NDArray[np.float64]) -> list[int]:
    """Return the rows worth showing: the three largest, a middling one, a zero, the last bias.

    The lesson's own w₀, w₁, w₂ belong to a pixel in the corner, which is black in every image:
    whatever is multiplied with it, the cost does not notice. One such row is enough.

    >>> notable_rows(np.array([0.0, -5.0, 1.0, 4.0, 3.0, 2.0, 0.5]))
    [1, 3, 4, 5, 0, 6]
    """
    order = np.argsort(-np.abs(average), kind="stable")
    living = order[: np.count_nonzero(average)]
    rows = [*living[:3], *living[len(living) // 2 : len(living) // 2 + 1]]
    rows += [*np.flatnonzero(average == 0)[:1], len(average) - 1]
    return list(dict.fromkeys(int(row) for row in rows))


def class_effects(
    before: ArrayLike, after: ArrayLike, labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the change of the mean cost of each digit's examples, (10,), nan where none is.

    `before` and `after` are costs (n,): of the same examples, around one example's step.

    >>> class_effects([1.0, 2.0, 2.0], [0.5, 2.0, 3.0], np.array([2, 7, 7]))[[2, 7]].tolist()
    [-0.5, 0.5]
    """
    change = np.asarray(after) - np.asarray(before)
    return np.array(
        [change[labels == d].mean() if (labels == d).any() else np.nan for d in range(SIZES[-1])]
    )

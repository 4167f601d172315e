"""Mini-batches: every example once an epoch, in an order that is new each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinygrad_bp.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Minibatches", "minibatches"]

_BY_POSITION: Any = object()

Transform: TypeAlias = "Callable[[Any, np.random.Generator | None], Any]"


class Minibatches:
    """What `minibatches` returns: each `for` over it is one epoch, `len` counts its batches."""

    def __init__(
        self,
        arrays: Sequence[Any],
        batch_size: int,
        rng: np.random.Generator | None,
        *,
        drop_last: bool,
        transform: Transform | None,
    ) -> None:
        self.arrays = tuple(a if hasattr(a, "shape") else np.asarray(a) for a in arrays)
        self.batch_size = _checked_size(batch_size)
        self.rng = rng
        self.drop_last = drop_last
        self.transform = transform
        self.examples = _checked_length([a.shape for a in self.arrays])

    def __len__(self) -> int:
        whole, rest = divmod(self.examples, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self.starting_at(0)

    def starting_at(self, number: int) -> Iterator[tuple[Any, ...]]:
        """Begin an epoch at one of its batches, 0 for the first; those before it are not made.

        >>> batches = minibatches(np.arange(4), 2, np.random.default_rng(0))
        >>> list(batches.starting_at(1))
        [(array([1, 3]),)]
        """
        # Drawn here, not in the generator below, whose body would wait for the first batch: so
        # the state of `rng` is settled once the loop has begun.
        rng, n = self.rng, self.examples
        order = np.arange(n) if rng is None else rng.permutation(n)
        seed = None
        if rng is not None and self.transform is not None:
            seed = int(rng.integers(1 << 63))
        return self._batches(order, seed, number)

    def _batches(
        self, order: NDArray[np.intp], seed: int | None, start: int
    ) -> Iterator[tuple[Any, ...]]:
        for number in range(start, len(self)):
            rows = order[number * self.batch_size :][: self.batch_size]
            first, *others = [a[rows] for a in self.arrays]
            yield (self._transformed(first, number, seed), *others)

    def _transformed(self, rows: Any, number: int, seed: int | None) -> Any:
        if self.transform is None:
            return rows
        # One for each batch, which can so be made again without those before it.
        return self.transform(rows, None if seed is None else np.random.default_rng((seed, number)))


def minibatches(
    *arrays: Any,
    batch_size: int = _BY_POSITION,
    rng: np.random.Generator | None = _BY_POSITION,
    drop_last: bool = False,
    transform: Transform | None = None,
) -> Minibatches:
    """Split arrays with an example in each row, any number of them, into shuffled mini-batches.

    `minibatches(x, y, 100, rng)` is the usual call: the size of a batch and the generator may come
    last by position. Each `for` over the result is one epoch: it draws a new permutation from
    `rng` and yields tuples (x[rows], y[rows], ...), copies with the arrays' dtypes, such that
    every example comes exactly once. The last batch is short if `batch_size` does not divide the
    number of examples, unless `drop_last` leaves it out. Without an `rng`, or with None, the
    examples come in their own order.

    `transform(rows, rng)` takes the rows of the first array before they are given out, such as
    `data.Elastic()` for images. Its generator is a new one for each batch, from a seed that is
    drawn with the permutation: so the loop itself leaves `rng` alone, and the same state of `rng`
    gives the same epoch. It is None where `rng` is.

    Raises `ShapeError` if there is no array, or if they differ in length or are empty, `TypeError`
    if `batch_size` is not a whole number and `ValueError` if it is below 1.

    >>> x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    >>> batches = minibatches(x, y, 2, np.random.default_rng(0))
    >>> len(batches)
    3
    >>> for epoch in range(2):
    ...     print([targets.tolist() for _, targets in batches])
    [[2, 4], [3, 0], [1]]
    [[4, 1], [2, 0], [3]]
    """
    given = list(arrays)
    if rng is _BY_POSITION:
        is_last = given and (given[-1] is None or hasattr(given[-1], "permutation"))
        rng = given.pop() if is_last else None
    if batch_size is _BY_POSITION:
        batch_size = given.pop() if given else 0
    return Minibatches(given, batch_size, rng, drop_last=drop_last, transform=transform)


def _checked_size(batch_size: int) -> int:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
        raise TypeError(
            f"batch_size must be a whole number, not {batch_size!r}. "
            "Give the number of examples in a batch, such as 100."
        )
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}.")
    return int(batch_size)


def _checked_length(shapes: Sequence[tuple[int, ...]]) -> int:
    """The number of examples, which all arrays must have along their first axis."""
    if not shapes:
        raise ShapeError("there is no array to split: minibatches(x, y, batch_size, rng)")
    told = " and ".join(map(str, shapes))
    if not all(shapes):
        raise ShapeError(f"arrays of shape {told}: they need a first axis, of examples.")
    lengths = [shape[0] for shape in shapes]
    if len(set(lengths)) > 1:
        raise ShapeError(
            f"arrays of shape {told} hold {', '.join(map(str, lengths))} examples: they must hold "
            "the same number, one target per example."
        )
    if lengths[0] == 0:
        raise ShapeError(f"arrays of shape {told} hold no examples.")
    return lengths[0]

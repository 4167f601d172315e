"""Mini-batches: every example once an epoch, in an order that is new each time."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinygrad_bp.data.pixels import Pixels
from tinygrad_bp.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Minibatches", "minibatches"]

_BY_POSITION: Any = object()

BLOCK = 1 << 18  # bytes that are gathered at once, and are still in the cache when they are used

Transform: TypeAlias = "Callable[[Any, np.random.Generator | None], Any]"


class Minibatches:
    """What `minibatches` returns: each `for` over it is one epoch, `len` counts its batches.

    >>> batches = minibatches(np.arange(5), 2)
    >>> len(batches), [rows.tolist() for (rows,) in batches]
    (3, [[0, 1], [2, 3], [4]])
    """

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
        size = self.batch_size
        order = order[start * size : len(self) * size]
        first, *others = (_split(a, order, size) for a in self.arrays)
        if self.transform is not None:
            first = _transformed(first, self.transform, seed, start)
        return zip(first, *others, strict=True)


def _transformed(
    batches: Iterator[Any], transform: Transform, seed: int | None, start: int
) -> Iterator[Any]:
    for number, rows in enumerate(batches, start):
        # One for each batch, which can so be made again without those before it.
        yield transform(rows, None if seed is None else np.random.default_rng((seed, number)))


def _split(array: Any, order: NDArray[np.intp], size: int) -> Iterator[Any]:
    """Return array[order] in pieces of `size` rows; small ones are gathered many at once."""
    if type(array) is Pixels:
        return _scaled(array, order, size)
    if type(array) is np.memmap:
        array = array.view(np.ndarray)  # the same memory, which `take` would copy as a memory map
    if not _can_take(array):
        return (array[order[i : i + size]] for i in range(0, len(order), size))
    return _taken(array, order, size)


def _can_take(array: Any) -> bool:
    """Whether `take` gives the array that indexing with rows would give, in less time.

    It would copy all of an array whose rows do not lie one after another.
    """
    return type(array) is np.ndarray and array.flags.c_contiguous and array.flags.aligned


def _taken(array: NDArray[Any], order: NDArray[np.intp], size: int) -> Iterator[NDArray[Any]]:
    block = _block(array, size)
    return chain.from_iterable(
        _pieces(array.take(order[start : start + block], 0), size)
        for start in range(0, len(order), block)
    )


def _scaled(pixels: Pixels, order: NDArray[np.intp], size: int) -> Iterator[NDArray[np.float32]]:
    """Gather more rows at once than are scaled at once: as numbers they take four times as much."""
    blocks = _split(pixels.bytes, order, _block(pixels, size))
    return chain.from_iterable(_pieces(pixels.scaled(values), size) for values in blocks)


def _block(array: Any, size: int) -> int:
    """Return how many rows are taken at once: a batch, or as many as are small together."""
    batch_bytes: int = size * array.nbytes // len(array)
    return size * max(1, BLOCK // max(1, batch_bytes))


def _pieces(block: NDArray[Any], size: int) -> Iterable[NDArray[Any]]:
    """Return a block in pieces of `size` rows."""
    if len(block) <= size:
        return [block]
    whole, rest = divmod(len(block), size)
    pieces: NDArray[Any] = block[: whole * size].reshape(whole, size, *block.shape[1:])
    return chain(pieces, [block[whole * size :]]) if rest else pieces


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

    The copies are the caller's, to keep or to change. Small batches are views of a larger copy,
    256 kB of rows to come, so what is written to the arrays during an epoch may reach it late.
    `data.Pixels` holds images as bytes, which are gathered in less time than float32.

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

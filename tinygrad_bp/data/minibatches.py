"""Mini-batches: every example once an epoch, in an order that is new each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from tinygrad_bp.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Minibatches", "minibatches"]

X = TypeVar("X")
Y = TypeVar("Y")


class Minibatches(Generic[X, Y]):
    """What `minibatches` returns: each `for` over it is one epoch, `len` counts its batches."""

    def __init__(
        self,
        x: X,
        y: Y,
        batch_size: int,
        rng: np.random.Generator | None,
        *,
        drop_last: bool,
    ) -> None:
        self.x: Any = x if hasattr(x, "shape") else np.asarray(x)
        self.y: Any = y if hasattr(y, "shape") else np.asarray(y)
        self.batch_size = _checked_size(batch_size)
        self.rng = rng
        self.drop_last = drop_last
        self.examples = _checked_length(self.x.shape, self.y.shape)

    def __len__(self) -> int:
        whole, rest = divmod(self.examples, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[X, Y]]:
        # Drawn here, not in the generator below, whose body would wait for the first batch: so
        # the state of `rng` is settled once the loop has begun.
        rng, n = self.rng, self.examples
        return self._batches(np.arange(n) if rng is None else rng.permutation(n))

    def _batches(self, order: NDArray[np.intp]) -> Iterator[tuple[X, Y]]:
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self.x[rows], self.y[rows]


def minibatches(
    x: X,
    y: Y,
    batch_size: int,
    rng: np.random.Generator | None,
    *,
    drop_last: bool = False,
) -> Minibatches[X, Y]:
    """Split examples `x` (n, ...) and targets `y` (n, ...) into shuffled mini-batches.

    Each `for` over the result is one epoch: it draws a new permutation from `rng` and yields
    pairs (x[rows], y[rows]), copies with the dtypes of `x` and `y`, such that every example
    comes exactly once. The last batch is short if `batch_size` does not divide n, unless
    `drop_last` leaves it out. With `rng=None` the examples come in their own order.

    Raises `ShapeError` if `x` and `y` differ in length or are empty, `TypeError` if `batch_size`
    is not a whole number and `ValueError` if it is below 1.

    >>> x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    >>> batches = minibatches(x, y, 2, np.random.default_rng(0))
    >>> len(batches)
    3
    >>> for epoch in range(2):
    ...     print([targets.tolist() for _, targets in batches])
    [[2, 4], [3, 0], [1]]
    [[4, 1], [2, 0], [3]]
    """
    return Minibatches(x, y, batch_size, rng, drop_last=drop_last)


def _checked_size(batch_size: int) -> int:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
        raise TypeError(
            f"batch_size must be a whole number, not {batch_size!r}. "
            "Give the number of examples in a batch, such as 100."
        )
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}.")
    return int(batch_size)


def _checked_length(x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
    if not x_shape or not y_shape:
        raise ShapeError(
            f"x has the shape {x_shape} and y {y_shape}: both need a first axis, of examples."
        )
    if x_shape[0] != y_shape[0]:
        raise ShapeError(
            f"x holds {x_shape[0]} examples (shape {x_shape}) but y {y_shape[0]} (shape "
            f"{y_shape}). Give one target per example."
        )
    if x_shape[0] == 0:
        raise ShapeError(f"x (shape {x_shape}) and y (shape {y_shape}) hold no examples.")
    return x_shape[0]

"""The record of an epoch of a recipe's run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Epoch"]


class Epoch(NamedTuple):
    """How well the network does after an epoch of a recipe's run.

    >>> from tinygrad_bp.train import Recipe, Training
    >>> x, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> run = Training(Recipe(hidden=(4,), epochs=40, batch_size=4, lr=8.0), (x, y, x, y))
    >>> first, *_, last = run.epochs()
    >>> last.number, last.train_accuracy, last.lr, last.cost < first.cost / 2
    (40, 1.0, 8.0, True)
    """

    number: int
    """1 for the first."""
    cost: float
    """The mean over the training examples."""
    train_accuracy: float
    """The share of training examples that are classified correctly, from 0 to 1."""
    test_accuracy: float
    """The same of the test examples."""
    lr: float
    """The learning rate at the start of the epoch."""

    @classmethod
    def of(cls, record: Mapping[str, float]) -> Self:
        """Return what a trainer's history has of an epoch."""
        names = ("train_loss", "train_accuracy", "test_accuracy", "lr")
        return cls(int(record["epoch"]), *(record[name] for name in names))

"""The record of a training run: a line for every epoch."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Epoch"]


class Epoch(NamedTuple):
    """How well the network does after an epoch."""

    number: int
    """1 for the first."""
    cost: float
    """The mean over the training examples."""
    train_accuracy: float
    """The share of training examples that are classified correctly, from 0 to 1."""
    test_accuracy: float
    lr: float
    """The learning rate at the start of the epoch."""

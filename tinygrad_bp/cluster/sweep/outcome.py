"""What comes out of a run, and the function that a worker carries it out by."""

from __future__ import annotations

import dataclasses
from typing import Any

from tinygrad_bp.cluster.sweep.digits import Digits, Held, cannot_load, held
from tinygrad_bp.data.sets import CLASSES
from tinygrad_bp.errors import DataError, OptimizerError
from tinygrad_bp.interop.extras import extra
from tinygrad_bp.train import Epoch, Recipe, Training
from tinygrad_bp.train.record import digest_of_weights
from tinygrad_bp.train.surroundings import surroundings

__all__ = ["Outcome", "carry_out"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came out of a run: every epoch, and why it ended before the last, if it did."""

    history: tuple[Epoch, ...]
    diverged: str | None
    """What the optimiser said when cost or gradient were no longer finite."""
    weights: str
    """The SHA-256 of the weights in the end."""
    data: str
    """The SHA-256 of the digits."""
    surroundings: dict[str, Any]
    """Versions, machine and threads that computed it."""

    @property
    def diverged_in(self) -> int | None:
        """The epoch in which the run diverged; None if it did not."""
        return None if self.diverged is None else len(self.history) + 1

    @property
    def accuracy(self) -> float | None:
        """The share of test digits read correctly in the end; None if the run diverged."""
        return None if self.diverged is not None else self.history[-1].test_accuracy


def carry_out(recipe: Recipe, digits: Digits, sweep: str) -> Outcome:
    """Train by a recipe on the digits of a sweep, and return what comes out.

    Raises `ClusterError`, naming the worker that this is, if it cannot load them.

    >>> carry_out(Recipe(epochs=2), Digits(train=50, test=20), "a").history[-1].number
    2
    """
    data, digest = _held(digits, sweep)
    run = Training(recipe, data, classes=CLASSES)
    diverged = None
    try:
        for _ in run.epochs():
            pass
    except OptimizerError as error:
        diverged = str(error)
    return Outcome(
        tuple(run.history), diverged, digest_of_weights(run.model), digest, surroundings()
    )


def _held(digits: Digits, sweep: str) -> Held:
    try:
        return held(digits, sweep)
    except DataError as error:
        worker = extra("distributed").get_worker()
        raise cannot_load(worker.address, digits, error) from error

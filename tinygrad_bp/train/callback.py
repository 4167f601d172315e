"""What is told of a run while it goes on: a callback has the methods that it needs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tinygrad_bp.train.trainer import Trainer

__all__ = ["Best", "Callback", "in_order"]


class Callback:
    """The base of callbacks. Each method is given the `Trainer`, and may read all it knows.

    A callback with something to remember has `state_dict()` and `load_state_dict(state)` as well:
    a run that is resumed goes on with what it remembered.

    >>> class Lowest(Callback):
    ...     def on_begin(self, trainer):
    ...         self.loss = float("inf")
    ...
    ...     def on_batch(self, trainer):
    ...         self.loss = min(self.loss, trainer.losses[-1])
    """

    runs_last: bool = False
    """Whether it is told after the others, as one that saves what they remember must be."""
    names: Sequence[str] = ()
    """What its `on_epoch` adds to `trainer.history[-1]`, numbers by name; others may look at it."""

    def on_begin(self, trainer: Trainer) -> None:
        """Prepare: the run begins, or goes on where it stood."""

    def on_batch(self, trainer: Trainer) -> None:
        """A batch is done: `trainer.batch` of them in this epoch, `trainer.losses[-1]` the last."""

    def on_epoch(self, trainer: Trainer) -> None:
        """An epoch is done: `trainer.history[-1]` is its record."""

    def on_end(self, trainer: Trainer) -> None:
        """The run is done: its last epoch, or `trainer.stop()` was called."""

    def close(self) -> None:
        """Put away what is open, whether the run is done or an error or Ctrl-C has ended it."""


def in_order(callbacks: Iterable[Callback]) -> list[Callback]:
    """Return callbacks in the order in which they are told; `ValueError` for what is none."""
    found = list(callbacks)
    if foreign := [one for one in found if not isinstance(one, Callback)]:
        raise ValueError(
            f"callbacks are objects whose class is made from train.Callback, got {foreign[0]!r:.80}"
        )
    return sorted(found, key=lambda callback: callback.runs_last)


class Best:
    """The best value so far of a name in the history, and what counts as better.

    `mode` is "min" or "max". A loss is better if it is lower; for anything else it must be said.
    Raises `ValueError` if it is not.

    >>> best = Best("val_accuracy", "max")
    >>> [best.improved(0.5), best.improved(0.4), best.improved(0.6)]
    [True, False, True]
    """

    def __init__(self, name: str | None, mode: str | None, min_delta: float = 0.0) -> None:
        if mode is None and (name is None or name.endswith("loss")):
            mode = "min"
        if mode not in ("min", "max"):
            raise ValueError(f"is {name} better if it is lower or higher? Give mode='min' or 'max'")
        if not 0 <= min_delta < math.inf:
            raise ValueError(f"min_delta must be 0 or more, got {min_delta!r}")
        self.name, self.min_delta = name, min_delta
        self._sign = 1.0 if mode == "min" else -1.0
        self.value = math.nan

    def improved(self, value: float) -> bool:
        """Whether a value is better than the best by more than `min_delta`; then it is the best."""
        gain = self._sign * (self.value - value)
        if math.isnan(value) or not (math.isnan(self.value) or gain > self.min_delta):
            return False
        self.value = value
        return True

    def name_in(self, trainer: Trainer) -> str:
        """Return the name that is looked at in the run's history; `ValueError` if it has none."""
        return trainer.monitored(self.name)

    def load(self, state: Mapping[str, Any]) -> None:
        """Take the best value up from a callback's state."""
        self.value = float(state["best"])

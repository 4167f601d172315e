"""What the records of a run's history hold, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tinygrad_bp.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_bp.train.callback import Callback
    from tinygrad_bp.train.position import Record

__all__ = ["Columns"]


class Columns(NamedTuple):
    """The names that a run's sets, metrics and callbacks give to its history.

    >>> Columns(["val"], ["accuracy"], []).names
    ['epoch', 'loss', 'accuracy', 'val_loss', 'val_accuracy', 'lr']
    """

    sets: Sequence[str]
    metrics: Sequence[str]
    callbacks: Sequence[Callback]

    @property
    def names(self) -> list[str]:
        """All of them, in order."""
        parts = ("", *(f"{part}_" for part in self.sets))
        measures = (f"{part}{name}" for part in parts for name in ("loss", *self.metrics))
        added = (name for callback in self.callbacks for name in callback.names)
        return ["epoch", *measures, "lr", *added]

    def monitored(self, name: str | None) -> str:
        """Return this name, or the loss that is to fall: that of the last set, if there is one.

        Raises `ValueError` if there is no such name.
        """
        found = name or (f"{self.sets[-1]}_loss" if self.sets else "loss")
        if found not in self.names[1:]:
            raise ValueError(
                f"the history has no {found}; it has {', '.join(self.names[1:])}. Give one of "
                "these, or validation examples and metrics"
            )
        return found

    def check(self, history: Sequence[Record]) -> None:
        """Raise `CheckpointError` if a history has other names."""
        if history and history[0].keys() != set(self.names):
            raise CheckpointError(
                f"the run measured {', '.join(history[0])}, and would now measure "
                f"{', '.join(self.names)}. Give the same metrics and validation"
            )

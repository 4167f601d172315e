"""What a trainer was made with, in words: a run goes on only with the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.train.feed import described

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tinygrad_bp.train.trainer import Trainer

__all__ = ["check_settings", "settings"]


def settings(trainer: Trainer) -> dict[str, Any]:
    """Return what decides a run's numbers, in words that are the same in any process."""
    scheduler = None if trainer.scheduler is None else type(trainer.scheduler).__name__
    return {
        "optimizer": type(trainer.optimizer).__name__,
        "scheduler": scheduler,
        "scheduler_every": trainer.scheduler_every,
        "monitor": trainer.monitor,
        "loss": described(trainer.loss),
        "metrics": {name: described(metric) for name, metric in trainer.metrics.items()},
        "clip_norm": trainer.clip_norm,
        "clip_value": trainer.clip_value,
    }


def check_settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise `CheckpointError`, naming what differs, if a run had other settings."""
    if others := [name for name in now if then.get(name) != now[name]]:
        raise CheckpointError(
            f"the run had {_told(others, then)}, and this trainer has {_told(others, now)}"
        )


def _told(names: Iterable[str], given: Mapping[str, Any]) -> str:
    return " and ".join(f"{name} = {given.get(name)}" for name in names)

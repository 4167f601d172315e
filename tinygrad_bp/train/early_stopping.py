"""Early stopping: a run ends when what it is measured by no longer gets better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_bp.train.callback import Best, Callback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tinygrad_bp.train.trainer import Trainer

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """End the run after `patience` epochs without progress, with the weights of the best epoch.

    Progress is a `monitor`, a name in the history, that is better than ever by more than
    `min_delta`. It is the validation loss unless another is given; `mode` says whether "min" or
    "max" is better, for anything but a loss. At the end of `fit` the model gets the best weights,
    whether the run was stopped or not; with `restore_best=False` the last ones stay.

    Raises `ValueError` for options that make no sense.

    Source: Prechelt, Early Stopping - But When? (1998).

    >>> EarlyStopping("val_accuracy", patience=3)
    Traceback (most recent call last):
    ValueError: is val_accuracy better if it is lower or higher? Give mode='min' or 'max'
    """

    def __init__(
        self,
        monitor: str | None = None,
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise ValueError(f"patience must be a whole number from 1 up, got {patience!r}")
        self.best = Best(monitor, mode, min_delta)
        self.patience = patience
        self.restore_best = restore_best
        self.best_epoch = 0
        """The epoch, from 1, that was the best so far."""
        self.waited = 0
        """How many epochs have passed since."""
        self._weights: dict[str, Any] | None = None

    def on_begin(self, trainer: Trainer) -> None:
        """Check the name, and stop at once if the run was stopped before."""
        self.best.name_in(trainer)
        if trainer.epoch == 0:
            self.best.value, self.best_epoch, self.waited, self._weights = float("nan"), 0, 0, None
        self._stop_if_time(trainer)

    def on_epoch(self, trainer: Trainer) -> None:
        """Keep the weights of a better epoch, or wait."""
        if self.best.improved(trainer.history[-1][self.best.name_in(trainer)]):
            self.best_epoch, self.waited = trainer.epoch, 0
            self._weights = trainer.model.state_dict() if self.restore_best else None
        else:
            self.waited += 1
        self._stop_if_time(trainer)

    def _stop_if_time(self, trainer: Trainer) -> None:
        if self.waited >= self.patience:
            name = self.best.name_in(trainer)
            trainer.stop(f"{name} was best in epoch {self.best_epoch}: {self.best.value:.4g}")

    def on_end(self, trainer: Trainer) -> None:
        """Go back to the weights of the best epoch."""
        if self._weights is not None:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers."""
        return {
            "best": self.best.value,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
            "weights": self._weights,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what it remembered."""
        self.best.load(state)
        self.best_epoch, self.waited = int(state["best_epoch"]), int(state["waited"])
        self._weights = None if state["weights"] is None else dict(state["weights"])

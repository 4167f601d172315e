"""Checkpoints: a run is saved as it goes on, so that it can be killed at any moment."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.files import PathLike, check_writable
from tinygrad_bp.train.callback import Best, Callback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tinygrad_bp.train.trainer import Trainer

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Save the run after every epoch, and within it every so many batches or seconds.

    `Trainer.fit(..., resume=path)` goes on from there, to the same bits as a run that was never
    stopped. The file is replaced whole or not at all; `nn.load` reads the model from it. With
    `best`, the run is also saved there whenever the `monitor` is better than ever (by default the
    validation loss; `mode` is "min" or "max").

    Raises `CheckpointError`, before the run begins, if a file cannot be written, and `ValueError`
    for options that make no sense.

    >>> import tempfile
    >>> import numpy as np
    >>> from tinygrad_bp import nn, optim, train
    >>> x, y = np.float32([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> def trainer(*callbacks):
    ...     model = nn.Linear(1, 2, rng=np.random.default_rng(0))
    ...     optimizer = optim.Adam(model.named_parameters(), lr=0.1)
    ...     return train.Trainer(model, nn.CrossEntropyLoss(), optimizer, callbacks=callbacks)
    >>> options = {"epochs": 6, "batch_size": 2}
    >>> whole = trainer().fit((x, y), rng=np.random.default_rng(1), **options)

    A run that is stopped after its third epoch, and one that goes on from the file:

    >>> class Enough(train.Callback):
    ...     def on_epoch(self, trainer):
    ...         if trainer.epoch == 3:
    ...             trainer.stop("enough")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/run.npz"
    ...     begun = trainer(Enough(), Checkpoint(path))
    ...     _ = begun.fit((x, y), rng=np.random.default_rng(1), **options)
    ...     ended = trainer().fit((x, y), rng=np.random.default_rng(1), resume=path, **options)
    >>> len(begun.history), ended == whole  # to the bit
    (3, True)
    """

    runs_last = True

    def __init__(
        self,
        path: PathLike,
        *,
        every_batches: int | None = None,
        every_seconds: float | None = None,
        best: PathLike | None = None,
        monitor: str | None = None,
        mode: str | None = None,
    ) -> None:
        for name, value in (("every_batches", every_batches), ("every_seconds", every_seconds)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value!r}")
        if best is not None and os.path.realpath(best) == os.path.realpath(path):
            raise ValueError(f"{path} is to hold the last state and the best: give two files")
        self.path, self.best_path = path, best
        self.every_batches, self.every_seconds = every_batches, every_seconds
        self.best = Best(monitor, mode)
        self._saved_at = 0.0

    def on_begin(self, trainer: Trainer) -> None:
        """Check that the files can be written."""
        check_writable(self.path, error=CheckpointError)
        if self.best_path is not None:
            check_writable(self.best_path, error=CheckpointError)
            self.best.name_in(trainer)
        if trainer.epoch == 0:
            self.best.value = float("nan")
        self._saved_at = time.monotonic()

    def on_batch(self, trainer: Trainer) -> None:
        """Save the run if it is time."""
        by_count = self.every_batches and len(trainer.losses) % self.every_batches == 0
        waited = time.monotonic() - self._saved_at
        if by_count or (self.every_seconds is not None and waited >= self.every_seconds):
            self.save(trainer)

    def on_epoch(self, trainer: Trainer) -> None:
        """Save the run, and once more if it is the best."""
        is_best = self.best_path is not None and self.best.improved(
            trainer.history[-1][self.best.name_in(trainer)]
        )
        if self.best_path is not None and is_best:
            trainer.save(self.best_path)
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Save the run now."""
        trainer.save(self.path)
        self._saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far, if that is kept."""
        return {} if self.best_path is None else {"best": self.best.value}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the best value so far."""
        self.best.load(state)

"""A bar in the terminal while a run goes on, and a line for each epoch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tinygrad_bp.train.callback import Callback

if TYPE_CHECKING:
    from tinygrad_bp.train.position import Record
    from tinygrad_bp.train.trainer import Trainer

__all__ = ["Progress"]

OFTEN = 0.1  # seconds between two pictures


class Progress(Callback):
    """Show a bar while the run goes on, and a line for each epoch; silent without a terminal.

    It needs the package `rich`, on which this library depends. Here, there is no terminal:

    >>> import numpy as np
    >>> from tinygrad_bp import nn, optim, train
    >>> model = nn.Linear(1, 2, rng=np.random.default_rng(0))
    >>> optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    >>> trainer = train.Trainer(model, nn.CrossEntropyLoss(), optimizer, callbacks=[Progress()])
    >>> history = trainer.fit((np.float32([[0.0], [1.0]]), np.array([0, 1])), epochs=2)

    In a terminal it shows a bar, and leaves a line for each epoch:

        epoch 1/2  loss 0.6951  lr 0.1  0.0 s
        epoch 2/2  loss 0.6872  lr 0.1  0.0 s
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._shown_at = self._began_at = 0.0

    def on_begin(self, trainer: Trainer) -> None:  # noqa: ARG002
        """Open the bar, where there is a terminal."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(highlight=False, markup=False, emoji=False)
        if not console.is_terminal or console.is_dumb_terminal:
            return
        text = TextColumn("{task.description}", markup=False)
        self._bar = Progress(
            text, BarColumn(bar_width=30), TimeRemainingColumn(compact=True),
            console=console, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=None)
        self._bar.start()
        self._began_at = time.monotonic()

    def on_batch(self, trainer: Trainer) -> None:
        """Move the bar, a few times a second."""
        now = time.monotonic()
        if self._bar is not None and now >= self._shown_at + OFTEN:
            self._shown_at = now
            where = f"epoch {trainer.epoch + 1}/{trainer.epochs}  loss {trainer.losses[-1]:.4f}"
            batches = trainer.batches
            done = None if batches is None else trainer.epoch * batches + trainer.batch
            total = None if batches is None else trainer.epochs * batches
            self._bar.update(self._task, description=where, completed=done, total=total)

    def on_epoch(self, trainer: Trainer) -> None:
        """Write the epoch's line."""
        if self._bar is not None:
            seconds, self._began_at = time.monotonic() - self._began_at, time.monotonic()
            line = f"{_told(trainer.history[-1], trainer.epochs)}  {seconds:.1f} s"
            self._bar.console.print(line, soft_wrap=True)

    def on_end(self, trainer: Trainer) -> None:
        """Say why the run was stopped, if it was."""
        if self._bar is not None and trainer.stopped:
            self._bar.console.print(f"Stopped: {trainer.stopped}", soft_wrap=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _told(record: Record, epochs: int) -> str:
    """Return an epoch's line: its number, and what was measured.

    >>> _told({"epoch": 1, "loss": 0.25, "val_accuracy": 0.875, "lr": 0.1}, 10)
    'epoch 1/10  loss 0.2500  val_accuracy 0.8750  lr 0.1'
    """
    measured = [f"{name} {value:.4f}" for name, value in record.items()
                if name not in ("epoch", "lr")]  # fmt: skip
    return "  ".join([f"epoch {record['epoch']}/{epochs}", *measured, f"lr {record['lr']:.4g}"])

"""The file that `tinygrad-bp train` keeps a run in, also when Ctrl-C ends it."""

from __future__ import annotations

import shlex
import signal
import threading
from typing import TYPE_CHECKING, Any

from tinygrad_bp.train import Checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from tinygrad_bp.train import Trainer

__all__ = ["Kept", "of_folder", "resuming"]

OFTEN = 30.0  # seconds between two checkpoints within an epoch


class Kept(Checkpoint):
    """The file, if any, and how far the run in it has come; as text, what can be done with it.

    The first Ctrl-C ends the run after the batch at hand, which is saved; a second one at once.
    """

    def __init__(self, path: Path | None, folder: Path | None) -> None:
        super().__init__(path or "", every_seconds=OFTEN)
        self.file = path
        self._folder = folder
        self.position: tuple[int, int] | None = None
        self._is_to_stop = False
        self._handler: Any = None

    def on_begin(self, trainer: Trainer) -> None:
        """Save a run that goes on, maybe to another file, and take care of Ctrl-C."""
        if self.file is not None:
            super().on_begin(trainer)
            if trainer.losses:
                self.save(trainer)
        self._is_to_stop = False
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._stop_soon)

    def _stop_soon(self, *_: Any) -> None:
        self._is_to_stop = True
        self.close()

    def on_batch(self, trainer: Trainer) -> None:
        """Save the run if it is time, or if it is to stop."""
        if self.file is not None and self._is_to_stop:
            self.save(trainer)
        elif self.file is not None:
            super().on_batch(trainer)
        if self._is_to_stop:
            raise KeyboardInterrupt

    def on_epoch(self, trainer: Trainer) -> None:
        """Save the run."""
        if self.file is not None:
            super().on_epoch(trainer)

    def save(self, trainer: Trainer) -> None:
        """Save the run, and note how far it has come."""
        super().save(trainer)
        self.position = trainer.epoch, trainer.batch

    def close(self) -> None:
        """Leave Ctrl-C to those who had it before."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None

    def __str__(self) -> str:
        if self.file is None:
            return "nothing is saved (--out MODEL.npz saves every epoch)."
        if self.position is None:
            return "nothing is saved, because no epoch was finished."
        epoch, batch = self.position
        place = f"batch {batch} of epoch {epoch + 1}" if batch else f"epoch {epoch}"
        command = resuming(self.file, self._folder)
        return f"{self.file} holds the run up to {place}; to go on: {command}"


def resuming(path: Path, folder: Path | None) -> str:
    """Return the command that goes on with the run in a file, on the digits of a folder.

    >>> from pathlib import Path
    >>> resuming(Path("my model.npz"), None)
    "tinygrad-bp train --resume 'my model.npz'"
    """
    return f"tinygrad-bp train --resume {shlex.quote(str(path))}{of_folder(folder)}"


def of_folder(folder: Path | None) -> str:
    """Return the option that names the folder with the digits, if there is one.

    >>> from pathlib import Path
    >>> of_folder(Path("mnist")), of_folder(None)
    (' --data mnist', '')
    """
    return "" if folder is None else f" --data {shlex.quote(str(folder))}"

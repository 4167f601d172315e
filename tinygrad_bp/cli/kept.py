"""The file that `tinygrad-bp train` keeps a run in."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tinygrad_bp.train import Training

__all__ = ["Kept"]


class Kept:
    """The file, if any, and how many epochs are in it; as text, what somebody can do with it."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.epochs = 0

    def keep(self, run: Training) -> None:
        """Write the run to the file."""
        if self.path is not None:
            run.save(self.path)
            self.epochs = len(run.history)

    def __str__(self) -> str:
        if self.path is None:
            return "nothing is saved (--out MODEL.npz saves every epoch)."
        if self.epochs == 0:
            return "nothing is saved, because no epoch was finished."
        command = f"tinygrad-bp train --resume {shlex.quote(str(self.path))}"
        return f"{self.path} holds the run up to epoch {self.epochs}; to go on: {command}"

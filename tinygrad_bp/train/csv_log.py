"""A run's history in a CSV file, a line for each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_bp.files import PathLike, check_writable, replacing
from tinygrad_bp.train.callback import Callback

if TYPE_CHECKING:
    from tinygrad_bp.train.trainer import Trainer

__all__ = ["CSVLog"]


class CSVLog(Callback):
    """Keep a CSV file with the record of every epoch; its first line has the names.

    The file is written anew from the history each time, whole or not at all: after a crash and a
    resume, no line is missing or there twice. Numbers are written so that `float` reads them back
    exactly. Raises `DataError`, before the run begins, if the file cannot be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from tinygrad_bp import nn, optim, train
    >>> x, y = np.float32([[0.0], [1.0]]), np.array([0, 1])
    >>> model = nn.Linear(1, 2, rng=np.random.default_rng(0))
    >>> optimizer = optim.SGD(model.named_parameters(), lr=0.5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLog(f"{folder}/history.csv")
    ...     trainer = train.Trainer(model, nn.CrossEntropyLoss(), optimizer, callbacks=[log])
    ...     _ = trainer.fit((x, y), epochs=2)
    ...     print(Path(log.path).read_text())
    epoch,loss,lr
    1,0...,0.5
    2,0...,0.5
    <BLANKLINE>
    """

    def __init__(self, path: PathLike) -> None:
        self.path = path

    def on_begin(self, trainer: Trainer) -> None:
        """Check that the file can be written, and write what there is."""
        check_writable(self.path)
        self.on_epoch(trainer)

    def on_epoch(self, trainer: Trainer) -> None:
        """Write the history so far."""
        _, *names = trainer.names
        rows = [[str(r["epoch"]), *(repr(float(r[name])) for name in names)]
                for r in trainer.history]  # fmt: skip
        with replacing(self.path) as file:
            for row in (trainer.names, *rows):
                file.write((",".join(row) + "\n").encode())

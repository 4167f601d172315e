"""What `tinygrad-bp train` shows of a run: what it is, its epochs, what it reads in the end."""

from __future__ import annotations

import contextlib
import shlex
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.cli.kept import of_folder, resuming
from tinygrad_bp.cli.screen import Reading, Screen, runner_up
from tinygrad_bp.data.sets import CLASSES
from tinygrad_bp.train import Callback, Epoch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tinygrad_bp.cli.screen import Show
    from tinygrad_bp.train import Recipe, Trainer, Training

__all__ = [
    "Bar",
    "Table",
    "confusion",
    "cost_in_words",
    "introduce",
    "show_how_to_keep",
    "show_outcome",
    "show_what_next",
]

SHOWN = 6  # mistakes that are drawn


def introduce(run: Training, screen: Screen) -> None:
    """Say what network is trained, how, and on what."""
    screen.line(_network_line(run), style="bold")
    screen.line(_recipe_line(run.recipe))
    kind = "drawn digits" if run.about.get("drawn") else "digits"
    tested = "held out to test on" if run.about.get("hold_out") else "to test on"
    learned, tests = len(run.data.train_labels), len(run.data.test_labels)
    screen.line(f"{learned:,} {kind} to learn from, {tests:,} {tested}")
    screen.line()


def _network_line(run: Training) -> str:
    sizes = "-".join(map(str, run.model.sizes))
    parameters = sum(p.size for p in run.model.parameters())
    name = run.about.get("name", "a run")
    return f"{name}: {sizes}, {run.recipe.activation}, {parameters:,} parameters"


def _recipe_line(recipe: Recipe) -> str:
    schedule = "" if recipe.schedule == "constant" else f" {recipe.schedule}"
    parts = [
        cost_in_words(recipe.cost),
        recipe.initializer,
        f"lr {recipe.lr:g}{schedule}",
        f"batch {recipe.batch_size}",
    ]
    parts += [f"momentum {recipe.momentum:g}"] if recipe.momentum else []
    parts += [f"decay {recipe.weight_decay:g}"] if recipe.weight_decay else []
    parts += [f"{recipe.transform} distortions"] if recipe.transform != "none" else []
    return ", ".join(parts)


def cost_in_words(cost: str) -> str:
    """Return a cost's name as a reader says it.

    >>> cost_in_words("half_sum_squares")
    'half the sum of squares'
    """
    squares = {"sum_squares": "sum of squares", "half_sum_squares": "half the sum of squares"}
    return squares.get(cost, cost.replace("_", " "))


class Bar(Callback):
    """A bar that spans a whole run, in a terminal."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self._open = contextlib.ExitStack()
        self._show: Show | None = None

    def on_begin(self, trainer: Trainer) -> None:
        """Open the bar."""
        total = trainer.epochs * (trainer.batches or 0)
        self._show = self._open.enter_context(self.screen.progress(total))

    def on_batch(self, trainer: Trainer) -> None:
        """Move the bar."""
        if self._show is not None:
            done = trainer.epoch * (trainer.batches or 0) + trainer.batch
            self._show(done, f"epoch {trainer.epoch + 1}")

    def close(self) -> None:
        """Take the bar away."""
        self._open.close()


class Table(Bar):
    """A line for each epoch of a run, and below them the bar."""

    def on_begin(self, trainer: Trainer) -> None:
        """Write the heading, and the epochs that are done."""
        super().on_begin(trainer)
        self.screen.line("epoch       cost   training       test   seconds", style="dim")
        for record in map(Epoch.of, trainer.history):
            self.screen.line(_row(record, trainer.epochs), style="dim")
        self._began = time.perf_counter()

    def on_epoch(self, trainer: Trainer) -> None:
        """Write the epoch's line."""
        seconds = time.perf_counter() - self._began
        row = _row(Epoch.of(trainer.history[-1]), trainer.epochs)
        self.screen.line(f"{row} {seconds:>9.1f}")
        self._began = time.perf_counter()


def _row(record: Epoch, epochs: int) -> str:
    number = f"{record.number}/{epochs}"
    shares = f"{100 * record.train_accuracy:>8.2f} % {100 * record.test_accuracy:>8.2f} %"
    return f"{number:>5} {record.cost:>10.4f} {shares}"


def show_outcome(run: Training, said: NDArray[Any], screen: Screen) -> None:
    """Show what is mistaken for what, and in the end how many test digits are read correctly.

    `said` is the network's outputs for them, (n, classes). The mistakes come first: what is last
    stays in sight.
    """
    labels = run.data.test_labels
    read = said.argmax(axis=1)
    right = int((read == labels).sum())
    wrong = np.flatnonzero(read != labels)
    if len(wrong):
        surest = wrong[np.argsort(-said[wrong, read[wrong]], kind="stable")][:SHOWN]
        screen.line("The most confident mistakes:")
        screen.line()
        screen.readings([_misread(run, said[i], int(i)) for i in surest], rows=1)
        screen.line()
    screen.confusion(confusion(labels, read, said.shape[1]))
    screen.line()
    screen.line(
        f"Test accuracy {100 * right / len(labels):.2f} %: {right:,} of {len(labels):,} digits "
        "read correctly.",
        style="bold green",
    )


def show_what_next(path: Path, folder: Path | None, epochs: int, screen: Screen) -> None:
    """Show commands that one may want now, to be copied.

    `path` is the model's file, `folder` the one with its digits, if it was given.
    """
    name, data = shlex.quote(str(path)), of_folder(folder)
    commands = {
        f"tinygrad-bp predict {name} digit.png": "read a picture",
        f"tinygrad-bp check --model {name}": "check its gradient",
        f"{resuming(path, folder)} --epochs {2 * epochs}": "train on",
        f"tinygrad-bp verify {name}{data}": "run it again, compare every bit",
    }
    _show_commands(f"The model is in {path}. What next:", commands, screen)


def show_how_to_keep(command: str, screen: Screen) -> None:
    """Show commands for somebody whose model was not saved; `command` is the one that made it."""
    commands = {
        f"{command} --out model.npz": "the same run, saved",
        "tinygrad-bp explore -o backprop.html": "see in a page how such a network learns",
    }
    _show_commands("The model was not saved. What next:", commands, screen)


def _show_commands(heading: str, commands: Mapping[str, str], screen: Screen) -> None:
    screen.line(heading)
    for command, about in commands.items():
        screen.line(f"  {command}  # {about}", style="cyan")


def confusion(
    labels: NDArray[np.int64], read: NDArray[np.intp], classes: int = CLASSES
) -> NDArray[np.intp]:
    """Return a table (classes, classes): how often each digit (row) was read as each (column).

    >>> int(confusion(np.array([4, 4, 9]), np.array([4, 9, 9]))[4, 9])
    1
    """
    pairs = np.bincount(classes * labels + read, minlength=classes**2)
    return pairs.reshape(classes, classes)


def _misread(run: Training, said: NDArray[Any], i: int) -> Reading:
    label, (read, _) = int(run.data.test_labels[i]), runner_up(said)
    caption = (f"is {label}, read as {read}", f"({said[read]:.2f}; {label}: {said[label]:.2f})")
    return Reading(run.data.test_inputs[i].reshape(28, -1), caption)

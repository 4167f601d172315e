"""`tinygrad-bp train`: choose recipe and data, train, save after every epoch, show the outcome."""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.cli.arguments import SETTINGS, UsageError, flag_of
from tinygrad_bp.cli.screen import Reading, Screen, runner_up
from tinygrad_bp.data import Mnist, mnist
from tinygrad_bp.data.sets import CLASSES, drawn, hold_out
from tinygrad_bp.errors import DataError, OptimizerError
from tinygrad_bp.lesson.recipes import RECIPES
from tinygrad_bp.train import Recipe, Training, outputs, saved_run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tinygrad_bp.cli.screen import Show
    from tinygrad_bp.train import Epoch

__all__ = ["confusion", "train"]

TIMEOUT = 5.0  # seconds that a server of MNIST gets to answer
SHOWN = 6  # wrongly read digits that are drawn


def train(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    _check_destinations(options)
    screen = Screen()
    run = _resumed(options, screen) if options.resume else _begun(options, screen)
    kept = _Kept(options.out or options.resume)
    if options.resume:
        kept.keep(run)
    _introduce(run, screen)
    try:
        _train(run, kept, screen)
    except KeyboardInterrupt:
        print(f"tinygrad-bp: interrupted; {kept}", file=sys.stderr)
        return 130
    except OptimizerError as error:
        raise OptimizerError(f"{error} For now, {kept}") from error
    if options.plot:
        from tinygrad_bp.cli.plot import draw_curves

        draw_curves(run, options.plot)
    _show_outcome(run, screen)
    for what, path in (("The model is", kept.path), ("The curves are", options.plot)):
        if path:
            screen.line(f"{what} in {path}.")
    return 0


def _check_destinations(options: argparse.Namespace) -> None:
    """Refuse, before the work begins, what would fail after it."""
    for flag, path in (("--out", options.out), ("--plot", options.plot)):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"argument {flag}: the folder {path.parent} does not exist")
        if path is not None and path.is_dir():
            raise UsageError(f"argument {flag}: {path} is a folder, give a file name in it")
    if options.plot:
        from tinygrad_bp.cli.plot import check_plot

        check_plot(options.plot)


# --- the run --------------------------------------------------------------------------------------


def _begun(options: argparse.Namespace, screen: Screen) -> Training:
    name = options.recipe or "lesson"
    given = {s: getattr(options, s) for s in SETTINGS if getattr(options, s) is not None}
    recipe = Recipe(**{**vars(RECIPES[name]), **given})
    data, is_drawn = _load(options.data, options.drawn, recipe.seed, screen)
    about = {
        "name": name if recipe == RECIPES[name] else f"{name}, changed",
        "drawn": is_drawn,
        "hold_out": options.hold_out,
    }
    return Training(recipe, _held_out(data, about), classes=CLASSES, about=about)


def _resumed(options: argparse.Namespace, screen: Screen) -> Training:
    """Return the saved run; all that decides its numbers comes from its file."""
    given = [s for s in (*SETTINGS, "recipe", "hold_out") if getattr(options, s) is not None]
    if foreign := [s for s in given if s != "epochs"]:
        raise UsageError(
            f"argument {flag_of(foreign[0])}: only --epochs can change when a run is resumed"
        )
    recipe, about = saved_run(options.resume)
    was_drawn = options.data is None and about.get("drawn", False)
    data, _ = _load(options.data, options.drawn or was_drawn, recipe.seed, screen)
    return Training.resume(options.resume, _held_out(data, about), epochs=options.epochs)


def _held_out(data: Mnist, about: Mapping[str, Any]) -> Mnist:
    n = about.get("hold_out")
    return data if n is None else hold_out(data, n)


def _load(
    folder: Path | None,
    must_draw: bool,  # noqa: FBT001
    seed: int,
    screen: Screen,
) -> tuple[Mnist, bool]:
    """Return the data that the options ask for, and whether they are drawn digits."""
    if folder is not None:
        return mnist(folder, verify=False), False
    if not must_draw:
        try:
            return _cached_mnist(screen), False
        except DataError as error:
            reason = str(error).partition("\n")[0].rstrip(":.")
            screen.line(f"No MNIST ({reason}): training on drawn digits instead.", style="yellow")
    return drawn(seed), True


def _cached_mnist(screen: Screen) -> Mnist:
    @functools.cache  # so that each file is told of once
    def announce(name: str) -> None:
        screen.line(f"Downloading {name}", style="dim")

    return mnist(download=True, timeout=TIMEOUT, progress=lambda name, *_: announce(name))


class _Kept:
    """The file that a run is kept in, if any, and how many epochs are in it."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.epochs = 0

    def keep(self, run: Training) -> None:
        if self.path is not None:
            run.save(self.path)
            self.epochs = len(run.history)

    def __str__(self) -> str:
        if self.path is None:
            return "nothing is saved (--out MODEL.npz keeps every epoch)."
        if self.epochs == 0:
            return "nothing is saved, since no epoch was complete."
        command = f"tinygrad-bp train --resume {self.path}"
        return f"{self.path} holds the run up to epoch {self.epochs}; to go on: {command}"


def _train(run: Training, kept: _Kept, screen: Screen) -> None:
    """Run the epochs that are left, writing a line and the model after each."""
    batches = -(-len(run.data.train_labels) // run.recipe.batch_size)
    with screen.progress(run.recipe.epochs * batches) as show:
        screen.line("epoch       cost   training       test   seconds", style="dim")
        for record in run.history:
            screen.line(_row(record, run), style="dim")
        while len(run.history) < run.recipe.epochs:
            started = time.perf_counter()
            record = run.run_epoch(_teller(run, show))
            seconds = time.perf_counter() - started
            kept.keep(run)
            screen.line(f"{_row(record, run)} {seconds:>9.1f}")
    screen.line()


def _teller(run: Training, show: Show | None) -> Callable[[int, int], None] | None:
    """Return what tells the progress bar how far an epoch is, within the whole run."""
    before = len(run.history)
    if show is None:
        return None
    return lambda done, batches: show(before * batches + done, f"epoch {before + 1}")


# --- what is shown --------------------------------------------------------------------------------


def _introduce(run: Training, screen: Screen) -> None:
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
    squares = {"sum_squares": "sum of squares", "half_sum_squares": "half the sum of squares"}
    cost = squares.get(recipe.cost, recipe.cost.replace("_", " "))
    schedule = "" if recipe.schedule == "constant" else f" {recipe.schedule}"
    parts = [cost, recipe.initializer, f"lr {recipe.lr:g}{schedule}", f"batch {recipe.batch_size}"]
    parts += [f"momentum {recipe.momentum:g}"] if recipe.momentum else []
    parts += [f"decay {recipe.weight_decay:g}"] if recipe.weight_decay else []
    return ", ".join(parts)


def _row(record: Epoch, run: Training) -> str:
    number = f"{record.number}/{run.recipe.epochs}"
    shares = f"{100 * record.train_accuracy:>8.2f} % {100 * record.test_accuracy:>8.2f} %"
    return f"{number:>5} {record.cost:>10.4f} {shares}"


def _show_outcome(run: Training, screen: Screen) -> None:
    labels = run.data.test_labels
    said = outputs(run.model, run.data.test_inputs.astype(run.recipe.dtype, copy=False))
    read = said.argmax(axis=1)
    right = int((read == labels).sum())
    screen.line(
        f"Test accuracy {100 * right / len(labels):.2f} %: {right:,} of {len(labels):,} digits "
        "read rightly.",
        style="bold green",
    )
    screen.line()
    screen.confusion(confusion(labels, read))
    screen.line()
    wrong = np.flatnonzero(read != labels)
    if len(wrong):
        surest = wrong[np.argsort(-said[wrong, read[wrong]], kind="stable")][:SHOWN]
        screen.line("Wrongly read, and surest of it:")
        screen.line()
        screen.readings([_misread(run, said[i], int(i)) for i in surest])
        screen.line()


def confusion(labels: NDArray[np.int64], read: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a table (10, 10): how often each digit (row) was read as each digit (column).

    >>> int(confusion(np.array([4, 4, 9]), np.array([4, 9, 9]))[4, 9])
    1
    """
    pairs = np.bincount(CLASSES * labels + read, minlength=CLASSES**2)
    return pairs.reshape(CLASSES, CLASSES)


def _misread(run: Training, said: NDArray[Any], i: int) -> Reading:
    label, (read, _) = int(run.data.test_labels[i]), runner_up(said)
    caption = (f"is {label}, read as {read}", f"({said[read]:.2f}; {label}: {said[label]:.2f})")
    return Reading(run.data.test_inputs[i].reshape(28, -1), caption)

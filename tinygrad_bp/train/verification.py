"""A saved run is run again from its recipe, and compared with what was saved, bit by bit."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.train.callback import Callback
from tinygrad_bp.train.feed import digest
from tinygrad_bp.train.position import Position
from tinygrad_bp.train.recipe import Recipe
from tinygrad_bp.train.record import digest_of_weights
from tinygrad_bp.train.run import Training
from tinygrad_bp.train.saved import reading
from tinygrad_bp.train.split import Split
from tinygrad_bp.train.surroundings import differences, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from tinygrad_bp import nn
    from tinygrad_bp.nn.checkpoint import PathLike
    from tinygrad_bp.train.trainer import Trainer

__all__ = ["Verdict", "verify"]


class Verdict(NamedTuple):
    """What came of running a run again: what `verify` returns.

    >>> Verdict(epochs=3, batches=30, difference=None, surroundings=[]).is_equal
    True
    """

    epochs: int
    """How many epochs it had."""
    batches: int
    """How many batches it had in all."""
    difference: str | None
    """What differs first, and where; None if every bit is the same."""
    surroundings: list[str]
    """What differs in the surroundings: versions, BLAS, threads."""

    @property
    def is_equal(self) -> bool:
        """Whether every loss, every measured value and every weight has the same bits."""
        return self.difference is None


def verify(
    path: PathLike, data: Iterable[ArrayLike], *, callbacks: Sequence[Callback] = ()
) -> Verdict:
    """Run what `Training` saved in a file again from its recipe, and say if it comes to the same.

    It ends at the first number that differs. `data` are the four arrays that the run was given.

    Raises `CheckpointError` if the file holds no run, its record is not that of its content, or the
    data are others.

    >>> import tempfile
    >>> x, y = [[0.0], [1.0]], [0, 1]
    >>> run = Training(Recipe(hidden=(2,), batch_size=2, epochs=3), (x, y, x, y))
    >>> _ = list(run.epochs())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run.save(f"{folder}/run.npz")
    ...     verify(f"{folder}/run.npz", (x, y, x, y))
    Verdict(epochs=3, batches=3, difference=None, surroundings=[])
    """
    split = Split.checked(data)
    told = [*callbacks, watch := _Watch()]
    with reading(path) as checkpoint:
        saved = _Saved(checkpoint)
        run = _begun(saved, split, told)
        _check(saved, run)
    run = _repeated(saved, run, watch, told)
    difference = watch.difference or _final_difference(saved, run)
    changes = [text for one in saved.surroundings for text in differences(one, surroundings())]
    return Verdict(saved.epoch, len(saved.losses), difference, list(dict.fromkeys(changes)))


class _Saved:
    """What a file says of its run."""

    def __init__(self, checkpoint: nn.Checkpoint) -> None:
        training = checkpoint.extra["training"]
        self.recipe = Recipe(**training["recipe"])
        self.about = dict(training["about"])
        self.plans = [(int(start), int(epochs)) for start, epochs in training["plans"]]
        self.record = dict(checkpoint.extra["record"])
        self.surroundings = [dict(one) for one in self.record["surroundings"]]
        position = Position.of_state(checkpoint.position)
        self.losses, self.history = position.losses, position.history
        self.epoch, self.batch = position.epoch, position.batch
        self.batches = int(checkpoint.position["feed"]["batches"])
        self.model = checkpoint.model()
        self.weights = digest_of_weights(self.model)

    def is_its_record(self) -> bool:
        """Whether digests and counts agree with the losses, the weights and the plans."""
        starts, plans = [start for start, _ in self.plans], [epochs for _, epochs in self.plans]
        return (
            self.record["losses"] == digest(np.array(self.losses))
            and self.record["weights"] == self.weights
            and len(self.losses) == self.epoch * self.batches + self.batch
            and starts == sorted(starts)
            and (starts[0], plans[-1]) == (0, self.recipe.epochs)
        )

    def ends(self) -> list[tuple[int, int]]:
        """Return where each of its plans ends, as epochs and batches that are done."""
        starts = [start for start, _ in self.plans[1:]]
        return [divmod(start, self.batches) for start in starts] + [(self.epoch, self.batch)]


class _Watch(Callback):
    """Compare every number with the saved one; stop at the first that differs, or at the end."""

    losses: Sequence[float] = ()
    history: Sequence[Mapping[str, float]] = ()
    end: tuple[int, int] = (0, 0)
    difference: str | None = None

    def on_begin(self, trainer: Trainer) -> None:
        """Stop at once if there is nothing to do."""
        self._stop_at_the_end(trainer)

    def on_batch(self, trainer: Trainer) -> None:
        """Compare the loss of the batch."""
        place = f"epoch {trainer.epoch + 1}, batch {trainer.batch}: the loss"
        self._compare(trainer, place, self.losses[len(trainer.losses) - 1], trainer.losses[-1])
        if self.end[1]:
            self._stop_at_the_end(trainer)

    def on_epoch(self, trainer: Trainer) -> None:
        """Compare what was measured after the epoch."""
        for name, value in trainer.history[-1].items():
            then = self.history[trainer.epoch - 1].get(name)
            self._compare(trainer, f"epoch {trainer.epoch}: {name}", then, value)
        self._stop_at_the_end(trainer)

    def _compare(self, trainer: Trainer, place: str, then: float | None, now: float) -> None:
        if then != now and self.difference is None:
            self.difference = f"{place} was {then!r} and is {now!r}"
            trainer.stop(self.difference)

    def _stop_at_the_end(self, trainer: Trainer) -> None:
        if (trainer.epoch, trainer.batch) >= self.end:
            trainer.stop("the saved run stands here")


def _begun(saved: _Saved, split: Split, callbacks: Sequence[Callback]) -> Training:
    sizes = saved.model.sizes  # before any memory is taken for what the recipe asks for
    if sizes[:-1] != (split.train_inputs.shape[1], *saved.recipe.hidden):
        raise ValueError("the recipe is not that of the model")
    recipe = dataclasses.replace(saved.recipe, epochs=saved.plans[0][1])
    return Training(recipe, split, classes=sizes[-1], about=saved.about, callbacks=callbacks)


def _check(saved: _Saved, run: Training) -> None:
    if not saved.is_its_record():
        raise CheckpointError(
            "its record is not that of its weights and losses: one of them was altered"
        )
    found = run.trainer.record()
    if any(found[name] != saved.record[name] for name in ("data", "sets")):
        raise CheckpointError("its run learned from other data. Give it the same again")
    if run.trainer.batches != saved.batches:
        raise CheckpointError("its record is not that of its recipe: the batches differ")


def _repeated(
    saved: _Saved, run: Training, watch: _Watch, callbacks: Sequence[Callback]
) -> Training:
    """Run it again, plan by plan: a run that was made longer had more than one."""
    watch.losses, watch.history = saved.losses, saved.history
    for i, end in enumerate(saved.ends()):
        if i:
            run = _replanned(run, saved.plans[i][1], callbacks)
        watch.end = end
        list(run.epochs())
        if watch.difference:
            break
    return run


def _replanned(run: Training, epochs: int, callbacks: Sequence[Callback]) -> Training:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        run.save(path)
        return Training.resume(path, run.data, epochs=epochs, callbacks=callbacks)


def _final_difference(saved: _Saved, run: Training) -> str | None:
    """Return what differs beside the losses, if anything."""
    if (run.trainer.epoch, run.trainer.batch) != (saved.epoch, saved.batch):
        return f"epoch {run.trainer.epoch + 1}: by its plan the run ends before"
    if digest_of_weights(run.model) != saved.weights:
        return "the weights, though no loss: the last step, or the file, differs"
    return None

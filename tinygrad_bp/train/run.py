"""The run itself: a network being trained, from the first epoch to the last."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinygrad_bp import nn
from tinygrad_bp.data import minibatches
from tinygrad_bp.errors import CheckpointError, LabelError, OptimizerError
from tinygrad_bp.train.evaluation import raw_outputs
from tinygrad_bp.train.recipe import COSTS, Recipe
from tinygrad_bp.train.record import Epoch
from tinygrad_bp.train.saved import reading
from tinygrad_bp.train.split import Split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import ArrayLike

    from tinygrad_bp.nn.checkpoint import PathLike

__all__ = ["Training"]


class Training:
    """A network being trained by a recipe: the model, its optimiser, schedule and history.

    `data` is training inputs (n, features), training labels (n,), test inputs and test labels.
    There are `classes` classes, by default as many as the labels count up to; give the number if
    the last ones may be missing from the labels. `about` is anything JSON can express that is to
    be saved with the run.

    Raises `ShapeError`, `LabelError` or `DataError` as `Split.checked` does, and `LabelError` for
    a label beyond the classes.

    >>> rng = np.random.default_rng(0)
    >>> points = rng.normal(size=(300, 2))
    >>> labels = (points.sum(axis=1) > 0).astype(int)
    >>> run = Training(Recipe(epochs=2), (points[:200], labels[:200], points[200:], labels[200:]))
    >>> [record.number for record in run.epochs()]
    [1, 2]
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Iterable[ArrayLike],
        *,
        classes: int | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.recipe = recipe
        self.data = Split.checked(data)
        self.about = dict(about or {})
        self.history: list[Epoch] = []
        weights_rng, self._rng = np.random.default_rng(recipe.seed).spawn(2)
        classes = _enough(classes, self.data)
        self._cost = COSTS[recipe.cost]
        self._inputs = self.data.train_inputs.astype(recipe.dtype, copy=False)
        self._targets = recipe.targets(self.data.train_labels, classes)
        self._batches = minibatches(self._inputs, self._targets, recipe.batch_size, self._rng)
        self.model = recipe.network(self._inputs.shape[1], classes, weights_rng)
        self._optimizer = recipe.optimizer(self.model)
        self._schedule = recipe.rates(self._optimizer, len(self._batches))

    def epochs(self, progress: Callable[[int, int], None] | None = None) -> Iterator[Epoch]:
        """Run the epochs that are left, and yield the record of each."""
        while len(self.history) < self.recipe.epochs:
            yield self.run_epoch(progress)

    def run_epoch(self, progress: Callable[[int, int], None] | None = None) -> Epoch:
        """Show the network every training example once, and return how well it does then.

        `progress(done, batches)` is called after every mini-batch. Raises `OptimizerError` if the
        cost or a gradient is no longer finite; the history then ends with the epoch before.
        """
        number, lr = len(self.history) + 1, self._optimizer.lr
        try:
            # A run that diverges overflows on the way; what counts is what comes out of it.
            with np.errstate(all="ignore"):
                self._learn(progress)
                cost, train_accuracy, test_accuracy = self._evaluate()
        except OptimizerError as error:
            raise OptimizerError(f"The run diverged in epoch {number}: {error}") from error
        self.history.append(Epoch(number, cost, train_accuracy, test_accuracy, lr))
        return self.history[-1]

    def _learn(self, progress: Callable[[int, int], None] | None) -> None:
        for done, (x, y) in enumerate(self._batches, start=1):
            cost = self._cost(self.model(x), y)
            self._optimizer.zero_grad()
            cost.backward()
            self._optimizer.step()
            if self._schedule is not None:
                self._schedule.step()
            if progress is not None:
                progress(done, len(self._batches))

    def _evaluate(self) -> tuple[float, float, float]:
        """Return cost and accuracy on the training set, and accuracy on the test set."""
        raw = raw_outputs(self.model, self._inputs)
        cost = self._cost(raw, self._targets).item()
        if not math.isfinite(cost):
            raise OptimizerError(f"its cost is {cost}. Lower the learning rate.")
        tested = raw_outputs(self.model, self.data.test_inputs)
        return (
            cost,
            float(np.mean(raw.argmax(axis=1) == self.data.train_labels)),
            float(np.mean(tested.argmax(axis=1) == self.data.test_labels)),
        )

    # --- files ----------------------------------------------------------------------------------

    def save(self, path: PathLike) -> None:
        """Write the model, and all that is needed to go on, to a file that `nn.load` reads.

        Raises `CheckpointError` as `nn.save` does; the previous file is then kept.
        """
        moments = self._optimizer.state_dict()["state"]
        state = {
            "recipe": dataclasses.asdict(self.recipe),
            "about": self.about,
            "data": self.data.fingerprint(),
            "history": [record._asdict() for record in self.history],
            "schedule_steps": 0 if self._schedule is None else self._schedule.last_epoch,
            "rng": self._rng.bit_generator.state,
        }
        nn.save(
            path,
            self.model,
            extra={"training": state},
            extra_arrays={f"velocity.{i}": kept["momentum_buffer"] for i, kept in moments.items()},
        )

    @classmethod
    def resume(
        cls, path: PathLike, data: Iterable[ArrayLike], *, epochs: int | None = None
    ) -> Self:
        """Return the run that `save` wrote, ready to go on with the same data.

        `epochs`, if given, replaces the recipe's: a longer run, with its schedule stretched.
        Raises `CheckpointError` if the file holds no run, or the data are not those it began with.
        """
        split = Split.checked(data)
        with reading(path) as checkpoint:
            state = checkpoint.extra["training"]
            recipe = Recipe(**state["recipe"])
            if epochs is not None:
                recipe = dataclasses.replace(recipe, epochs=epochs)
            if state["data"] != split.fingerprint():
                raise CheckpointError(
                    f"{path}: its run learned from other data. Give it the same again, or begin "
                    "a new run."
                )
            # Before any memory is taken for what the recipe asks for.
            sizes = checkpoint.model().sizes
            if sizes[:-1] != (split.train_inputs.shape[1], *recipe.hidden):
                raise ValueError("the recipe is not that of the model")
            run = cls(recipe, split, classes=sizes[-1], about=state["about"])
            run._restore(state, checkpoint)
        return run

    def _restore(self, state: Mapping[str, Any], checkpoint: nn.Checkpoint) -> None:
        self.model.load_state_dict(checkpoint.arrays)
        self.history = [_epoch(record) for record in state["history"]]
        self._rng.bit_generator.state = state["rng"]
        optimizer, saved = self._optimizer.state_dict(), dict(checkpoint.extra_arrays)
        optimizer["state"] = {
            i: {"momentum_buffer": saved.pop(name)}
            for i, _ in enumerate(self.model.parameters())
            if (name := f"velocity.{i}") in saved
        }
        try:
            self._optimizer.load_state_dict(optimizer)
        except OptimizerError as error:
            raise ValueError("the momentum is not that of the model") from error
        if saved:
            raise ValueError("there is momentum for more than the model's parameters")
        if self._schedule is not None:
            self._schedule.last_epoch = state["schedule_steps"]
            self._optimizer.lr = self._schedule.rate(self._schedule.last_epoch)


def _epoch(record: Mapping[str, Any]) -> Epoch:
    """Return the record that a file holds; raises if one of its numbers is none."""
    number, *measured = Epoch(**record)
    return Epoch(int(number), *map(float, measured))


def _enough(classes: int | None, data: Split) -> int:
    """Return the number of classes, which must cover every label."""
    if classes is None:
        return data.classes
    if classes < data.classes:
        raise LabelError(
            f"label {data.classes - 1} is not one of the {classes} classes 0 to {classes - 1}"
        )
    return classes

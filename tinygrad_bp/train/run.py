"""A run by a recipe: what it is made of, and the trainer that carries it out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinygrad_bp.data import minibatches
from tinygrad_bp.errors import LabelError
from tinygrad_bp.train.epoch import Epoch
from tinygrad_bp.train.evaluation import CHUNK
from tinygrad_bp.train.metrics import accuracy
from tinygrad_bp.train.recipe import COSTS, Recipe
from tinygrad_bp.train.saved import reading
from tinygrad_bp.train.split import Split
from tinygrad_bp.train.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import ArrayLike

    from tinygrad_bp.nn.checkpoint import PathLike
    from tinygrad_bp.train.callback import Callback

__all__ = ["Training"]


class Training:
    """A network being trained by a recipe: everything in it is made from the recipe and the data.

    `data` is training inputs (n, features), training labels (n,), test inputs and test labels.
    There are `classes` classes, by default as many as the labels count up to; give the number if
    the last ones may be missing from the labels. `about` is anything JSON can express that is to
    be saved with the run. `callbacks` and `compiled` are those of its `trainer`.

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
        callbacks: Iterable[Callback] = (),
        compiled: bool = True,
    ) -> None:
        self.recipe = recipe
        self.data = Split.checked(data)
        self.about = dict(about or {})
        weights_rng, order_rng = np.random.default_rng(recipe.seed).spawn(2)
        classes = _enough(classes, self.data)
        learned, tested = (
            (inputs.astype(recipe.dtype, copy=False), recipe.targets(labels, classes))
            for inputs, labels in (self.data[:2], self.data[2:])
        )
        distortion = recipe.distortion(learned[0].shape[1])
        self._batches = minibatches(*learned, recipe.batch_size, order_rng, transform=distortion)
        self._sets = {"train": learned, "test": tested}
        self.model = recipe.network(learned[0].shape[1], classes, weights_rng)
        optimizer = recipe.optimizer(self.model)
        self.trainer = Trainer(
            self.model,
            COSTS[recipe.cost],
            optimizer,
            scheduler=recipe.rates(optimizer, len(self._batches)),
            scheduler_every="batch",
            metrics={"accuracy": accuracy},
            callbacks=callbacks,
            compiled=compiled,
        )
        self._is_to_be(recipe.epochs, [])

    def _is_to_be(self, epochs: int, plans: list[list[int]]) -> None:
        """Plan for so many epochs, from where the run stands; what it is goes into its files."""
        if not plans or plans[-1][1] != epochs:
            plans = [*plans, [len(self.trainer.losses), epochs]]
        recipe = dataclasses.asdict(self.recipe)
        self.trainer.extra = {"training": {"recipe": recipe, "about": self.about, "plans": plans}}
        self.trainer.prepare(self._batches, validation=self._sets)

    @property
    def history(self) -> list[Epoch]:
        """The record of every epoch."""
        return [Epoch.of(record) for record in self.trainer.history]

    def epochs(self) -> Iterator[Epoch]:
        """Run the epochs that are left, and yield the record of each.

        Raises `OptimizerError` if the cost or a gradient is no longer finite; the history then
        ends with the epoch before.
        """
        yield from self._up_to(self.recipe.epochs)

    def run_epoch(self) -> Epoch:
        """Show the network every training example once, and return how well it does then.

        Raises `OptimizerError` as `epochs` does.
        """
        (epoch,) = self._up_to(self.trainer.epoch + 1)
        return epoch

    def _up_to(self, epochs: int) -> Iterator[Epoch]:
        yield from map(Epoch.of, self.trainer.run(epochs=epochs, evaluation_size=CHUNK))

    # --- files ----------------------------------------------------------------------------------

    def save(self, path: PathLike) -> None:
        """Write the model, and all that is needed to go on, to a file that `nn.load` reads.

        Raises `CheckpointError` as `nn.save` does; the previous file is then kept.
        """
        self.trainer.save(path)

    @classmethod
    def resume(
        cls,
        path: PathLike,
        data: Iterable[ArrayLike],
        *,
        epochs: int | None = None,
        callbacks: Iterable[Callback] = (),
        compiled: bool = True,
    ) -> Self:
        """Return the run that `save` or `Checkpoint` wrote, ready to go on with the same data.

        `epochs`, if given, replaces the recipe's: a longer run, with its schedule stretched.
        Raises `CheckpointError` if the file holds no run, or the data are not those it began with.
        """
        split = Split.checked(data)
        with reading(path) as checkpoint:
            state = checkpoint.extra["training"]
            recipe = Recipe(**state["recipe"])
            if epochs is not None:
                recipe = dataclasses.replace(recipe, epochs=epochs)
            # Before any memory is taken for what the recipe asks for.
            sizes = checkpoint.model().sizes
            if sizes[:-1] != (split.train_inputs.shape[1], *recipe.hidden):
                raise ValueError("the recipe is not that of the model")
            run = cls(
                recipe,
                split,
                classes=sizes[-1],
                about=state["about"],
                callbacks=callbacks,
                compiled=compiled,
            )
            run._restore(path, [[int(a), int(b)] for a, b in state["plans"]])
        return run

    def _restore(self, path: PathLike, plans: list[list[int]]) -> None:
        schedule: Any = self.trainer.scheduler
        fresh = None if schedule is None else schedule.state_dict()
        self.trainer.load(path)
        self._is_to_be(self.recipe.epochs, plans)
        if fresh is not None and plans[-1][1] != self.recipe.epochs:
            done = len(self.trainer.losses)
            schedule.load_state_dict({**fresh, "last_epoch": done})
            rate = schedule.rate(done)
            in_force = [{**fresh["in_force"][0], "lr": rate}]
            schedule.load_state_dict(
                {**fresh, "last_epoch": done, "_last_lr": [rate], "in_force": in_force}
            )


def _enough(classes: int | None, data: Split) -> int:
    """Return the number of classes, which must cover every label."""
    if classes is None:
        return data.classes
    if classes < data.classes:
        raise LabelError(
            f"label {data.classes - 1} is not one of the {classes} classes 0 to {classes - 1}"
        )
    return classes

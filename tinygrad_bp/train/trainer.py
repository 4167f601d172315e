"""The loop that trains any model: batches, epochs, validation, and a position to go on from.

    for each epoch:
        for each batch:
            optimizer.step(closure)         # zero_grad, outputs, loss, backward, clipping
            scheduler.step()                # if it goes by batches
            callbacks: on_batch
        evaluate the validation examples
        scheduler.step()                    # if it goes by epochs
        callbacks: on_epoch

Nothing here looks at a clock or draws a random number of its own: examples, generators and options
decide every bit.
"""

from __future__ import annotations

import contextlib
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_bp import nn, optim
from tinygrad_bp.errors import CheckpointError, DataError, OptimizerError
from tinygrad_bp.files import PathLike, naming
from tinygrad_bp.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tinygrad_bp.tensor import Tensor
from tinygrad_bp.train.callback import Callback, in_order
from tinygrad_bp.train.columns import Columns
from tinygrad_bp.train.evaluation import evaluated, mean_loss, measured
from tinygrad_bp.train.feed import Examples, as_arrays
from tinygrad_bp.train.interrupt import uninterrupted
from tinygrad_bp.train.material import Material, is_share
from tinygrad_bp.train.position import Position, Record, recall, remembered
from tinygrad_bp.train.record import run_record
from tinygrad_bp.train.saved import material_state, position_in
from tinygrad_bp.train.settings import check_settings, settings
from tinygrad_bp.train.step import Step, is_our_own
from tinygrad_bp.train.surroundings import surroundings

__all__ = ["Trainer"]

EVERY = ("batch", "epoch")
EVALUATED = 500  # examples evaluated at once, unless it is said


class Trainer:
    """Trains a model: any module, loss, optimiser and schedule, on any mini-batches.

    `loss(outputs, targets)` gives a number that `backward()` starts from. `scheduler` takes a step
    after every epoch, or after every batch with `scheduler_every="batch"`; `ReduceLROnPlateau`
    always after every epoch, with the value of `monitor`: the validation loss, or without any the
    training loss, unless another name of the history is given. `metrics` are functions of arrays
    of outputs and targets by name, such as `{"accuracy": train.accuracy}`. `clip_norm` and
    `clip_value` clip the gradients. `callbacks` are told as the run goes on: see `Callback`.

    Steps are taken by a program (`tinygrad_bp.compile`) if model and loss are the library's own and
    can be compiled, and eagerly otherwise; the numbers are the same, to the bit. `compiled` says
    which: True for models and losses of your own that do the same in every call.

    The history has, for each epoch, the means over the examples of what the batches gave while the
    model learned; of the validation examples, it has the loss and the metrics of all of them at
    once, at the end of the epoch. So give a loss that is a mean over its examples, or one whose
    `reduction` is "sum": the history has its mean, too.

    Raises `OptimizerError` if optimiser, schedule and model do not belong together, and
    `ValueError` for options that make no sense.

    >>> from tinygrad_bp.train import accuracy
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2)).astype(np.float32)
    >>> y = (x[:, 0] > x[:, 1]).astype(int)
    >>> model = nn.MLP(2, 2, rng=rng)
    >>> optimizer = optim.Adam(model.named_parameters(), lr=0.1)
    >>> trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics={"accuracy": accuracy})
    >>> history = trainer.fit((x, y), epochs=5, rng=rng, validation=0.2)
    >>> [*history[-1]]
    ['epoch', 'loss', 'accuracy', 'val_loss', 'val_accuracy', 'lr']
    >>> history[-1]["val_accuracy"] > 0.9
    True
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Any],
        optimizer: optim.Optimizer,
        *,
        scheduler: LRScheduler | None = None,
        scheduler_every: str = "epoch",
        monitor: str | None = None,
        metrics: Mapping[str, Callable[[Any, Any], Any]] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        callbacks: Iterable[Callback] = (),
        compiled: bool | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.scheduler, self.scheduler_every, self.monitor = scheduler, scheduler_every, monitor
        if not isinstance(metrics, Mapping | None):
            raise ValueError('metrics are functions by name, such as {"accuracy": train.accuracy}')
        self.metrics = dict(metrics or {})
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.callbacks = in_order(callbacks)
        self._parameters = _parameters_of(optimizer)
        self._check()
        self.step = Step(
            self._loss_of,
            optimizer,
            self._clip,
            compiled=is_our_own(model, loss) if compiled is None else compiled,
            keeps_outputs=bool(metrics),
            keeps_gradients=any(type(c).on_batch is not Callback.on_batch for c in self.callbacks),
        )
        """What takes a step with a batch."""

        self.position = Position()
        """Where the run stands."""
        self.epochs = 0
        """How many epochs the run is to have in the end."""
        self.stopped: str | None = None
        """Why the run was stopped before its last epoch, if it was."""
        self.extra: dict[str, Any] = {}
        """Anything JSON can express that is to be saved with the run, by name."""

        self._material: Material | None = None
        self._saved: Mapping[str, Any] | None = None  # the material's state, until it is given
        self._loaded_from: PathLike | None = None

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return self.position.epoch

    @property
    def batch(self) -> int:
        """How many batches of the present epoch are done."""
        return self.position.batch

    @property
    def history(self) -> list[Record]:
        """The record of every epoch."""
        return self.position.history

    @property
    def losses(self) -> array[float]:
        """The loss of every batch, since the run began."""
        return self.position.losses

    @property
    def names(self) -> list[str]:
        """What the records of the history hold."""
        return self._columns(self._sets).names

    def _columns(self, sets: Iterable[str]) -> Columns:
        return Columns(list(sets), list(self.metrics), self.callbacks)

    @property
    def _sets(self) -> Mapping[str, Examples]:
        return {} if self._material is None else self._material.sets

    @property
    def batches(self) -> int | None:
        """How many batches there are in an epoch, if that is known."""
        return None if self._material is None else self._material.feed.count

    def _check(self) -> None:
        if self.scheduler_every not in EVERY:
            raise ValueError(
                f"scheduler_every must be one of {', '.join(EVERY)}, got {self.scheduler_every!r}"
            )
        if taken := {"epoch", "loss", "lr"} & self.metrics.keys():
            raise ValueError(f"a metric cannot be called {taken.pop()!r}: the history has that")
        if self.scheduler is not None and self.scheduler.optimizer is not self.optimizer:
            raise OptimizerError(
                "the schedule is of another optimiser: make it with the one that is given here"
            )
        own = set(map(id, self.model.parameters()))
        if not own & set(map(id, self._parameters)):
            raise OptimizerError(
                "the optimiser has none of the model's parameters: nothing would be learnt. Make "
                "it with model.named_parameters()"
            )

    # --- the run --------------------------------------------------------------------------------

    def fit(
        self,
        examples: Examples,
        *,
        epochs: int,
        batch_size: int | None = None,
        rng: np.random.Generator | None = None,
        validation: Examples | float | Mapping[str, Examples] | None = None,
        evaluation_size: int = EVALUATED,
        resume: PathLike | None = None,
    ) -> list[Record]:
        """Train until `epochs` epochs are done, and return the history.

        `examples` are arrays (inputs, ..., targets) with an example in each row, which `rng` puts
        into batches of `batch_size`, 32 by default, in a new order each epoch; or any iterable of
        batches, such as `data.minibatches(...)`. The model is called with a batch's inputs.

        `validation` is measured after each epoch, in evaluation mode: arrays, batches, a share of
        the examples that is held out by chance, or several of these by name, which the history
        then has in place of "val". `evaluation_size` examples are evaluated at once.

        With `resume`, the run goes on from this file, which `Checkpoint` or `save` wrote, if it is
        there: with the same examples and options, it ends with the same bits as a run that was
        never stopped, whatever `rng` is given then. Called again, `fit` goes on where it stands,
        too, also after Ctrl-C, which waits for the end of a step. (A second one does not.)

        Raises `DataError` or `ShapeError` for examples that make no batches, `OptimizerError`,
        naming epoch and batch, if a loss or gradient is no longer finite, and `CheckpointError`,
        with nothing changed, if the file is not of a run on these examples with these options.
        """
        self.prepare(examples, batch_size=batch_size, rng=rng, validation=validation, resume=resume)
        for _ in self.run(epochs=epochs, evaluation_size=evaluation_size):
            pass
        return self.history

    def prepare(
        self,
        examples: Examples,
        *,
        batch_size: int | None = None,
        rng: np.random.Generator | None = None,
        validation: Examples | float | Mapping[str, Examples] | None = None,
        resume: PathLike | None = None,
    ) -> None:
        """Take the examples, and go to where the run stands among them, as `fit` does."""
        if not isinstance(rng, np.random.Generator | None):
            raise ValueError(
                f"rng must be a generator, such as np.random.default_rng(0), got {rng!r:.100}"
            )
        if rng is None and as_arrays(examples) is not None:
            rng = np.random.default_rng()
        path = resume if resume is not None and Path(resume).exists() else None
        with naming(path or self._loaded_from, error=CheckpointError):
            position, saved = self._unfinished() if path is None else position_in(path)
            if position.split_seed is None and rng is not None and is_share(validation):
                position.split_seed = int(rng.integers(1 << 63))
            material = Material(examples, batch_size, rng, validation, position.split_seed)
            self._check_material(material, position, saved)
        if path is not None:
            self.load(path)
            self.position.split_seed = position.split_seed
        if saved is not None:
            material.load_state_dict(saved)
        self._material, self._saved = material, None
        if surroundings() not in self.position.surroundings[-1:]:
            self.position.surroundings.append(surroundings())

    def _unfinished(self) -> tuple[Position, Mapping[str, Any] | None]:
        """Return where the run stands, and if it stands within an epoch or was loaded, in what."""
        if self._material is not None and self.batch > 0:
            return self.position, self._material.state_dict()
        return self.position, self._saved

    def _check_material(
        self, material: Material, position: Position, saved: Mapping[str, Any] | None
    ) -> None:
        """Raise if a run that stands there cannot go on with this material."""
        columns = self._columns(material.sets)
        if isinstance(self.scheduler, ReduceLROnPlateau) or self.monitor is not None:
            columns.monitored(self.monitor)
        columns.check(position.history)
        if saved is not None:
            material.check(saved)

    def run(self, *, epochs: int, evaluation_size: int = EVALUATED) -> Iterator[Record]:
        """Train on what was prepared until `epochs` epochs are done; yield the record of each.

        Raises as `fit` does.
        """
        self.epochs, self.stopped = _whole("epochs", epochs), None
        _whole("evaluation_size", evaluation_size)
        with contextlib.ExitStack() as closing:
            for callback in self.callbacks:
                closing.callback(callback.close)
            if not self.model.training:
                self.model.train()
            self._tell("on_begin")
            while self.epoch < self.epochs and not self.stopped:
                self._learn()
                if self.stopped:
                    break
                record = self._measured(evaluation_size)
                with uninterrupted():
                    self._end_epoch(record)
                    self._tell("on_epoch")
                yield self.history[-1]
            self._tell("on_end")

    def stop(self, reason: str) -> None:
        """End the run after the batch or the epoch at hand; for callbacks to call."""
        self.stopped = reason

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self)

    # --- an epoch -------------------------------------------------------------------------------

    def _learn(self) -> None:
        """Take a step for each batch of the epoch that is left."""
        if self._material is None:
            raise DataError("there are no examples: fit() takes them, or prepare() before run()")
        if self.batch == 0:
            self.position.begin_epoch(float(self.optimizer.param_groups[0]["lr"]))
        with uninterrupted() as give_way:
            for batch in self._material.feed.epoch(self.batch):
                with self._named_in_errors(f", batch {self.batch + 1}"):
                    self._step(batch)
                self._tell("on_batch")
                if self.stopped:
                    return
                give_way()  # to Ctrl-C
        if self.batch == 0:
            raise DataError(f"there are no batches in epoch {self.epoch + 1}")

    def _step(self, batch: tuple[Any, ...]) -> None:
        *_, targets = batch
        loss, outputs = self.step(*batch)
        metrics = measured(self.metrics, outputs, targets)
        if self.scheduler is not None and self._goes_by("batch"):
            self.scheduler.step()
        examples = math.prod(np.shape(targets)[:1])  # a number is one
        means = {"loss": mean_loss(self.loss, loss, examples), **metrics}
        self.position.note(loss, means, examples)

    def _loss_of(self, *batch: Any) -> tuple[Any, Any]:
        *inputs, targets = batch
        outputs = self.model(*inputs)
        return self.loss(outputs, targets), outputs

    def _clip(self) -> None:
        if self.clip_norm is not None:
            optim.clip_grad_norm_(self._parameters, self.clip_norm)
        if self.clip_value is not None:
            optim.clip_grad_value_(self._parameters, self.clip_value)

    def _measured(self, evaluation_size: int) -> Record:
        """Return the record of the epoch whose batches are done."""
        record: Record = {"epoch": self.epoch + 1, **self.position.means()}
        with self._named_in_errors(""):
            for part, examples in self._sets.items():
                found = self.evaluate(examples, size=evaluation_size)
                record |= {f"{part}_{name}": value for name, value in found.items()}
        return record | {"lr": self.position.lr}

    def _end_epoch(self, record: Record) -> None:
        with self._named_in_errors(""):
            if self.scheduler is not None and self._goes_by("epoch"):
                self._step_schedule(record)
        self.position.end_epoch(record)

    def _step_schedule(self, record: Record) -> None:
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(record[self.monitored(self.monitor)])
        elif self.scheduler is not None:
            self.scheduler.step()

    def _goes_by(self, every: str) -> bool:
        is_plateau = isinstance(self.scheduler, ReduceLROnPlateau)
        return ("epoch" if is_plateau else self.scheduler_every) == every

    @contextlib.contextmanager
    def _named_in_errors(self, batch: str) -> Iterator[None]:
        try:
            yield
        except OptimizerError as error:
            raise OptimizerError(
                f"The run stopped in epoch {self.epoch + 1}{batch}: {error}"
            ) from error

    # --- measuring ------------------------------------------------------------------------------

    def evaluate(self, examples: Examples, *, size: int = EVALUATED) -> Record:
        """Return the loss and the metrics of examples: arrays, or batches.

        The model is called in evaluation mode, with `size` examples at once, and left as it was;
        loss and metrics are of all outputs together. Raises `OptimizerError` if the loss is not
        finite, and `ShapeError` for a model whose output is not one array with an example in each
        row.
        """
        return evaluated(self.model, self.loss, self.metrics, examples, size)

    def monitored(self, name: str | None) -> str:
        """Return a name of the history: this one, or by default the one that is to get better.

        Raises `ValueError` if the history has no such name.
        """
        return self._columns(self._sets).monitored(name or self.monitor)

    # --- files ----------------------------------------------------------------------------------

    def save(self, path: PathLike) -> None:
        """Write the model and all that is needed to go on to a file, whole or not at all.

        As `extra`, the file has the trainer's, and the run's `record()`. Raises `CheckpointError`
        as `nn.save` does.
        """
        nn.save(
            path,
            self.model,
            optimizer=self.optimizer,
            schedule=self.scheduler,
            position=self,
            extra={"record": self.record(), **self.extra},
        )

    def load(self, path: PathLike) -> None:
        """Go on from a file that `save` wrote, with the next `fit`.

        Raises `CheckpointError`, with nothing changed, if it does not fit model, optimiser,
        schedule or callbacks. (Whether it fits the examples is seen when they are given.)
        """
        nn.load(
            path,
            into=self.model,
            optimizer=self.optimizer,
            schedule=self.scheduler,
            position=self,
        )
        self._loaded_from = path

    def record(self) -> dict[str, Any]:
        """Return what identifies the run and where it stands: see `train.run_record`."""
        material = self._material
        if material is None:
            return run_record(self.model, self.position, None, {})
        return run_record(self.model, self.position, material.feed, material.digests())

    def state_dict(self) -> dict[str, Any]:
        """Return all that the run goes on from, beside model, optimiser and schedule."""
        callbacks = remembered(self.callbacks)
        material = self._saved if self._material is None else self._material.state_dict()
        return {
            "settings": settings(self),
            **self.position.state_dict(),
            **(material or {"feed": None, "sets": {}}),
            "callbacks": {name: state for name, (_, state) in callbacks.items() if state},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a run with the same settings stood, with the next `fit`.

        Raises `CheckpointError`, with nothing changed, if it had others or makes no sense.
        """
        check_settings(dict(state["settings"]), settings(self))
        position, saved = Position.of_state(state), material_state(state)
        recall(self.callbacks, state["callbacks"])
        self.position, self._material, self._saved = position, None, saved


def _parameters_of(optimizer: optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1 up, got {value!r}")
    return int(value)

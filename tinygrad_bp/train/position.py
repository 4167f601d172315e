"""Where a run stands: what is counted, measured and remembered on the way."""

from __future__ import annotations

import copy
import dataclasses
import numbers
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.train.callback import Callback

__all__ = ["Position", "Record", "recall", "remembered"]

Record: TypeAlias = dict[str, float]
"""What an epoch came to, by name."""


@dataclasses.dataclass
class Position:
    """Where a run stands, apart from weights, optimiser, schedule, examples and callbacks."""

    epoch: int = 0
    """How many epochs are done."""
    batch: int = 0
    """How many batches of the present epoch are done."""
    history: list[Record] = dataclasses.field(default_factory=list)
    """The record of every epoch."""
    losses: array[float] = dataclasses.field(default_factory=lambda: array("d"))
    """The loss of every batch, since the run began."""
    lr: float = 0.0
    """The learning rate when the present epoch began."""
    sums: Record = dataclasses.field(default_factory=dict)
    """The sums over the examples of the present epoch, of what its means are made of."""
    seen: int = 0
    """How many examples these are."""
    split_seed: int | None = None
    """What decides which examples are held out."""
    surroundings: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """The software and machines that the run has seen, the first one first."""

    def begin_epoch(self, lr: float) -> None:
        """Begin to count anew."""
        self.lr, self.sums, self.seen = lr, {}, 0

    def note(self, loss: float, measured: Record, examples: int) -> None:
        """Count a batch with its loss, and what was measured of it, as means over its examples."""
        for name, value in measured.items():
            self.sums[name] = self.sums.get(name, 0.0) + examples * value
        self.seen += examples
        self.losses.append(loss)
        self.batch += 1

    def means(self) -> Record:
        """Return the means over the examples of the epoch."""
        return {name: total / self.seen for name, total in self.sums.items()}

    def end_epoch(self, record: Record) -> None:
        """Count an epoch, and keep its record."""
        self.history.append(record)
        self.epoch, self.batch = self.epoch + 1, 0

    # --- its state --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return everything, made of what a file can hold.

        Raises `CheckpointError` if a callback has put anything but numbers into the history.
        """
        for record in self.history:
            _check_numbers(record)
        state = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return copy.deepcopy({**state, "losses": np.array(self.losses)})

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Position:
        """Return the position of a state; raises `CheckpointError` if it makes no sense."""
        try:
            position = cls(
                epoch=int(state["epoch"]),
                batch=int(state["batch"]),
                history=[_record(record) for record in state["history"]],
                losses=array("d", np.asarray(state["losses"], np.float64).tolist()),
                lr=float(state["lr"]),
                sums={str(name): float(value) for name, value in state["sums"].items()},
                seen=int(state["seen"]),
                split_seed=None if state["split_seed"] is None else int(state["split_seed"]),
                surroundings=[dict(one) for one in state["surroundings"]],
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(f"where its run stands makes no sense: {error!r}") from error
        is_sound = (
            len(position.history) == position.epoch
            and 0 <= position.batch <= len(position.losses)
            and (position.split_seed or 0) >= 0
        )
        if not is_sound:
            raise CheckpointError(
                "the numbers of its epochs and batches, or its seed, make no sense"
            )
        return position


def _check_numbers(record: Record) -> None:
    for name, value in record.items():
        if not isinstance(value, numbers.Real | np.ndarray) or np.shape(value) != ():
            raise CheckpointError(
                f"{name} in epoch {record['epoch']} of the history is {value!r:.100}, which is no "
                "number; give one from the callback that has this name"
            )


def _record(record: Mapping[str, Any]) -> Record:
    return {**{str(name): float(value) for name, value in record.items()},
            "epoch": int(record["epoch"])}  # fmt: skip


# --- what callbacks remember ----------------------------------------------------------------------


def remembered(callbacks: Sequence[Callback]) -> dict[str, tuple[Any, Any]]:
    """Return the callbacks that remember something, each with it, by names that differ.

    >>> from tinygrad_bp.train import EarlyStopping, Progress
    >>> [*remembered([EarlyStopping(), Progress(), EarlyStopping()])]
    ['EarlyStopping', 'EarlyStopping 2']
    """
    found: dict[str, tuple[Any, Any]] = {}
    for callback in callbacks:
        if hasattr(callback, "state_dict"):
            kind = type(callback).__name__
            count = 1 + sum(name.split()[0] == kind for name in found)
            found[kind if count == 1 else f"{kind} {count}"] = callback, callback.state_dict()
    return found


def recall(callbacks: Sequence[Callback], states: Mapping[str, Any]) -> None:
    """Give callbacks what they remembered: all of them, or none.

    Raises `CheckpointError` if there is something that none of them has remembered.
    """
    own = remembered(callbacks)
    if missing := states.keys() - own.keys():
        raise CheckpointError(
            f"the run had a callback that remembers something, {', '.join(sorted(missing))}"
        )
    before = {name: copy.deepcopy(own[name][1]) for name in states}
    try:
        for name, state in states.items():
            own[name][0].load_state_dict(state)
    except BaseException:
        for name, state in before.items():
            own[name][0].load_state_dict(state)
        raise

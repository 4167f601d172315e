"""The examples of a run as a stream of mini-batches that can be taken up in the middle."""

from __future__ import annotations

import copy
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.data import Minibatches, minibatches
from tinygrad_bp.errors import CheckpointError, DataError
from tinygrad_bp.tensor import Tensor

__all__ = ["Examples", "Feed", "as_arrays", "check_repeatable", "described", "digest", "held_out"]

Examples: TypeAlias = Any
"""Arrays (inputs, ..., targets) with an example in each row, or an iterable of such batches."""

BLOCK = 1 << 24  # bytes that are digested at once, so that a memory map stays on the disk


def as_arrays(examples: Examples) -> tuple[Any, ...] | None:
    """Return examples that are arrays as a tuple, and None for an iterable of batches.

    >>> as_arrays(([0.5, 1.5], [0, 1]))
    (array([0.5, 1.5]), array([0, 1]))
    """
    is_arrays = isinstance(examples, tuple) or (
        isinstance(examples, list) and all(hasattr(item, "shape") for item in examples)
    )
    if isinstance(examples, np.ndarray | Tensor):
        examples = (examples,)
    elif not is_arrays:
        return None
    arrays = tuple(_plain(item) for item in examples)
    if len(arrays) < 2:
        raise DataError(
            "examples are inputs and targets: give (x, y). A model that is to give its inputs back "
            "takes (x, x)."
        )
    return arrays


def described(thing: Any) -> str | None:
    """Return what tells functions and objects apart in any process: their repr, without addresses.

    >>> described(described), described(None)
    ('<function described>', None)
    """
    return None if thing is None else re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


def check_repeatable(batches: Any) -> None:
    """Raise `DataError` if batches cannot be gone through once in every epoch."""
    if not isinstance(batches, Iterable) or isinstance(batches, Iterator):
        raise DataError(
            f"a {type(batches).__name__} cannot be iterated anew each epoch; give arrays "
            "(x, y), data.minibatches(...), or a list or an object whose __iter__ begins anew"
        )


def held_out(
    arrays: tuple[Any, ...], share: float, seed: int
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the arrays without a share of their examples, drawn by chance, and that share.

    Raises `DataError` if either part has no example.

    >>> kept, validation = held_out((np.arange(5), np.arange(5)), 0.4, seed=0)
    >>> kept[0], validation[0]
    (array([0, 1, 3]), array([2, 4]))
    """
    n = len(arrays[0])
    count = round(share * n)
    if not 0 < count < n:
        raise DataError(
            f"a share of {share} of {n} examples is {count}: give a share that leaves at least one "
            "example on either side, or arrays"
        )
    is_held_out = np.zeros(n, bool)
    is_held_out[np.random.default_rng(seed).permutation(n)[:count]] = True
    return tuple(a[~is_held_out] for a in arrays), tuple(a[is_held_out] for a in arrays)


def digest(*arrays: Any) -> str:
    """Return the SHA-256 of arrays: of their dtypes, shapes and bytes, read a block at a time.

    >>> digest(np.zeros(2))[:8], digest(np.zeros((2, 1)))[:8]
    ('cdead7b1', '5daf164b')
    """
    found = hashlib.sha256()
    for array in map(_plain, arrays):
        found.update(f"{array.dtype.str}{array.shape}".encode())
        rows = max(1, BLOCK * len(array) // max(1, array.nbytes)) if array.ndim else 1
        blocks = (
            (array[i : i + rows] for i in range(0, len(array), rows)) if array.ndim else (array,)
        )
        for block in blocks:
            found.update(np.ascontiguousarray(block).tobytes())
    return found.hexdigest()


class Feed:
    """The batches of a run, epoch after epoch, with the generators that decide their order.

    Arrays become `data.minibatches`, in an order that `rng` draws. Any other iterable is iterated
    once an epoch; if it draws random numbers from one generator, give that as `rng`, or let the
    iterable have it as its `rng`. So may `others`, such as batches that are measured.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int | None,
        rng: np.random.Generator | None,
        others: Iterable[Any] = (),
    ) -> None:
        arrays = as_arrays(examples)
        if arrays is not None:
            rng = np.random.default_rng() if rng is None else rng
            examples = minibatches(*arrays, batch_size=batch_size or 32, rng=rng)
        elif batch_size is not None:
            raise ValueError("batch_size is for arrays: these examples are batches already")
        else:
            check_repeatable(examples)
        self.batches: Any = examples
        drawing = (examples, *others)
        self._generators = _generators(rng, *(getattr(one, "rng", None) for one in drawing))
        self._start = self._states()
        self._last: Any = None
        self._digest: str | None = None

    def __len__(self) -> int:
        """How many batches there are in an epoch; raises `TypeError` if nobody knows."""
        return len(self.batches)

    @property
    def count(self) -> int | None:
        """How many batches there are in an epoch, if that is known."""
        try:
            return len(self)
        except TypeError:
            return None

    def epoch(self, done: int) -> Iterator[tuple[Any, ...]]:
        """Yield the batches of an epoch, without the `done` ones that were taken already."""
        if done == 0:
            self._start = self._states()
            batches = iter(self.batches)
        else:
            now = self._states()
            self._set(self._start)
            batches = self._after(done)
            self._set(now)
        for batch in batches:
            self._last = _checked(batch)
            yield self._last

    def _after(self, done: int) -> Iterator[Any]:
        """Begin the epoch anew and pass over the batches that were taken already."""
        if isinstance(self.batches, Minibatches):
            return self.batches.starting_at(done)
        batches: Iterator[Any] = iter(self.batches)
        passed = list(itertools.islice(batches, done - 1, done))
        if not passed or _batch_digest(passed[0]) != _batch_digest(self._last):
            raise CheckpointError(
                f"batch {done} of the epoch is not the one that it was when the run stopped: a run "
                "goes on with batches that come again in the same order. If they are drawn by a "
                "generator, give it as rng; it must be one that no layer draws from."
            )
        return batches

    # --- its state --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return what the examples are, and where the generators stood and stand."""
        return {
            "examples": self.digest(),
            "batches": self.count,
            "batch_size": getattr(self.batches, "batch_size", None),
            "transform": described(getattr(self.batches, "transform", None)),
            "start": self._start,
            "now": self._states(),
            "last": self._last if isinstance(self._last, str) else _batch_digest(self._last),
        }

    def check(self, state: Mapping[str, Any]) -> None:
        """Raise `CheckpointError` if a state is of other examples, batches or generators."""
        own = self.state_dict()
        if not isinstance(state, Mapping) or state.keys() != own.keys():
            raise CheckpointError(f"the state of its batches makes no sense: {state!r:.100}")
        if state["examples"] != own["examples"]:
            raise CheckpointError(
                "the run learned from other data. Give it the same again, or begin a new run"
            )
        for name in ("batch_size", "batches", "transform"):
            if state[name] != own[name]:
                raise CheckpointError(
                    f"the run had {name} = {state[name]}, and now has {own[name]}: it would go on "
                    "with other examples. Give the same, or begin a new run"
                )
        for states in (state["start"], state["now"]):
            _check_generators(self._generators, states)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a feed of the same examples stood; raises as `check` does."""
        self.check(state)
        self._start, self._last = copy.deepcopy(state["start"]), state["last"]
        self._set(state["now"])

    def digest(self) -> str | None:
        """Return the SHA-256 of all examples, or None for batches that only their author knows.

        Arrays of Python's objects have none either.
        """
        arrays = self.batches.arrays if isinstance(self.batches, Minibatches) else ()
        if self._digest is None and arrays and not any(a.dtype.hasobject for a in arrays):
            self._digest = digest(*arrays)
        return self._digest

    def _states(self) -> list[dict[str, Any]]:
        return [copy.deepcopy(dict(g.bit_generator.state)) for g in self._generators]

    def _set(self, states: list[dict[str, Any]]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            generator.bit_generator.state = state


def _plain(values: Any) -> Any:
    """Return values as something with rows: arrays as they are, all else as arrays."""
    if isinstance(values, Tensor):
        return values.data
    if hasattr(values, "to_numpy"):  # pandas' and polars' columns are taken by position
        return values.to_numpy()
    try:
        return values if hasattr(values, "shape") else np.asarray(values)
    except ValueError as error:
        raise DataError(
            "examples have rows of one length, and one of them is a list of different ones. "
            "Several inputs stand side by side: (a, b, targets)"
        ) from error


def _checked(batch: Any) -> tuple[Any, ...]:
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        raise DataError(
            f"a batch is a tuple (inputs, ..., targets), got a {type(batch).__name__:.50}. Give "
            "(x, y) for each batch."
        )
    return tuple(batch)


def _batch_digest(batch: Any) -> str | None:
    """Return a digest of a batch, or the digest that a file had of it; None for no batch."""
    if batch is None or isinstance(batch, str):
        return batch
    return digest(*(np.asarray(part.data if isinstance(part, Tensor) else part) for part in batch))


def _generators(*found: Any) -> list[np.random.Generator]:
    """Return the generators among these, each once, if there is nothing else but None."""
    for one in found:
        if not isinstance(one, np.random.Generator | None):
            raise DataError(
                f"rng is a {type(one).__name__}, whose state is not kept. Give a generator of "
                "NumPy's, such as np.random.default_rng(0)"
            )
    return list({id(one): one for one in found if one is not None}.values())


def _check_generators(generators: list[np.random.Generator], states: Any) -> None:
    if not isinstance(states, list) or len(states) != len(generators):
        raise CheckpointError(
            f"the run has {len(generators)} random generators for its batches, and had "
            f"{len(states) if isinstance(states, list) else states}. Give rng as it was given then"
        )
    for generator, state in zip(generators, states, strict=True):
        try:
            type(generator.bit_generator)(0).state = state
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(
                f"the generator of its batches cannot go on from its state: {error}"
            ) from error

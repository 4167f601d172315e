"""What a run learns from and is measured on: a stream of batches, and sets by name."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_bp.data import minibatches
from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.train.feed import Examples, Feed, as_arrays, check_repeatable, held_out
from tinygrad_bp.train.record import digests

__all__ = ["Material", "is_share"]


class Material:
    """The examples of a run: `feed` has those to learn from, `sets` those that are measured.

    `split_seed` decides which examples a share of them holds out. Raises `DataError`,
    `ShapeError` or `ValueError` for what cannot be learned from or measured.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int | None,
        rng: np.random.Generator | None,
        validation: Examples | float | Mapping[str, Examples] | None,
        split_seed: int | None,
    ) -> None:
        examples, self.sets = _parts(examples, validation, split_seed or 0)
        for one in self.sets.values():
            _check_set(one)
        self.feed = Feed(examples, batch_size, rng, others=self.sets.values())
        self._digests: dict[str, str | None] | None = None

    def digests(self) -> dict[str, str | None]:
        """Return the SHA-256 of each set; None for batches of the user's own."""
        if self._digests is None:
            self._digests = digests(self.sets)
        return self._digests

    def state_dict(self) -> dict[str, Any]:
        """Return what the examples are, and where their generators stand."""
        return {"feed": self.feed.state_dict(), "sets": self.digests()}

    def check(self, state: Mapping[str, Any]) -> None:
        """Raise `CheckpointError` if a state is of other examples."""
        self.feed.check(state["feed"])
        if state["sets"] != self.digests():
            raise CheckpointError(
                "the run was validated on other data. Give it the same again, or begin a new run"
            )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a run on the same examples stood; raises as `check` does."""
        self.check(state)
        self.feed.load_state_dict(state["feed"])


def is_share(validation: Any) -> bool:
    """Whether this is a share of the examples, as a number of Python's or NumPy's.

    >>> is_share(np.float32(0.5)), is_share(None)
    (True, False)
    """
    return isinstance(validation, numbers.Real)


def _parts(examples: Examples, validation: Any, seed: int) -> tuple[Examples, dict[str, Examples]]:
    """Return the examples to learn from, and the sets that are measured, by name."""
    if validation is None:
        return examples, {}
    if isinstance(validation, Mapping):
        return examples, dict(validation)
    if not is_share(validation):
        return examples, {"val": validation}
    arrays = as_arrays(examples)
    if arrays is None or not 0 < validation < 1:
        raise ValueError(
            f"validation={validation!r} is to be a share, above 0 and below 1, of examples "
            "that are arrays; or give arrays, batches, or a dict of them by name"
        )
    kept, held = held_out(arrays, float(validation), seed)
    return kept, {"val": held}


def _check_set(examples: Examples) -> None:
    arrays = as_arrays(examples)
    if arrays is None:
        check_repeatable(examples)
    else:
        minibatches(*arrays, batch_size=1, rng=None)  # says what is wrong with their lengths

"""What the runs of a sweep learn from: each worker draws it, or reads it, once."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import threading
from typing import Any, NamedTuple

from tinygrad_bp.data import Mnist, mnist
from tinygrad_bp.data.sets import drawn, hold_out
from tinygrad_bp.errors import ClusterError, DataError
from tinygrad_bp.train.feed import digest
from tinygrad_bp.train.surroundings import surroundings

__all__ = ["Digits", "Held", "Ready", "cannot_load", "get_ready", "held"]

_loading = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Digits:
    """Where the digits come from: a folder with the four IDX files, or else they are drawn.

    A folder is one of the workers' machines. `train` and `test` are how many are drawn, `seed`
    decides which. With `hold_out`, the last so many training digits take the place of the test
    set, to choose settings by them.

    >>> Digits(train=50, test=20, hold_out=10).load().test_images.shape
    (10, 784)
    """

    folder: str | None = None
    train: int = 60_000
    test: int = 10_000
    seed: int = 0
    hold_out: int | None = None

    def load(self) -> Mnist:
        """Return the digits; raises `DataError` as `data.mnist` and `hold_out` do."""
        if self.folder is None:
            data = drawn(self.seed, train=self.train, test=self.test)
        else:
            data = mnist(self.folder, verify=False)
        return data if self.hold_out is None else hold_out(data, self.hold_out)

    def __str__(self) -> str:
        place = "drawn digits" if self.folder is None else f"the digits in {self.folder}"
        if self.hold_out is None:
            return place
        return f"{place}, with the last {self.hold_out:,} to learn from held out to test on"


class Held(NamedTuple):
    """Digits in the memory of a worker."""

    data: Mnist
    digest: str
    """The SHA-256 of all of them."""


class Ready(NamedTuple):
    """What a worker answers when it has the digits."""

    digest: str
    surroundings: dict[str, Any]


def held(digits: Digits, sweep: str) -> Held:
    """Return the digits of a sweep, in a worker that loads them the first time it is asked.

    `sweep` is different for each sweep: files may have changed since another one read them.

    >>> held(Digits(train=50, test=20), "a") is held(Digits(train=50, test=20), "a")
    True
    """
    with _loading:  # a worker may have several threads, and room for one copy
        return _loaded(digits, sweep)


# Two sweeps at once share workers without reading anew for each run, and what is left behind by a
# client that was killed is bounded.
@functools.lru_cache(maxsize=2)
def _loaded(digits: Digits, sweep: str) -> Held:  # noqa: ARG001  (part of the cache's key)
    data = digits.load()
    return Held(data, digest(*data))


def cannot_load(worker: str, digits: Digits, error: Exception) -> ClusterError:
    """Return the error that names a worker and what it has no digits from.

    >>> print(cannot_load("tcp://10.0.0.1:4", Digits("mnist"), DataError("it is empty.")))
    the worker at tcp://10.0.0.1:4 cannot load the digits in mnist: it is empty.
    """
    told = error if isinstance(error, DataError) else repr(error)
    return ClusterError(f"the worker at {worker} cannot load {digits}: {told}")


async def get_ready(digits: Digits, sweep: str) -> Ready:
    """Load the digits in a worker, beside the loop in which it answers to the scheduler."""
    found = await asyncio.to_thread(held, digits, sweep)
    return Ready(found.digest, surroundings())

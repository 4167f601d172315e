"""What was handed out, to a rule or by it, and must stay as it was."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

__all__ = ["Arrivals", "Kept"]

Vector = np.ndarray[Any, Any]

CALLS = 3  # for how long a result is kept


class Kept:
    """The results of the last calls, and whether one of them ever changed.

    >>> kept, buffer = Kept(), np.zeros(2)
    >>> kept.look([buffer])
    >>> buffer += 1  # by the next call, which hands it out again
    >>> kept.look([buffer])
    >>> kept.spoilt
    True
    """

    def __init__(self) -> None:
        self.spoilt = False
        self._results: deque[list[tuple[Vector, Vector]]] = deque(maxlen=CALLS)

    def look(self, results: Iterable[Any]) -> None:
        """Compare the results of the last calls with what they were, and keep new ones."""
        for result, was in itertools.chain(*self._results):
            self.spoilt |= not np.array_equal(result, was, equal_nan=True)
        arrays = [result for result in results if isinstance(result, np.ndarray)]
        self._results.append([(array, array.copy()) for array in arrays])


class Arrivals:
    """Gradients as they arrive at a rule: writable or not, by turns, and not to be written to."""

    def __init__(self) -> None:
        self.overwritten = False
        self._locked = False

    def call(self, rule: Callable[[Any], Any], g: Vector) -> Any:
        """Return what the rule makes of a gradient, and note whether it tried to change it."""
        g = np.asarray(g)
        self._locked = not self._locked
        locked = self._locked or not g.flags.c_contiguous  # a copy would lie otherwise in memory
        handed = g.view() if locked else g.copy()
        handed.flags.writeable = not locked
        try:
            result = rule(handed)
        except (AttributeError, ValueError) as error:
            if "read-only" not in str(error) and handed.shape == g.shape:
                raise
            self.overwritten = True
            return rule(g.copy("K"))
        same = handed.shape == g.shape and np.array_equal(handed, g, equal_nan=True)
        self.overwritten |= not same
        return result

"""A line in the terminal that says how far a check has come, once it takes a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Progress", "told"]

Progress = Callable[[int, int], None]

PATIENCE = 2.0  # seconds until there is anything to see
OFTEN = 0.1  # seconds between two pictures
BAR = 30  # characters


@contextmanager
def told(progress: Progress | None) -> Iterator[Progress | None]:
    """Give what is called as (done, total): as given, or a bar if stderr is a terminal.

    >>> with told(None) as progress:  # this is none
    ...     print(progress)
    None
    """
    if progress is not None or not sys.stderr.isatty():
        yield progress
        return
    bar = _Bar()
    try:
        yield bar.show
    finally:
        bar.clear()


class _Bar:
    def __init__(self) -> None:
        self._next = time.monotonic() + PATIENCE
        self._width = 0

    def show(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + OFTEN
        bar = ("#" * (BAR * done // total)).ljust(BAR, ".")
        text = f"checking [{bar}] {done:,} of {total:,}"
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)

    def clear(self) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()

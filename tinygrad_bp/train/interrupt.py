"""Ctrl-C ends a run between its steps, never within one."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["uninterrupted"]


@contextlib.contextmanager
def uninterrupted() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C wait for the end of the block, or for a call of what it is given before that.

    A second Ctrl-C does not wait. A handler of somebody else's is left alone, and so are other
    threads, which get no Ctrl-C.
    """
    waiting: list[int] = []

    def wait(number: int, frame: Any) -> None:
        if waiting:
            signal.default_int_handler(number, frame)
        waiting.append(number)

    def give_way() -> None:
        if waiting:
            raise KeyboardInterrupt

    if not _is_ours():
        yield give_way
        return
    signal.signal(signal.SIGINT, wait)
    try:
        yield give_way
    finally:
        if signal.getsignal(signal.SIGINT) is wait:  # or a callback has put its own there
            signal.signal(signal.SIGINT, signal.default_int_handler)
    give_way()


def _is_ours() -> bool:
    """Whether Ctrl-C comes to this thread, and to nobody who has asked for it."""
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )

"""Modes: whether calls are recorded, who watches, and whether graphs outlive their backward pass.

A mode holds in one thread or task, and in a generator while it runs.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, NamedTuple, ParamSpec, Protocol, Self, TypeVar

from tinygrad_bp.engine import Op, RawStep

__all__ = [
    "Mode",
    "Observer",
    "Switch",
    "enable_grad",
    "mode",
    "no_grad",
    "retain_graphs",
    "watched",
    "watched_by",
]

P = ParamSpec("P")
R = TypeVar("R")

_getframe = sys._getframe  # noqa: SLF001  (documented for CPython; inspect is 100 times slower)


class Observer(Protocol):
    """Something that watches ops as they are recorded and steps as they are taken."""

    def recorded(self, op: Op, arrays: Sequence[Any], y: Any) -> None:
        """See an op, the arrays it was fed and its output, just after the forward call."""

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        """Pass the steps of a backward pass on, having looked at each."""


class _Entry(NamedTuple):
    """A switch that was entered and not left yet."""

    switch: Switch
    generator: FrameType | None  # the frame of the generator that entered it


@dataclass(frozen=True, slots=True)
class Mode:
    """Whether ops are recorded, who watches, and whether graphs outlive their backward pass."""

    recording: bool = True
    observers: tuple[Observer, ...] = ()
    retaining: bool = False
    entered: tuple[_Entry, ...] = ()


class _ModeOfGenerators:
    """A mode that depends on which generators are running: a paused one switches nothing."""

    def __init__(self, entered: tuple[_Entry, ...]) -> None:
        self.entered = entered

    def __getattr__(self, name: str) -> Any:
        running = set()
        frame: FrameType | None = _getframe(1)
        while frame is not None:
            running.add(frame)
            frame = frame.f_back
        active = [e for e in self.entered if e.generator is None or e.generator in running]
        return getattr(_combined(active), name)


mode: ContextVar[Any] = ContextVar("tinygrad_bp mode", default=Mode())  # noqa: B039  (frozen)


def _combined(entered: Sequence[_Entry]) -> Mode:
    now = Mode()
    for entry in entered:
        now = entry.switch.change(now)
    return replace(now, entered=tuple(entered))


def _enter(entered: Sequence[_Entry]) -> None:
    if any(entry.generator is not None for entry in entered):
        mode.set(_ModeOfGenerators(tuple(entered)))
    else:
        mode.set(_combined(entered))


def _generator_of(frame: FrameType | None) -> FrameType | None:
    """The frame of the generator that enters a switch, if one does: it may be paused.

    A context manager that is written as a generator enters for whoever uses it, and pytest's
    fixtures for the tests.
    """
    while frame is not None and "contextlib" in (
        _module(frame),
        _module(frame.f_back) if _is_generator(frame) else "",
    ):
        frame = frame.f_back
    if frame is None or not _is_generator(frame) or _module(frame.f_back).startswith("_pytest."):
        return None
    return frame


def _is_generator(frame: FrameType) -> bool:
    return bool(frame.f_code.co_flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR))


def _module(frame: FrameType | None) -> str:
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


class Switch:
    """A context manager and decorator that changes the mode in this thread or task only.

    In a generator it holds while the generator runs, not while it is paused. The same switch may
    be entered again, from several threads, and left in any order.
    """

    def __init__(self, change: Callable[[Mode], Mode]) -> None:
        self.change = change

    def __enter__(self) -> Self:
        _enter((*mode.get().entered, _Entry(self, _generator_of(_getframe(1)))))
        return self

    def __exit__(self, *exception: object) -> None:
        entered = list(mode.get().entered)
        mine = [i for i, entry in enumerate(entered) if entry.switch is self]
        generator = _generator_of(_getframe(1))
        here = [i for i in mine if entered[i].generator is generator] or mine
        if here:
            del entered[here[-1]]
            _enter(entered)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, a generator, or an asynchronous one of either kind."""
        wrapper: Any = _calling
        if inspect.isasyncgenfunction(function):
            wrapper = _resuming_asynchronously
        elif inspect.iscoroutinefunction(function):
            wrapper = _awaiting
        elif inspect.isgeneratorfunction(function):
            wrapper = _resuming
        switched: Callable[P, R] = functools.wraps(function)(wrapper(self, function))
        return switched


def _calling(switch: Switch, function: Callable[..., Any]) -> Callable[..., Any]:
    def switched(*args: Any, **kwargs: Any) -> Any:
        with switch:
            return function(*args, **kwargs)

    return switched


def _resuming(switch: Switch, function: Callable[..., Any]) -> Callable[..., Any]:
    def switched(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with switch:
            return (yield from function(*args, **kwargs))

    return switched


def _awaiting(switch: Switch, function: Callable[..., Any]) -> Callable[..., Any]:
    async def switched(*args: Any, **kwargs: Any) -> Any:
        with switch:
            return await function(*args, **kwargs)

    return switched


def _resuming_asynchronously(switch: Switch, function: Callable[..., Any]) -> Callable[..., Any]:
    async def switched(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        with switch:
            async with contextlib.aclosing(function(*args, **kwargs)) as items:
                sent = None
                with contextlib.suppress(StopAsyncIteration):
                    while True:
                        sent = yield await items.asend(sent)

    return switched


def no_grad() -> Switch:
    """Return a context, or a decorator, that records nothing, in this thread or task only.

    >>> from tinygrad_bp import Tensor
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return Switch(lambda now: replace(now, recording=False))


def enable_grad() -> Switch:
    """Return a context that records, even within `no_grad()`.

    >>> from tinygrad_bp import Tensor
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """
    return Switch(lambda now: replace(now, recording=True))


def retain_graphs() -> Switch:
    """Return a context in which every `backward()` keeps its graph, to be looked at later.

    >>> from tinygrad_bp import Tensor
    >>> x = Tensor(2.0, requires_grad=True)
    >>> y = x * x
    >>> with retain_graphs():
    ...     y.backward()
    ...     y.backward()
    >>> x.grad
    Tensor(8.)
    """
    return Switch(lambda now: replace(now, retaining=True))


def watched_by(observer: Observer) -> Switch:
    """Return a context in which an observer sees every op recorded and every step taken."""
    return Switch(lambda now: replace(now, observers=(*now.observers, observer)))


def watched(steps: Iterator[RawStep]) -> Iterator[RawStep]:
    """Let the observers of the current mode look at the steps of a pass."""
    for observer in mode.get().observers:
        steps = observer.watch(steps)
    return steps

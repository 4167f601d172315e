"""`compile`: a step that is traced when it is first called, and replayed after that."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from tinygrad_bp import state
from tinygrad_bp.modes import mode
from tinygrad_bp.program.comparing import difference
from tinygrad_bp.program.guards import Arguments
from tinygrad_bp.program.program import MISSED, Program
from tinygrad_bp.program.tracing import Refuted, Trace, tracing

__all__ = ["Compiled", "compile"]

P = ParamSpec("P")
R = TypeVar("R")

MOST = 16  # programs that are kept; the one that was not used for longest goes


class Compiled(Generic[P, R]):
    """What `compile` returns: called like the function, with the same results and effects."""

    def __init__(self, function: Callable[P, R], *, grads: bool) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.grads = grads
        self._programs: list[Program] = []
        self._enter: Callable[[Any], Any] = _missing
        self._lock = threading.RLock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what the step does: by a program, once it is traced."""
        with self._lock:
            if not kwargs:
                try:
                    result = self._enter(args)
                except Refuted:
                    return self.function(*args, **kwargs)
                if result is not MISSED:
                    return result  # type: ignore[no-any-return]
            return self._looked_up(args, kwargs)

    def _looked_up(self, args: Any, kwargs: Any) -> Any:
        """Find the program for a call, or make it, and run it."""
        now = mode.get()
        if state.tracers or now.observers or now.retaining:  # somebody looks at every op
            return self.function(*args, **kwargs)
        given = Arguments(args, kwargs)
        try:
            program = self._program(given, recording=now.recording)
            self._enter = program.enter if program.proven else _missing
            return program.run(*given.arrays)
        except Refuted:  # eager mode knows what to do, or what to say
            return self.function(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    @property
    def source(self) -> str:
        """The program that ran last, as Python that runs on NumPy alone."""
        return self._latest.source

    @property
    def listing(self) -> Any:
        """The statements of the program that ran last."""
        return self._latest.listing

    @property
    def _latest(self) -> Program:
        if not self._programs:
            raise RuntimeError(f"{self.function.__name__} was not called yet: there is no program")
        return self._programs[0]

    def _program(self, given: Arguments, *, recording: bool) -> Program:
        """Return the program for a call, the latest one first."""
        for i, program in enumerate(self._programs):
            if program.fits(given, recording=recording):
                if not program.proven:
                    self._prove(program, given)
                if i:
                    self._programs.insert(0, self._programs.pop(i))
                return program
        return self._new_program(given, recording=recording)

    def _new_program(self, given: Arguments, *, recording: bool) -> Program:
        trace = self._trace(given)
        program = Program(self.function, trace, given, recording=recording, grads=self.grads)
        self._programs = [program, *self._programs][:MOST]
        return program

    def _trace(self, given: Arguments) -> Trace:
        with tracing() as trace:
            args, kwargs = given.stand_ins(trace, self.function)
            trace.finish(self.function(*args, **kwargs))
        return trace

    def _prove(self, program: Program, given: Arguments) -> None:
        """Trace the second call too: what differs would be frozen in the program."""
        if found := difference(program.traced, self._trace(given).listing):
            raise found
        program.proven = True


def _missing(_: Any) -> Any:
    return MISSED


def compile(  # noqa: A001  (PyTorch's name)
    function: Callable[P, R] | None = None, *, grads: bool = False
) -> Any:
    """Return a function that does what a step does, as a straight-line program."""
    if function is None:
        return functools.partial(compile, grads=grads)
    return Compiled(function, grads=grads)

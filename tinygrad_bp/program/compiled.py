"""`compile`: a step that is traced when it is first called, and replayed as a program after that."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from tinygrad_bp import state
from tinygrad_bp.modes import mode
from tinygrad_bp.program.comparing import difference
from tinygrad_bp.program.guards import Arguments
from tinygrad_bp.program.program import Program
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
        self._lock = threading.RLock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        now = mode.get()
        if state.tracers or now.observers or now.retaining:  # somebody looks at every op
            return self.function(*args, **kwargs)
        with self._lock:
            return self._called(Arguments(args, kwargs), recording=now.recording)

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

    def _called(self, given: Arguments, *, recording: bool) -> Any:
        for i, program in enumerate(self._programs):
            if program.fits(given, recording=recording):
                if i:
                    self._programs.insert(0, self._programs.pop(i))
                return self._run(program, given, recording=recording)
        return self._traced(given, recording=recording)

    def _run(self, program: Program, given: Arguments, *, recording: bool) -> Any:
        if not program.proven:
            self._prove(program, given, recording=recording)
        try:
            return program.run(given)
        except Refuted:  # eager mode knows what to do, or what to say
            return self.function(*given.args, **given.kwargs)

    def _traced(self, given: Arguments, *, recording: bool) -> Any:
        """Trace a call, and run the program that it gives."""
        try:
            program = self._new_program(given, recording=recording)
        except Refuted:
            return self.function(*given.args, **given.kwargs)
        self._programs = [program, *self._programs][:MOST]
        return self._run_first(program, given)

    def _run_first(self, program: Program, given: Arguments) -> Any:
        try:
            return program.run(given)
        except Refuted:
            return self.function(*given.args, **given.kwargs)

    def _new_program(self, given: Arguments, *, recording: bool) -> Program:
        with tracing() as trace:
            self._trace(trace, given)
            return Program(self.function, trace, given, recording=recording, grads=self.grads)

    def _trace(self, trace: Trace, given: Arguments) -> None:
        args, kwargs = given.stand_ins(trace)
        trace.finish(self.function(*args, **kwargs))

    def _prove(self, program: Program, given: Arguments, *, recording: bool) -> None:
        """Trace the second call too: what differs would be frozen in the program."""
        again = self._new_program(given, recording=recording)
        if found := difference(program.traced, again.traced):
            raise found
        program.proven = True


def compile(  # noqa: A001  (PyTorch's name)
    function: Callable[P, R] | None = None, *, grads: bool = False
) -> Any:
    """Return a function that does what a step does, as a straight-line program."""
    if function is None:
        return functools.partial(compile, grads=grads)
    return Compiled(function, grads=grads)

"""`compile`: a step that is traced when it is first called, and replayed after that."""

from __future__ import annotations

import contextlib
import functools
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from tinygrad_bp import state
from tinygrad_bp.modes import mode
from tinygrad_bp.program.adoption import count_references
from tinygrad_bp.program.comparing import decide_otherwise, difference
from tinygrad_bp.program.guards import Arguments
from tinygrad_bp.program.names import read_by
from tinygrad_bp.program.program import MISSED, Program
from tinygrad_bp.program.tracing import Refuted, Trace, Untraced, tracing
from tinygrad_bp.tensor import Tensor

__all__ = ["Compiled", "compile"]

P = ParamSpec("P")
R = TypeVar("R")

MOST = 16  # programs that are kept; the one that was not used for longest goes
OFTEN = MOST  # calls in a row that are traced anew, before somebody is told


class Compiled(Generic[P, R]):
    """What `compile` returns: called like the function, with the same results and effects."""

    def __init__(self, function: Callable[P, R], *, grads: bool, exact: bool) -> None:
        functools.update_wrapper(self, function, updated=())
        self.__name__ = getattr(function, "__name__", "step")
        self.function = function
        self._how = {"grads": grads, "exact": exact}
        self._programs: list[Program] = []
        self._traced_in_a_row = 0
        self._running: Program | None = None
        self._refused = self._is_eager = self._gives_graphs = False
        self._enter: Callable[[Any], Any] = _missing
        self._lock = threading.RLock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what the step does: by a program, once it is traced."""
        with self._lock:
            try:
                result: Any = MISSED if kwargs else self._enter(args)
                if result is MISSED:
                    result = self._looked_up(args, kwargs)
            except Refuted:
                result = self._elsewhere(args, kwargs)
            return cast("R", result)

    def _looked_up(self, args: Any, kwargs: Any) -> Any:
        """Find the program for a call, or make it, and run it."""
        now = mode.get()
        self._running = None
        if self._is_eager or state.tracer() or now.observers or now.retaining:
            return self.function(*args, **kwargs)  # in the end, for somebody looks at every op
        given = Arguments(args, kwargs)
        if any(map(_is_foreign, given.objects)):
            return self.function(*args, **kwargs)
        if now.recording and any(isinstance(o, Tensor) and o.op is not None for o in given.objects):
            return self.function(*args, **kwargs)  # its graph may be wanted, and goes on outside
        try:
            program = self._program(given, recording=now.recording)
        except Untraced:
            self._gives_graphs = self._gives_graphs or any(map(_tracks, given.objects))
            return self.function(*args, **kwargs)
        self._enter = program.enter if program.proven else _missing
        self._running = program
        return program.run(*given.arrays)

    def _elsewhere(self, args: Any, kwargs: Any) -> Any:
        """Do what a program has refused to do: another one may, or else the step itself.

        The second call that all refuse, and that is no error, is traced: it may go another way. A
        program that refuses the very call which it was made for assumes too much. What is made
        after that assumes no more than eager mode does, and if that refuses too, there is none.
        """
        given, recording = Arguments(args, kwargs), mode.get().recording
        for program in self._programs:
            with contextlib.suppress(Refuted):
                if program is not self._running and program.fits(given, recording=recording):
                    return program.run(*given.arrays)
        assumes = False
        if self._refused:
            with contextlib.suppress(Refuted):
                self._refused = False
                return self._new_program(given, recording=recording).run(*given.arrays)
            assumes = True
        result = self.function(*args, **kwargs)  # which knows what to do, or what to say
        self._refused = True
        if assumes:
            self._assume_less()
        return result

    def _assume_less(self) -> None:
        self._programs.clear()
        self._enter = _missing
        self._is_eager = self._how["exact"]
        self._how = {**self._how, "exact": True}

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are of the step; they make programs of their own."""
        return _rebuilt, (self.function, self._how)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    @property
    def source(self) -> str:
        """The program that ran last, as Python that runs on NumPy alone: the text is what ran.

        Its `prepare` makes the arrays that results are written into, and returns the step; and, if
        anything is calculated from options alone, `settings`, to be called with them first.

        >>> import numpy as np
        >>> step = compile(lambda x: x * x + 1)
        >>> _ = step(np.ones(3))
        >>> names = {}
        >>> exec(step.source, names)
        >>> names["prepare"](**step.given)(np.arange(3.0))
        array([1., 2., 5.])
        """
        return self._latest.source

    @property
    def given(self) -> dict[str, Any]:
        """What `prepare` of the source is called with, by name.

        Those are the arrays that stay where they are, such as parameters, random generators, and
        what cannot be written: large constants, and functions that are not the library's.
        """
        return self._latest.given

    @property
    def listing(self) -> Any:
        """The statements of the program that ran last."""
        return self._latest.listing

    @property
    def _latest(self) -> Program:
        if not self._programs:
            raise RuntimeError(f"{self.__name__} was not called yet: there is no program")
        return self._programs[0]

    def _program(self, given: Arguments, *, recording: bool) -> Program:
        """Return the program for a call, the latest one first."""
        for i, program in enumerate(self._programs):
            if program.fits(given, recording=recording):
                if not program.proven:
                    self._prove(program, given)
                self._traced_in_a_row = 0
                if i:
                    self._programs.insert(0, self._programs.pop(i))
                return program
        if self._gives_graphs and any(map(_tracks, given.objects)):
            raise Untraced
        self._count_trace(given, recording=recording)
        return self._new_program(given, recording=recording)

    def _count_trace(self, given: Arguments, *, recording: bool) -> None:
        """Say so if every call is traced, which takes longer than to run the step eagerly."""
        self._traced_in_a_row += 1
        if self._traced_in_a_row == OFTEN and self._programs:
            why = self._programs[0].misfit(given, recording=recording)
            warnings.warn(
                f"the last {OFTEN} calls of the compiled step '{self.__name__}' were all traced "
                f"anew, which is slow: {why}. Pass what varies as an array, or call the step "
                "without compiling it.",
                RuntimeWarning,
                stacklevel=5,
            )

    def _new_program(self, given: Arguments, *, recording: bool) -> Program:
        bound = getattr(self.function, "__self__", None)
        # As they are before the step runs, which may change them.
        read = read_by(self.function, [bound, *given.objects])
        before = [name.now() for name in read.names]
        trace = self._trace(given, read.arrays)
        program = Program(
            self.function, trace, given, read, before, recording=recording, **self._how
        )
        references = trace.references
        del trace  # which holds arrays, too
        count_references(program, references)
        self._programs = [program, *self._programs][:MOST]
        return program

    def _trace(self, given: Arguments, outside: Iterable[Any]) -> Trace:
        with tracing() as trace:
            trace.read_in_place(outside)
            args, kwargs = given.stand_ins(trace, self.function)
            tracking = any(isinstance(o, Tensor) and o.requires_grad for o in given.objects)
            trace.finish(self.function(*args, **kwargs), tracking=tracking)
        return trace

    def _prove(self, program: Program, given: Arguments) -> None:
        """Trace the second call too: what differs would be frozen in the program."""
        again = self._trace(given, program.arrays).listing
        if found := difference(program.traced, again):
            if decide_otherwise(program.traced, again):
                raise Refuted  # this call is not one that the program is for
            raise found
        program.proven = True


def _rebuilt(function: Callable[P, R], how: dict[str, bool]) -> Compiled[P, R]:
    return Compiled(function, **how)


def _is_foreign(item: Any) -> bool:
    """Whether an argument is an array of a kind that no program calculates with."""
    return not isinstance(item, Tensor) and hasattr(type(item), "__array__")


def _tracks(item: Any) -> bool:
    return isinstance(item, Tensor) and item.requires_grad


def _missing(_: Any) -> Any:
    return MISSED


@overload
def compile(  # noqa: A001
    function: Callable[P, R], *, grads: bool = ..., exact: bool = ...
) -> Compiled[P, R]: ...


@overload
def compile(  # noqa: A001
    function: None = ..., *, grads: bool = ..., exact: bool = ...
) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...


def compile(  # noqa: A001  (PyTorch's name)
    function: Callable[P, R] | None = None, *, grads: bool = False, exact: bool = False
) -> Any:
    """Return a function that does what a step does, as a straight-line program of NumPy calls.

    The first two calls are traced: the step runs through rules and updates as ever, and every call
    of NumPy's is written down. From then on the program runs in its place, and `source` prints it.
    Results, effects on parameters, moments, running means and random streams, and errors are those
    of the step; as a decorator, `@compile` or `@compile(grads=True)`.

    Arrays, floats and tensors that do not track may be others in every call, as may the options of
    optimisers. Other shapes or dtypes, other arguments, settings of modules, or variables around
    the step make a new program, and all of them share state. Whatever else the step reads from
    Python is as it was; if it differs between the first two calls, that is an error.

    What it returns carries no graph: `backward()` belongs into the step, or raises an error that
    says so. A gradient that the step computes anew and uses up itself is not kept either, and
    reading `grad` says so; `grads` keeps it. With `exact`, results have the bits that eager mode
    gives; otherwise sums may be taken in another order, for speed.

    Raises `ProgramError`, naming the line, for what no program can repeat: branches on values,
    `float(t)`, printing a value.

    >>> import numpy as np
    >>> from tinygrad_bp import Tensor, optim
    >>> w = Tensor([3.0], requires_grad=True, name="w")
    >>> optimizer = optim.SGD([w], lr=0.1)
    >>> @compile
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     cost = np.sum((w * x) ** 2)
    ...     cost.backward()
    ...     optimizer.step()
    ...     return cost
    >>> [round(step(np.array([1.0])).item(), 2) for _ in range(3)]
    [9.0, 5.76, 3.69]
    """
    if function is None:
        return functools.partial(compile, grads=grads, exact=exact)
    return Compiled(function, grads=grads, exact=exact)

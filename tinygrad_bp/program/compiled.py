"""`compile`: a step that is traced when it is first called, and replayed after that."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
import warnings
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from tinygrad_bp import state
from tinygrad_bp.modes import mode
from tinygrad_bp.program.adoption import count_references
from tinygrad_bp.program.arguments import Arguments
from tinygrad_bp.program.comparing import decide_otherwise, difference
from tinygrad_bp.program.names import Read, read_by
from tinygrad_bp.program.program import MISSED, Program
from tinygrad_bp.program.tracing import Refuted, Trace, Untraced, tracing
from tinygrad_bp.tensor import NotKept, Tensor

__all__ = ["Compiled", "compile"]

P = ParamSpec("P")
R = TypeVar("R")

MOST = 64  # programs that are kept; the one that was not used for longest goes
OFTEN = 16  # calls in a row that are traced anew, before the step is run eagerly


class Compiled(Generic[P, R]):
    """What `compile` returns: called like the function, with the same results and effects.

    The program that ran last can be read, as `source`, and run without this library:

    >>> import numpy as np
    >>> @compile
    ... def step(x):
    ...     return np.sum(2 * x + 1)
    >>> step(np.ones(3)), step(np.arange(3.0))  # the first two calls are traced
    (np.float64(9.0), np.float64(9.0))
    >>> print(step.source)
    from numpy import add, array, dot, empty, float64, multiply, ones
    <BLANKLINE>
    <BLANKLINE>
    def prepare():
        ones3 = ones(3, float64)
        two = array(2, float64)
        one = array(1, float64)
        t = empty(3, float64)
    <BLANKLINE>
        def step(x):
            # ...  return np.sum(2 * x + 1)
            multiply(two, x, t)
            add(t, one, t)
            u = dot(ones3, t)
    <BLANKLINE>
            return u
    <BLANKLINE>
        return step
    <BLANKLINE>
    """

    def __init__(self, function: Callable[P, R], *, grads: bool, exact: bool) -> None:
        functools.update_wrapper(self, function, updated=())
        self.__name__ = getattr(function, "__name__", "step")
        self.function = function
        self._how = {"grads": grads, "exact": exact}
        self._parameters = _parameters(function)
        self._not_kept = NotKept(self.__name__)
        self._programs: list[Program] = []
        self._traced_in_a_row = 0
        self._running: Program | None = None
        self._for_one_call: Program | None = None
        self._refused = self._is_eager = self._gives_graphs = False
        self._enter: Callable[[Any], Any] = _missing
        self._undo: Callable[[], None] = _nothing
        """Takes back what the latest trace has left around the step, until its program has run."""
        self._lock = threading.RLock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what the step does: by a program, once it is traced."""
        with self._lock:
            given, named = self._by_position(args, kwargs) if kwargs else (args, kwargs)
            try:
                result: Any = MISSED if named else self._enter(given)
                if result is MISSED:
                    result = self._looked_up(given, named)
            except Refuted:
                result = self._elsewhere(given, named)
            return cast("R", result)

    def _by_position(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Return arguments by position where that is the same, which is quicker to look at."""
        names = self._parameters[len(args) : len(args) + len(kwargs)]
        if kwargs.keys() == set(names):
            return (*args, *[kwargs[name] for name in names]), {}
        return args, kwargs

    def _looked_up(self, args: Any, kwargs: Any) -> Any:
        """Find the program for a call, or make it, and run it."""
        now = mode.get()
        self._running = None
        self._undo = _nothing
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
        result = program.run(*given.arrays)
        self._undo = _nothing
        return result

    def _elsewhere(self, args: Any, kwargs: Any) -> Any:
        """Do what a program has refused to do: another one may, or else the step itself.

        The second call that all refuse, and that is no error, is traced: it may go another way. A
        program that refuses the very call which it was made for assumes too much. What is made
        after that assumes no more than eager mode does, and if that refuses too, there is none.
        """
        self._take_back()
        given, recording = Arguments(args, kwargs), mode.get().recording
        for program in self._programs:
            with contextlib.suppress(Refuted):
                if program is not self._running and program.fits(given, recording=recording):
                    return program.run(*given.arrays)
        assumes = False
        if self._refused:
            with contextlib.suppress(Refuted):
                self._refused = False
                result = self._new_program(given, recording=recording).run(*given.arrays)
                self._undo = _nothing
                return result
            assumes = True
        self._take_back()
        result = self.function(*args, **kwargs)  # which knows what to do, or what to say
        self._refused = True
        if assumes:
            self._assume_less()
        return result

    def _take_back(self) -> None:
        undo, self._undo = self._undo, _nothing
        undo()

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
            why = "it is run eagerly" if self._is_eager else "it was not called yet"
            raise RuntimeError(f"there is no program of {self.__name__}: {why}")
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
        """Give up, and say so, if every call is traced: to run the step eagerly takes less."""
        self._traced_in_a_row += 1
        if self._traced_in_a_row == OFTEN and self._programs:
            why = self._programs[0].misfit(given, recording=recording)
            if self._programs[0] is self._for_one_call:
                why = "it changes what is around it, such as a counter or a list"
            self._programs.clear()
            self._is_eager = True
            warnings.warn(
                f"the last {OFTEN} calls of the compiled step '{self.__name__}' were all traced "
                f"anew ({why}), so it is run eagerly from now on. Pass what varies as an array, "
                "and return what is to be kept.",
                RuntimeWarning,
                stacklevel=5,
            )
            raise Untraced

    def _new_program(self, given: Arguments, *, recording: bool) -> Program:
        # As they are before the step runs, which may change them.
        read = self._read(given)
        before = [name.now() for name in read.names]
        trace = self._trace(given, read)
        program = Program(
            self.function,
            trace,
            given,
            read,
            before,
            recording=recording,
            not_kept=self._not_kept,
            **self._how,
        )
        references, is_for_one_call = trace.references, trace.changes_around
        del trace  # which holds arrays, too
        count_references(program, references)
        others = [p for p in self._programs if p is not self._for_one_call]
        self._programs = [program, *others][:MOST]
        self._for_one_call = program if is_for_one_call else None
        return program

    def _read(self, given: Arguments) -> Read:
        return read_by(self.function, [getattr(self.function, "__self__", None), *given.objects])

    def _trace(self, given: Arguments, read: Read) -> Trace:
        with tracing() as trace:
            trace.look_around(self.function, given.objects, read)
            args, kwargs = given.stand_ins(trace, self.function)
            tracking = any(isinstance(o, Tensor) and o.requires_grad for o in given.objects)
            trace.finish(self.function(*args, **kwargs), tracking=tracking)
        self._undo = trace.around.undo
        return trace

    def _prove(self, program: Program, given: Arguments) -> None:
        """Trace the second call too: what differs would be frozen in the program."""
        trace = self._trace(given, self._read(given))
        again = trace.listing
        if found := difference(program.traced, again):
            if decide_otherwise(program.traced, again):
                raise Refuted  # this call is not one that the program is for
            raise found
        program.proven = not trace.changes_around


def _rebuilt(function: Callable[P, R], how: dict[str, bool]) -> Compiled[P, R]:
    return Compiled(function, **how)


def _is_foreign(item: Any) -> bool:
    """Whether an argument is an array of a kind that no program calculates with."""
    return not isinstance(item, Tensor) and hasattr(type(item), "__array__")


def _tracks(item: Any) -> bool:
    return isinstance(item, Tensor) and item.requires_grad


def _parameters(function: Callable[..., Any]) -> list[str]:
    """The parameters of a function that are given by position or by name."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in found if p.kind is p.POSITIONAL_OR_KEYWORD]


def _nothing() -> None:
    pass


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
    Python is as it was; if it differs between the first two calls, that is an error. A step that
    changes variables, attributes or containers around it is traced in every call, and run eagerly
    from the 16th such call on.

    What it returns carries no graph: `backward()` belongs into the step, or raises an error that
    says so. A gradient that the step computes anew and uses up itself is not kept either, and
    reading `grad` says so; `grads` keeps it. With `exact`, results have the bits that eager mode
    gives; otherwise sums may be taken in another order, for speed.

    Raises `ProgramError`, naming the line, for what no program can repeat: branches on values,
    `float(t)`, printing a value, random numbers of Python's, changes of lists and dicts that the
    step is given.

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

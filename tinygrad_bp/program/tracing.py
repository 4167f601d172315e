"""Tracing: one run of a step on stand-ins, which leaves the list of what it calls.

The step runs through the ordinary rules and updates, so what is written down is what eager mode
does. A function of NumPy's is one statement. A primitive of ours is entered, and leaves what it is
made of; where its body leaves the protocols (a loop that writes into an array), it is one statement
as a whole. What depends on no argument and no state is calculated here, once.

Nothing of the run lasts: state is as it was when the trace ends, and so are random streams.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Never

import numpy as np

from tinygrad_bp import state
from tinygrad_bp.calls import name_of
from tinygrad_bp.duck import DuckArray
from tinygrad_bp.engine import Op, RawStep, Site
from tinygrad_bp.errors import NotDifferentiableError, ProgramError
from tinygrad_bp.modes import mode, watched_by
from tinygrad_bp.operands import is_foreign
from tinygrad_bp.program.adoption import Adoption
from tinygrad_bp.program.around import Around
from tinygrad_bp.program.comparing import same
from tinygrad_bp.program.functions import (
    OF_SHAPES,
    OPAQUE,
    WITH_EFFECTS,
    as_written,
    has_shape,
    is_shaped_by_values,
)
from tinygrad_bp.program.held import Held
from tinygrad_bp.program.listing import (
    Applied,
    Check,
    Constant,
    Input,
    Listing,
    Option,
    Place,
    Source,
    Statement,
    Value,
    values_in,
)
from tinygrad_bp.program.names import Read
from tinygrad_bp.program.results import Returned
from tinygrad_bp.program.sites import users_site
from tinygrad_bp.program.stand_in import Number, Setting, Traced, of_python
from tinygrad_bp.program.switches import Switches
from tinygrad_bp.registry import implementation_of
from tinygrad_bp.state import owner_of
from tinygrad_bp.tensor import Tensor
from tinygrad_bp.traced import plain

__all__ = ["Refuted", "Trace", "Untraced", "tracing"]

_NUMBERS = (bool, int, float)
_lock = threading.RLock()
_PATIENCE = 1.0  # seconds
_KEPT = (
    "this is a value of a step that was being compiled: it was kept from there, and has no values "
    "any more. Return it from the step instead"
)


class Refuted(BaseException):
    """A check does not hold: the step is to be run eagerly. No error, not to be caught as one."""


class Untraced(BaseException):
    """No program is made for a call, which is run eagerly.

    Gradients are to pass from what the step returns to what it was given, as often as it is called
    in this way; or the step waits for another thread while it is traced.
    """


class Trace:
    """One run that is written down: the `state.Tracer` of the library, and an observer of ops."""

    def __init__(self, errors_outside: Mapping[str, str]) -> None:
        self.listing = Listing()
        self.adopted = Adoption(self)
        self.around = Around(self)
        self.streams: dict[int, tuple[np.random.Generator, Any]] = {}
        self.modules: dict[int, Any] = {}
        self.groups: dict[int, Any] = {}
        self.left: list[Held] = []
        """What objects hold when the run has ended."""
        self.returned: list[Callable[[Any], Any] | None] = []
        """What makes of each result what the step returned."""
        self.references: list[tuple[Tensor, int, int]] = []
        """Tensors, the ids of their arrays, and how many references to them there were."""
        self.relied_on: list[tuple[Callable[[Any], bool], Any]] = []
        """What else must hold for a run."""
        self.place = Place()
        self.over = False
        self._mode = mode.get()
        self.closed = False
        self.concrete: dict[Value, Any] = {}
        self.thread = threading.get_ident()
        self._errors_outside = errors_outside
        """How NumPy treats floating-point errors around the step."""
        self._constants: dict[int, Traced] = {}
        self._outside: dict[int, Any] = {}
        """Memory around the step, by the ids of the arrays that own it: read in every run."""
        self._decided: dict[Value, bool] = {}
        self._applied = 0
        self.refused: ProgramError | None = None
        """What was refused first: the step may have caught it, and gone another way."""
        self._overwritten: dict[Value, Site | None] = {}
        """Memory that was written in place, with the line."""
        self._unassigned: dict[Value, Site | None] = {}
        """What is to be assigned, as `t.data -= step` does, for it to be seen in memory."""
        self._switches = Switches()
        self._homes: dict[Value, Value] = {}
        """What stands for memory, by what is written to it in the end."""
        self.changes_around = False
        """Whether the step has changed something around it, as no program does."""
        self._untold: list[tuple[str, Any, Any]] = []
        """What the step may draw from without a word, and where that was before."""
        self.copied: list[tuple[str, Any]] = []
        """Copies of lists and dicts that the step is given in their places, by name."""
        # By their groups, as arrays of a dtype or as numbers.
        self._options: dict[Any, dict[str, Any]] = {}
        self._opaque: set[Callable[..., Any]] = set()  # bodies that left the protocols in this run

    # --- what stands for what -----------------------------------------------------------------

    def stand_in(self, found: Any, source: Source | None, base: Value | None = None) -> Traced:
        """Return what stands for an array or number of this run."""
        self.listing.elsewhere = self.listing.elsewhere or is_foreign(found)
        if isinstance(found, _NUMBERS) and not isinstance(found, np.generic):
            made: Traced = Number(found, self, Value((), None, source=source))
        else:
            strides = getattr(found, "strides", ())
            made = Traced(found, self, Value(found.shape, found.dtype, strides, source, base))
        if source is not None:
            self.listing.sources.append(made.ref)
        return made

    def held(self, value: Any) -> Any:
        """Return what stands for what a tensor holds, which is an array, also without axes."""
        if not isinstance(value, Traced):
            return self.constant(value)
        if isinstance(value.value, np.generic):
            return Traced(np.asarray(value.value), self, value.ref)
        return value

    def constant(self, value: Any) -> Any:
        """Return what stands for an array that the run has made from nothing."""
        if not _is_array(value):
            return value
        if self._outside and id(owner_of(value)) in self._outside:
            return self.adopted.outside(value)
        known = self._constants.get(id(value))
        if known is None:
            known = self._constants[id(value)] = self.stand_in(value, Constant(value))
        return known

    def argument(self, value: Any, number: int, name: str) -> Traced:
        """Return what stands for an argument of the step."""
        made = self.stand_in(value, Input(number, name))
        made.ref.name = name
        return made

    # --- calls --------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Write a call down, or enter the function, and return what stands for its result."""
        self._check_alive()
        if kwargs.get("out") is not None or function in WITH_EFFECTS:
            self.refuse(
                f"{name_of(function)} writes into an array, or into a file. Use what functions "
                "return, as in a = a + b: a compiled step writes to tensors alone, by t.data = "
                "new_values"
            )
        if function in OF_SHAPES and not is_foreign(args[0]):
            return function(*plain(args), **plain(kwargs))
        body = implementation_of(function)
        if body is not None and function not in OPAQUE and function not in self._opaque:
            return self._entered(function, body, args, kwargs)
        if body is None:
            return self._stated(function, args, kwargs)
        return self._stated(body, *as_written(function, args, kwargs))

    def _entered(
        self, function: Callable[..., Any], body: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:
        """Write down what a body calls, or if that leaves the protocols, one call of the body."""
        statements, checks = len(self.listing.statements), len(self.listing.checks)
        refused = self.refused
        try:
            return body(*args, **kwargs)
        except (NotDifferentiableError, ProgramError, TypeError, ValueError, AttributeError):
            self.refused = refused
            del self.listing.statements[statements:]
            for check in self.listing.checks[checks:]:
                del self._decided[check.condition]
            del self.listing.checks[checks:]
            result = self._stated(body, *as_written(function, args, kwargs))
            self._opaque.add(function)
            return result

    def _stated(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Write one statement, unless it can be calculated once and for all."""
        given, named = self.values(tuple(args)), self.values(dict(kwargs))
        read = [*values_in(given), *values_in(named)]
        if function is np.astype and not np.ndim(args[0]):
            function = np.asarray  # what has no axes may be a scalar: NumPy 2.0 casts only arrays
        elif read and all(value.is_number for value in read):
            function = of_python.get(function, function)
        found = function(*plain(tuple(args)), **plain(dict(kwargs)))
        if all(isinstance(value.source, Constant) for value in read):
            return self._folded(found)
        return self._noted(function, given, named, read, found)

    def converted(self, array: Traced, dtype: np.dtype[Any]) -> Traced:
        """Return an array that is elsewhere in another dtype, by its method."""
        read = self.values((array,))
        found = array.value.astype(dtype)
        made: Traced = self._noted(np.ndarray.astype, (*read, dtype), {}, list(read), found)
        return made

    def _folded(self, found: Any) -> Any:
        if isinstance(found, tuple):
            return tuple([self.constant(part) for part in found])
        return self.constant(found)

    def _noted(
        self, function: Callable[..., Any], args: Any, kwargs: Any, read: list[Value], found: Any
    ) -> Any:
        several = isinstance(found, tuple | list)
        parts = list(found) if several else [found]
        if not all(isinstance(part, np.ndarray | np.generic | bool | int | float | complex)
                   or is_foreign(part) for part in parts):  # fmt: skip
            self.refuse(f"{name_of(function)} gives no arrays, but {type(found).__name__}")
        made = [self.stand_in(part, None, self._base(part, read)) for part in parts]
        statement = Statement(
            function,
            args,
            kwargs,
            tuple([each.ref for each in made]),
            several=several,
            quiet=self._quiet(),
            place=self._here(),
        )
        self.listing.statements.append(statement)
        if is_shaped_by_values(function, args):
            for each in made:
                self.decide(self._stated(has_shape, (each, each.shape), {}))
        return tuple(made) if several else made[0]

    def _base(self, found: Any, read: list[Value]) -> Value | None:
        """The value whose memory a result shows, if it is a view, or that array itself."""
        if not isinstance(found, np.ndarray):
            return None
        owner = owner_of(found)
        for value in read:
            array = self.concrete.get(value)
            if array is not None and owner_of(array) is owner:
                return value.base or value
        return None

    def values(self, item: Any) -> Any:
        """Return nested arguments with values in the places of stand-ins and arrays."""
        if isinstance(item, Tensor):
            item = item.data
        if isinstance(item, Traced):
            if item.run is not self:
                self.refuse("the step goes on with an array that was kept from an earlier call")
            self._check_current(item.ref)
            self.concrete[item.ref] = item.value
            return item.ref
        if _is_array(item):
            kept = self.constant(item)
            self.concrete[kept.ref] = kept.value
            return kept.ref
        if isinstance(item, tuple) and hasattr(item, "_fields"):
            return type(item)(*[self.values(part) for part in item])
        if isinstance(item, list | tuple):
            return type(item)([self.values(part) for part in item])
        if isinstance(item, dict):
            return {key: self.values(part) for key, part in item.items()}
        return item

    def _check_current(self, value: Value) -> None:
        """Refuse to read what eager mode would find to be overwritten."""
        self.adopted.check_current(value)
        root = value.base or value
        if root in self._overwritten:
            self.refuse(
                "an array is read after it, or memory that it shows, was written in place at "
                f"{self._overwritten[root]}. Write a = a + b in the place of a += b"
            )

    def in_place(self, old: Traced, new: Any) -> Any:
        """Write a result where an array stands: whoever else shows that memory is out of date."""
        if not isinstance(old.value, np.ndarray):  # a scalar: nothing is there to be written to
            return new
        if isinstance(new, Tensor):  # a gradient, say
            if new.requires_grad:
                self.refuse("a tensor that tracks is written into an array. Use its detach()")
            new = new._value
        root = old.ref.base or old.ref
        if isinstance(root.source, Input):
            self.refuse(
                "an argument of the step is written in place, which its caller would see. Write "
                "a = a + b in the place of a += b"
            )
        if new.shape != old.shape or not np.can_cast(new.dtype, old.dtype, "same_kind"):
            self.refuse(f"{new.shape} of {new.dtype} is written into {old.shape} of {old.dtype}")
        found = self.in_dtype(new, old.dtype)
        self._overwritten[root] = users_site()
        if root.source is not None:
            self._unassigned[found.ref] = users_site()
        return found

    def _quiet(self) -> tuple[str, ...]:
        """What of floating-point errors is ignored here, but not around the step."""
        now = np.geterr()
        return tuple([k for k, v in now.items() if v == "ignore" and self._errors_outside[k] != v])

    # --- what the library tells ---------------------------------------------------------------

    def meet(self, function: Any, args: Sequence[Any]) -> None:
        """Learn which function is called next, and of what."""
        self._check_alive()
        for a in args:
            if isinstance(a, Tensor):
                self.adopt(a)
        self._applied += 1
        self.place = Place("forward", name_of(function), self._applied, users_site())

    def adopt(self, owner: Any) -> None:
        """Learn that the run reads or writes what an object holds."""
        self._check_alive()
        self.adopted.adopt(owner)

    def forget_gradient(self, tensor: Any) -> None:
        """Learn that a tensor's gradient is forgotten, or set anew."""
        self.adopted.forget_gradient(tensor)

    def write(self, tensor: Any, value: Any) -> None:
        """Assign values to a tensor, in its memory."""
        new = self.in_dtype(value, tensor.dtype)
        self.adopted.check_current(new.ref)
        self._unassigned.pop(new.ref, None)
        self.adopted.write(tensor, new)

    def assign(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of an object that holds state."""
        self.adopted.assign(owner, name, value)

    def in_dtype(self, value: Any, dtype: np.dtype[Any]) -> Any:
        """Return a value in a dtype, as an assignment converts it."""
        if not isinstance(value, Traced):
            return self.constant(np.asarray(value, dtype))
        if isinstance(value, Number) or value.dtype != dtype:
            return self._stated(np.astype, (value, dtype), {})
        return value

    def rely_on(self, holds: Callable[[Any], bool], given: Any) -> None:
        """Learn of something that must hold for a run."""
        self.relied_on.append((holds, given))

    def is_array(self, value: Any) -> bool:
        """Whether a value is an array, perhaps without axes, rather than a number of Python's."""
        return isinstance(value, Traced) and not isinstance(value, Number)

    def as_array(self, value: Traced) -> Traced:
        """Return a value as an array: without axes, NumPy gives scalars."""
        if value.ndim or is_foreign(value):
            return value
        made: Traced = self._stated(np.asarray, (value,), {})
        return made

    def draw(self, rng: np.random.Generator, method: str, args: Any, options: Any) -> Any:
        """Draw random numbers: every run draws anew, and this one leaves the stream as it was."""
        rng = getattr(rng, "generator", rng)  # for which something stands in
        if id(rng) not in self.streams:
            self.streams[id(rng)] = rng, rng.bit_generator.state
            self.listing.streams.append(self.streams[id(rng)])
        draw = getattr(rng, method)
        given, named = self.values(tuple(args)), self.values(dict(options))
        read = [*values_in(given), *values_in(named)]
        found = draw(*plain(tuple(args)), **plain(dict(options)))
        made = self._noted(draw, given, named, read, found)
        self.listing.statements[-1].draws = True
        if any(value.dtype is not None and value.dtype.kind in "iu" for value in read):
            self.decide(self._stated(has_shape, (made, made.shape), {}))  # of that size
        return made

    def look_around(self, function: Callable[..., Any], objects: Sequence[Any], read: Read) -> None:
        """Find what is around a step that is called with some objects, and reads from outside."""
        self._outside = {id(owner): owner for owner in map(owner_of, read.arrays)}
        self.around.look(function, objects, read)
        for name, rng in self.around.generators():
            self._untold.append((name, rng, _state_of(rng)))

    def _check_untold(self) -> None:
        """Refuse to freeze what was drawn from a generator for which nothing stands in."""
        for name, rng, before in self._untold:
            if id(rng) not in self.streams and _has_drawn(rng, before):
                _set_state(rng, before)
                raise ProgramError(
                    f"the step draws random numbers from '{name}', which a program would repeat. "
                    "Draw them from an np.random.Generator that is an attribute of a module that "
                    "the step calls, or an argument of the step: then every run draws anew."
                )

    def _check_copied(self) -> None:
        for name, copied in self.copied:
            if self.around.has_changed(copied):
                raise ProgramError(
                    f"the step changes argument '{name}', a {type(copied).__name__}, which no "
                    "program does. Return what it puts there instead."
                )

    def visit(self, module: Any) -> None:
        """Learn that a module is called: its settings decide what the run does."""
        if not self.around.is_own(module):
            self.modules[id(module)] = module
        self.around.look_at(module)

    def own(self, module: Any) -> None:
        """Learn that a module is made, whose settings are those of this run alone."""
        self.around.own(module)

    def set_attribute(self, module: Any, name: str, value: Any) -> None:
        """Learn that a module is set in another way: at the end it must be as at the beginning."""
        if not self.around.is_own(module):
            self._switches.note(module, name, value)

    def decide(self, condition: Any) -> bool:
        """Return whether a condition holds: every run will check that it does, or does not."""
        if condition.is_elsewhere:
            self.refuse("a branch depends on values that are elsewhere, where nobody looks")
        holds = bool(condition.value)
        value = condition.ref
        if isinstance(value.source, Constant):
            return holds
        if value not in self._decided:
            self._decided[value] = holds
            self.listing.checks.append(Check(value, holds, self._here()))
        return holds

    def require(self, condition: Any) -> None:
        """Learn that a condition is to hold: where it does not, eager mode knows what to say.

        Eager mode does not look at what is elsewhere, and nor does a program.
        """
        if is_foreign(condition):
            return
        if isinstance(condition, Traced):
            if not self.decide(condition):
                raise Refuted
        elif not condition:
            raise Refuted

    def options(self, group: Any, dtype: np.dtype[Any] | None) -> dict[str, Any]:
        """Return the options of a group of parameters: numbers other than 0 are read by each run.

        With a dtype they are arrays without axes, as `Options.as_arrays` has them.
        """
        self.groups[id(group)] = group
        real = None if dtype is None else np.zeros((), dtype).real.dtype
        found = self._options.get((id(group), real))
        if found is None:
            found = self._options[id(group), real] = {
                name: self._option(value, Option(group, name), real)
                for name, value in group.options.values.items()
            }
        return found

    def _option(self, value: Any, source: Option, dtype: np.dtype[Any] | None) -> Any:
        if isinstance(value, tuple):
            parts = [Option(source.group, source.name, i) for i in range(len(value))]
            return tuple([self._option(v, s, dtype) for v, s in zip(value, parts, strict=True)])
        if not isinstance(value, float) or not value:
            return value
        number = self.stand_in(value, source)
        number.ref.name = source.name
        if dtype is None:
            return number
        array = self._stated(np.asarray, (number, dtype), {})
        return Setting(array.value, self, array.ref)

    def settle(self, number: Number) -> Any:
        """Return the value of a number, which every run will find to be the same."""
        self.decide(self._stated(np.equal, (number, number.value), {}))
        return number.value

    def refuse(self, problem: str) -> Never:
        """Raise an error with the line of the user."""
        if self.over:
            problem = _KEPT
        raise self._noted_as_refused(problem)  # which no frame of the traceback may hold

    def _noted_as_refused(self, problem: str) -> ProgramError:
        site = users_site()
        error = ProgramError(f"{problem}. At {site}." if site else f"{problem}.")
        self.refused = self.refused or error
        return error

    def _check_alive(self) -> None:
        if self.over:
            self.refuse(_KEPT)
        if threading.get_ident() != self.thread:
            raise ProgramError(
                "a tensor is being used by a step that another thread is compiling just now. Let "
                "the first two calls of a compiled step end before other threads use its model."
            )

    def finish(self, results: Any, *, tracking: bool = False) -> None:
        """Note what the step returned, and what it has done to state.

        `tracking` says that tensors that track were among the arguments.
        """
        if self.refused is not None:
            raise self.refused
        self._check_untold()
        self._check_copied()
        if self._unassigned:
            site = next(iter(self._unassigned.values()))
            raise ProgramError(
                "values of a tensor are written in place, past the tensor. Assign to its data, as "
                f"t.data -= step does. At {site}."
            )
        self.references = self.adopted.references
        returned = Returned(self, results)
        if returned.is_alive and tracking:
            raise Untraced
        self.listing.results, self.returned = returned.results, returned.kinds
        self.listing.writes = list(self.adopted.writes())
        self._homes = self.adopted.homes_after()
        self.left = [*self.adopted.held(), *self._switches.held()]
        if names := self.adopted.overlapping():
            told = " and ".join(f"'{name}'" if name else "a tensor" for name in names)
            raise ProgramError(
                f"{told} share memory in part, and the step writes to one of them. Use one tensor, "
                "and take parts of it within the step."
            )

    def close(self) -> None:
        """Put all state back in its place; once more, if it was interrupted."""
        if self in state.tracers:
            state.tracers.remove(self)
        mode.set(self._mode)
        self.over = True
        self.adopted.restore()
        for rng, before in self.streams.values():
            rng.bit_generator.state = before
        self._switches.restore()
        self.changes_around = self.around.leave(self._homes)
        if self.changes_around:
            self.relied_on.append((_never, None))
        self.release()
        self.closed = True

    def release(self) -> None:
        """Let go of what is of this run alone, and in a circle with it."""
        self._switches = Switches()
        self.refused = None
        self.adopted = Adoption(None)
        self.concrete = {}
        self._constants = {}
        self._options = {}
        self._homes = {}
        self.around.release()
        self._outside = {}

    # --- where we are -------------------------------------------------------------------------

    def _here(self) -> Place:
        site = users_site()
        if self.place.phase == "forward" and site != self.place.site:  # between two functions
            return Place("forward", "", -self._applied, site)
        return self.place

    def recorded(self, op: Op, arrays: Sequence[Any], y: Any) -> None:  # noqa: ARG002
        """See an op, whose calls were noted: what it was applied to is left to note."""
        results = y if type(y) is tuple else (y,)
        self.listing.applied[self._applied] = Applied(_refs(arrays), _refs(results))

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        """See a backward pass: what was noted since the last step belongs to this one's op."""
        start = len(self.listing.statements)
        self._applied += 1
        last = None
        for step in steps:
            op = step[0]
            self._applied += op is not last
            last = op
            place = Place("backward", op.rule.name, self._applied, op.site)
            for statement in self.listing.statements[start:]:
                statement.place = place
            start = len(self.listing.statements)
            self.recorded(op, op.arrays, op.y)
            _name_gradients(step)
            yield step
        self.place = Place("forward", "", self._applied + 1)

    @contextmanager
    def phase(self, phase: str, title: str) -> Iterator[None]:
        """Say what the statements in this context belong to."""
        before = self.place
        self._applied += 1
        self.place = Place(phase, title, self._applied, users_site())
        yield
        self.place = before


def _is_array(item: Any) -> bool:
    """Whether this is an array, or a scalar of NumPy's, and nothing that stands for one."""
    if isinstance(item, np.ndarray | np.generic):
        return True
    return is_foreign(item) and not isinstance(item, DuckArray)


def _refs(items: Sequence[Any]) -> tuple[Any, ...]:
    """What stands for values, and numbers; None for arrays that never change."""
    return tuple(
        [
            item.ref if isinstance(item, Traced) else item if type(item) in _NUMBERS else None
            for item in items
        ]
    )


def _name_gradients(step: RawStep) -> None:
    """Say of what a step of a backward pass made whose gradient it is."""
    op, slot, _, *made = step
    of = op.inputs[slot]._value if op.inputs is not None else None
    for gradient in made:
        if isinstance(gradient, Traced) and isinstance(of, Traced) and gradient.ref is not of.ref:
            gradient.ref.gradient_of = gradient.ref.gradient_of or of.ref


def _state_of(rng: Any) -> Any:
    """Return the state of a generator, or of Python's module `random`."""
    return rng.getstate() if isinstance(rng, ModuleType) else rng.bit_generator.state


def _has_drawn(rng: Any, before: Any) -> bool:
    now = _state_of(rng)
    return bool(now != before) if isinstance(now, tuple) else not same(now, before)


def _set_state(rng: Any, state: Any) -> None:
    if isinstance(rng, ModuleType):
        rng.setstate(state)
    else:
        rng.bit_generator.state = state


def _never(_: None) -> bool:
    """Say of a program that it is for one call alone."""
    return False


@contextmanager
def tracing() -> Iterator[Trace]:
    """Trace what is called in this context, with all state back in its place at the end.

    One trace at a time: if another takes long, its step may be waiting for this thread, which goes
    on eagerly then.
    """
    if not _lock.acquire(timeout=_PATIENCE):
        raise Untraced
    trace = Trace({key: str(value) for key, value in np.geterr().items()})
    runs_again = False
    try:
        state.tracers.append(trace)
        with watched_by(trace):
            yield trace
    except (Refuted, Untraced):
        runs_again = True
        raise
    except Exception as error:
        refused, trace.refused = trace.refused, None
        if refused is None or refused is error:
            raise
        try:
            raise refused from error  # what came of it afterwards is no news
        finally:
            del refused  # which holds this frame
    finally:
        try:
            _close(trace)
            if runs_again:
                trace.around.undo()
        finally:
            _lock.release()


def _close(trace: Trace) -> None:
    """End a trace, whatever interrupts come: all must be in its place first."""
    interrupt = None
    while not trace.closed:
        try:
            trace.close()
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt

"""A program: a listing that is ready to run, what it needs to find, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from tinygrad_bp.modes import mode
from tinygrad_bp.program.adoption import Held
from tinygrad_bp.program.calling import Text
from tinygrad_bp.program.guards import Arguments, Settings, names_of
from tinygrad_bp.program.listing import Cell, Home, Input, Option, Value, values_in
from tinygrad_bp.program.planning import planned
from tinygrad_bp.program.rewriting import rewritten
from tinygrad_bp.program.tracing import Refuted, Trace
from tinygrad_bp.program.writing import Written, written
from tinygrad_bp.state import clock, memory, settings, tracers
from tinygrad_bp.tensor import NotKept, Tensor, wrap

__all__ = ["MISSED", "Program"]

MISSED: Final = object()
"""What `Program.enter` returns for a call that the program is not for."""


class Program:
    """One program of a step: for arguments and state of one kind.

    `run(*arrays)` runs it, with the arrays among the arguments: all effects, or none; it raises
    `Refuted` if a check does not hold. `enter(args)` does so if the arguments are arrays and
    everything is as the last run left it, and returns `MISSED` otherwise.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        trace: Trace,
        given: Arguments,
        *,
        recording: bool,
        grads: bool,
    ) -> None:
        self.traced = trace.listing
        self.proven = False
        """Whether a second call was traced, too, and gave the same."""
        self._held = trace.held
        _drop_unchanged(self._held)
        if not grads:
            _drop_gradients(self._held, NotKept(getattr(function, "__name__", "step")))
        self.traced.after = list(values_in([held.after for held in self._held]))
        self.listing = planned(rewritten(self.traced))
        self._written: Written = written(self.listing, getattr(function, "__name__", "step"))
        self._given = given.key
        self._recording = recording
        self._streams = [rng for rng, _ in trace.streams.values()]
        self._groups = [(group, _kinds(group)) for group in trace.groups.values()]
        self._settings = Settings(
            list(trace.modules.values()),
            [h.owner for h in self._held if isinstance(h.owner, Tensor)],
        )
        self._names = list(names_of(function))
        self._slots = [held for held in self._held if "moments" in held.before]
        self._seen = SimpleNamespace()
        """What may change between two runs and leave the program fit for the next."""
        self._look()
        self._tensors = trace.returned
        self.run = self._running()
        self.enter = self._entering()

    @property
    def source(self) -> str:
        """The program as Python that runs on NumPy alone."""
        return self._written.source

    # --- whether it may run -------------------------------------------------------------------

    def fits(self, given: Arguments, *, recording: bool) -> bool:
        """Whether arguments and state are of the kind that the program is for."""
        fitting = (
            given.key == self._given
            and recording == self._recording
            and all(_at(owner, path) is value for owner, path, value in self._names)
            and self._settings.unchanged()
            and all(_kinds(group) == kinds for group, kinds in self._groups)
            and all(map(_found, self._held))
        )
        if fitting:
            self._look()
        return fitting

    def _look(self) -> None:
        """Take what is found for what the next run should find."""
        self._seen.options = [group.options for group, _ in self._groups]
        self._seen.moments = [slot.owner.moments for slot in self._slots]
        self._seen.version = self._settings.version

    def _conditions(self, text: Text) -> Iterator[str]:
        """Yield what must hold for the program to run, beside what the arguments are."""
        same = "{} is {}".format
        seen = text.name(self._seen)
        yield f"not {text.name(tracers)}"
        yield f"(now := {text.name(mode.get)}()).recording is {self._recording}"
        yield "not now.observers and not now.retaining"
        for owner, path, value in self._names:
            yield same(text.name(owner) + path, text.name(value))
        yield f"{text.name(settings)}.version == {seen}.version"
        for i, (group, _) in enumerate(self._groups):
            yield same(f"{text.name(group)}.options", f"{seen}.options[{i}]")
        for i, slot in enumerate(self._slots):
            yield same(f"{text.name(slot.owner)}.moments", f"{seen}.moments[{i}]")
        for held in self._held:
            for name, was in held.before.items():
                if name not in ("moments", "_requires_grad") and name not in held.after:
                    yield same(f"{text.name(held.owner)}.{name}", text.name(was))

    # --- a run --------------------------------------------------------------------------------

    def _running(self) -> Callable[..., Any]:
        inputs = [f"a{i}" for i in range(_count(self._given))]
        text = Text(*inputs)
        refuted = text.name(Refuted)
        for i, rng in enumerate(self._streams):
            text.line(f"before{i} = {text.name(rng.bit_generator)}.state")
        given = ", ".join(self._argument(text, value) for value in self._written.parameters)
        found = ", ".join(f"r{i}" for i in range(len(self._written.returned)))
        text.line(f"try:\n    {found}{' = ' * bool(found)}{text.name(self._written.function)}({given})")
        text.line(f"except {text.name(self._written.refusals)}:")
        for i, rng in enumerate(self._streams):
            text.line(f"    {text.name(rng.bit_generator)}.state = before{i}")
        text.line(f"    raise {refuted} from None")
        self._leave(text)
        text.line(f"return {self._results(text)}")
        return text.function("run")

    def _argument(self, text: Text, value: Value) -> str:
        source = value.source
        if isinstance(source, Input):
            return f"a{source.number}"
        assert isinstance(source, Cell | Option)  # noqa: S101
        index = "" if source.index is None else f"[{source.index}]"
        if isinstance(source, Option):
            return f"{text.name(source.group)}.options.values[{source.name!r}]{index}"
        found = f"{text.name(source.owner)}.{source.attribute}{index}"
        return f"{text.name(_array)}({found})" if source.attribute == "_grad" else found

    def _leave(self, text: Text) -> None:
        """Set the time of what was written, and what objects hold after a run."""
        if keys := {memory.key_of(array) for array in self._written_arrays()}:
            text.line(f"{text.name(memory)}.latest = now = {text.name(clock)}.__next__()")
            for key in keys:
                text.line(f"{text.name(memory.times)}[{key}] = now")
        places = dict(zip(self.traced.after, map(self._place, self._written.after), strict=True))
        for held in self._held:
            owner = text.name(held.owner)
            lines = [
                f"{owner}.{name} = {text.expression(value, places.__getitem__)}"
                for name, value in held.after.items()
            ]
            not_kept = held.after.get("_grad")
            if isinstance(not_kept, NotKept):  # whoever touches the gradient replaces it
                text.line(f"if {owner}._grad is not {text.name(not_kept)}:")
                lines = ["    " + line for line in lines]
            text.line("\n".join(lines)) if lines else None
        for i, slot in enumerate(self._slots):
            if "moments" in slot.after and _found_after(slot):
                text.line(f"{text.name(self._seen)}.moments[{i}] = {text.name(slot.owner)}.moments")

    def _written_arrays(self) -> Iterator[np.ndarray[Any, Any]]:
        targets = [write.target for write in self.listing.writes]
        targets += [s.out for s in self.listing.updates if s.out is not None]
        for target in targets:
            source = (target.base or target).source
            if isinstance(source, Home):
                yield source.array

    def _place(self, value: Value) -> str:
        """What a value is called in `run`."""
        return f"r{self._written.returned.index(value)}"

    def _results(self, text: Text) -> str:
        values, tensors = iter(self._written.results), iter(self._tensors)

        def result(_: Value) -> str:
            found = self._place(next(values))
            return f"{text.name(wrap)}({found})" if next(tensors) else found

        return text.expression(self.traced.results, result)

    def _entering(self) -> Callable[[tuple[Any, ...]], Any]:
        text = Text("args")
        parameters = "".join(f"a{i}, " for i in range(_count(self._given)))
        conditions = [f"len(args) == {len(self._given)}"]
        for i, key in enumerate(self._given):
            if not (isinstance(key, tuple) and key[0] is np.ndarray):
                conditions = ["False"]
                break
            _, shape, dtype, strides = key
            conditions.append(f"type(a{i} := args[{i}]) is {text.name(np.ndarray)}")
            conditions.append(f"a{i}.shape == {shape} and a{i}.dtype is {text.name(dtype)}")
            conditions.append(f"a{i}.strides == {strides}")
        conditions += self._conditions(text)
        text.line(f"if {' and '.join(conditions)}:")
        text.line(f"    return {text.name(self.run)}({parameters})")
        text.line(f"return {text.name(MISSED)}")
        return text.function("enter")


def _at(owner: Any, path: str) -> Any:
    if path == ".cell_contents":
        return owner.cell_contents
    return owner.get(path[6:-2])


def _array(gradient: Any) -> Any:
    return gradient._value if isinstance(gradient, Tensor) else gradient


def _count(key: tuple[Any, ...]) -> int:
    """How many arrays there are among arguments of a key."""
    return sum(map(_arrays_in, key))


def _arrays_in(key: Any) -> int:
    if key == "float":
        return 1
    if not isinstance(key, tuple):
        return 0
    if len(key) == 4 and isinstance(key[2], np.dtype):
        return 1
    return sum(map(_arrays_in, key))


def _drop_unchanged(held: list[Held]) -> None:
    """Leave out moments that stay what they are: arrays are written in their place."""
    for one in held:
        moments = zip(one.after.get("moments", ()), one.before.get("moments", ()), strict=False)
        if all(new is was for new, was in moments):
            one.after.pop("moments", None)


def _drop_gradients(held: list[Held], not_kept: NotKept) -> None:
    """Leave out gradients that a step makes anew and uses up itself."""
    for one in held:
        if one.after.get("_used") and "_grad" in one.after and "_grad" not in one.before:
            one.after["_grad"] = not_kept


def _found(held: Held) -> bool:
    """Whether an object holds what it held."""
    return all(_alike(getattr(held.owner, name), was) for name, was in held.before.items())


def _found_after(held: Held) -> bool:
    """Whether a run leaves moments of the kind that it finds."""
    pairs = zip(held.after["moments"], held.before["moments"], strict=True)
    return all(_alike(new, was) or (isinstance(new, Value) and new.is_number) for new, was in pairs)


def _alike(now: Any, was: Any) -> bool:
    if isinstance(was, tuple):
        return len(now) == len(was) and all(map(_alike, now, was))
    if isinstance(was, int | float) and not isinstance(was, bool):
        return type(now) is type(was)
    return now is was


def _kinds(group: Any) -> list[Any]:
    """What of a group's options decides how a step goes: all but the size of numbers."""
    return [(name, _kind(value)) for name, value in group.options.values.items()]


def _kind(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_kind(part) for part in value])
    return "number" if isinstance(value, float) and value else (type(value), value)

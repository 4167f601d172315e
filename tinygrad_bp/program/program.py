"""A program: a listing that is ready to run, what it needs to find, and what it leaves."""

from __future__ import annotations

import dis
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from tinygrad_bp.modes import mode
from tinygrad_bp.program.arguments import Arguments, Same, count_arrays
from tinygrad_bp.program.calling import Text
from tinygrad_bp.program.guards import Settings, option_kinds, other_name
from tinygrad_bp.program.held import (
    OF_GRADIENTS,
    Kind,
    array_in,
    drop_gradients,
    drop_unchanged,
    lay_out,
)
from tinygrad_bp.program.listing import Cell, Home, Input, Option, Value, values_in
from tinygrad_bp.program.names import Read
from tinygrad_bp.program.planning import planned
from tinygrad_bp.program.results import results_of, tracked
from tinygrad_bp.program.rewriting import rewritten, shortened
from tinygrad_bp.program.tracing import Refuted, Trace
from tinygrad_bp.program.writing import Written, hints_of, written
from tinygrad_bp.state import changes, clock, memory, tracers, written_at
from tinygrad_bp.tensor import NotKept, Tensor

__all__ = ["MISSED", "Program"]

_CALLS = ("CALL", "STORE_SUBSCR")

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
        read: Read,
        before: Sequence[Any],
        *,
        recording: bool,
        not_kept: NotKept,
        grads: bool,
        exact: bool,
    ) -> None:
        self.traced = trace.listing
        self.proven = False
        """Whether a second call was traced, too, and gave the same."""
        self._held = trace.left
        drop_unchanged(self._held)
        if not grads:
            drop_gradients(self._held, not_kept)
        self.traced.after = list(values_in([held.after for held in self._held]))
        rewrite = shortened if self.traced.elsewhere else partial(rewritten, exact=exact)
        listing = rewrite(self.traced)
        self.listing = listing if self.traced.elsewhere else planned(listing)
        self._written: Written = written(
            self.listing,
            getattr(function, "__name__", "step"),
            hints_of(function, trace.modules.values(), self.listing.moves),
        )
        self._given = given.key
        self._recording = recording
        self._streams = [rng for rng, _ in trace.streams.values()]
        self._groups = [(group, option_kinds(group)) for group in trace.groups.values()]
        self._settings = Settings(
            list(trace.modules.values()),
            [h.owner for h in self._held if isinstance(h.owner, Tensor)],
        )
        names = [*zip(read.names, before, strict=True)]
        homes = [v.source.array for v in self.traced.sources if isinstance(v.source, Home)]
        names += [(name, name.now()) for name in read.not_in(homes)]
        self._names = [name for name, _ in names]
        self._relied_on = trace.relied_on
        lay_out(self.listing.moves, self._held)
        self._slots = [held for held in self._held if "moments" in held.before]
        self._limits = self.listing.arrays_with_limits()
        self._seen = SimpleNamespace()
        """What may change between two runs and leave the program fit for the next."""
        self._look()
        self._seen.names = [value for _, value in names]  # as they were before the step ran
        result = results_of(function)
        self._returned = [result if kind is tracked else kind for kind in trace.returned]
        self._updates = _handed_over(self._written.function) if self.listing.after else []
        self.run = self._running()
        self.enter = self._entering()

    @property
    def source(self) -> str:
        """The program as Python that runs on NumPy alone."""
        return self._written.source

    @property
    def given(self) -> dict[str, Any]:
        """What `prepare` of the source is called with: arrays, generators, functions by name."""
        return self._written.given

    # --- whether it may run -------------------------------------------------------------------

    def fits(self, given: Arguments, *, recording: bool) -> bool:
        """Whether arguments and state are of the kind that the program is for."""
        fitting = self.misfit(given, recording=recording) is None
        if fitting:
            for slot in self._slots:
                slot.bring_home()
            self._look()
        return fitting

    def misfit(self, given: Arguments, *, recording: bool) -> str | None:
        """Return what is not of the kind that the program is for, None if everything is."""
        if given.key != self._given or recording != self._recording:
            return given.difference(self._given) or "gradients are switched on or off"
        return other_name(self._names, self._names_now(), self._seen.names) or next(
            (told for told, holds in self._kinds_found() if not holds()), None
        )

    def _kinds_found(self) -> Iterator[tuple[str, Callable[[], bool]]]:
        yield "a setting of a module has changed", self._settings.unchanged
        yield (
            "an option of an optimiser has changed",
            lambda: all(option_kinds(group) == kinds for group, kinds in self._groups),
        )
        yield (
            "a parameter or moment was replaced or frozen, or has taken other steps",
            lambda: (
                all(held.is_as_before() for held in self._held)
                and all(holds(given) for holds, given in self._relied_on)
            ),
        )

    def _look(self) -> None:
        """Take what is found for what the next run should find."""
        self._seen.names = self._names_now()
        self._seen.moments = [slot.owner.moments for slot in self._slots]
        self._seen.version = self._settings.version
        self._seen.time = memory.latest
        if not all((np.abs(array) <= limit).all() for array, limit in self._limits):
            raise Refuted
        _reread(self._groups, self._seen, self._written)

    def _names_now(self) -> list[Any]:
        return [name.now() for name in self._names]

    def _conditions(self, text: Text) -> Iterator[str]:
        """Yield what must hold for the program to run, beside what the arguments are."""
        same = "{} is {}".format
        seen = text.name(self._seen)
        yield f"not {text.name(tracers)}"
        yield f"(now := {text.name(mode.get)}()).recording is {self._recording}"
        yield "not now.observers and not now.retaining"
        for i, (outside, now) in enumerate(zip(self._names, self._seen.names, strict=True)):
            if outside.has_version:
                continue
            is_number = isinstance(now, int | float | str)  # it may become another, equal one
            known = f"{seen}.names[{i}]" if is_number else text.name(now)
            yield outside.holds(text.name, known)
        yield f"{text.name(changes)}.count == {seen}.version"
        if self._limits:
            unwritten = text.name(
                partial(_unwritten, [array for array, _ in self._limits], self._seen)
            )
            yield f"({text.name(memory)}.latest == {seen}.time or {unwritten}())"
        reread = text.name(partial(_reread, self._groups, self._seen, self._written))
        for i, (group, _) in enumerate(self._groups):
            unchanged = same(f"{text.name(group)}.options", f"{seen}.options[{i}]")
            yield f"({unchanged} or {reread}())"
        for i, slot in enumerate(self._slots):
            if "moments" in slot.after:  # every run makes new ones
                yield same(f"{text.name(slot.owner)}.moments", f"{seen}.moments[{i}]")
        for held in self._held:
            for name, was in held.before.items():
                if isinstance(was, Kind):
                    yield f"{text.name(was)}.fits({text.name(held.owner)}.{name})"

    # --- a run --------------------------------------------------------------------------------

    def _running(self) -> Callable[..., Any]:
        text = Text(*self._arrays())
        self._write_run(text, first=True)
        return text.function("run")

    def _arrays(self) -> list[str]:
        return [f"a{i}" for i in range(count_arrays(self._given))]

    def _write_run(self, text: Text, *, first: bool) -> None:
        """Write a run down: the first one after somebody has changed what objects hold, or not."""
        refuted, function = text.name(Refuted), text.name(self._written.function)
        for i, rng in enumerate(self._streams):
            text.line(f"before{i} = {text.name(rng.bit_generator)}.state")
        given = ", ".join(self._argument(text, value) for value in self._written.parameters)
        made = ", ".join(f"r{i}" for i in range(len(self._written.returned)))
        text.line(f"try:\n    {made or '_'} = {function}({given})")
        text.line(f"except ({refuted}, Exception) as error:")  # eager mode knows what to say of it
        if self.listing.arrays_written() and not self.listing.after:
            text.line(f"    if {text.name(_came_late)}(error, {function}):\n        raise")
        for i, rng in enumerate(self._streams):
            text.line(f"    {text.name(rng.bit_generator)}.state = before{i}")
        text.line(f"    raise {refuted} from None")
        self._note_writes(text)
        self._leave(text, first=first)
        text.line(f"return {self._results(text)}")

    def _argument(self, text: Text, value: Value) -> str:
        source = value.source
        if isinstance(source, Input):
            return f"a{source.number}"
        assert isinstance(source, Cell | Option)  # noqa: S101
        index = "" if source.index is None else f"[{source.index}]"
        if isinstance(source, Option):
            return f"{text.name(source.group)}.options.values[{source.name!r}]{index}"
        found = f"{text.name(source.owner)}.{source.attribute}{index}"
        return f"{text.name(array_in)}({found})" if source.attribute == "_grad" else found

    def _note_writes(self, text: Text) -> None:
        """Set the time of what is written."""
        keys = {memory.key_of_block(array) for array in self.listing.arrays_written()}
        if not keys:
            return
        text.line(f"{text.name(memory)}.latest = now = {text.name(clock)}.__next__()")
        for key in keys:
            text.line(f"{text.name(memory.times)}[{key}] = now")
        text.line(f"{text.name(self._seen)}.time = now")

    def _leave(self, text: Text, *, first: bool) -> None:
        """Set what objects hold after a run, in one call with what is written into memory."""
        places = dict(zip(self.traced.after, map(self._place, self._written.after), strict=True))
        changes = [(held.owner, name, text.expression(value, places.__getitem__))
                   for held in self._held for name, value in held.after.items()
                   if name not in OF_GRADIENTS]  # fmt: skip
        updates = self._updates
        if changes or updates:
            owners, names, values = zip(*changes, strict=True) if changes else ((), (), ())
            sets = f"map({text.name(setattr)}, {text.name(owners)}, {text.name(names)}, "
            sets += f"({''.join(f'{value}, ' for value in values)}))"
            calls = f"{text.name(updates)}[0]" if updates else "()"
            text.line(f"{text.name(deque)}({text.name(itertools.chain)}({calls}, {sets}), 0)")
        self._leave_gradients(text, places, first=first)
        for i, slot in enumerate(self._slots):
            if "moments" in slot.after and slot.leaves_its_kind():
                text.line(f"{text.name(self._seen)}.moments[{i}] = {text.name(slot.owner)}.moments")

    def _leave_gradients(self, text: Text, places: Mapping[Value, str], *, first: bool) -> None:
        """Set gradients and their flags; those that are not kept stay so until that changes."""
        lines = [
            f"{text.name(held.owner)}.{name} = {text.expression(value, places.__getitem__)}"
            for held in self._held
            for name, value in held.after.items()
            if name in OF_GRADIENTS and (first or not isinstance(held.after.get("_grad"), NotKept))
        ]
        if lines:
            count = f"{text.name(changes)}.count"
            seen = f"{text.name(self._seen)}.version = " if self._finds_what_it_leaves() else ""
            text.line("\n".join(lines))
            text.line(f"{count} = {seen}{text.name(clock)}.__next__()")

    def _finds_what_it_leaves(self) -> bool:
        """Whether the next run finds gradients as this one leaves them, where that decides."""
        return all(
            isinstance(held.before[name], Kind) or name not in held.after
            for held in self._held
            for name in held.before.keys() & set(OF_GRADIENTS)
        )

    def _place(self, value: Value) -> str:
        """What a value that is returned is called in `run`."""
        return f"r{self._written.returned.index(value)}"

    def _results(self, text: Text) -> str:
        found = zip(map(self._place, self._written.results), self._returned, strict=True)

        def result(_: Value) -> str:
            place, kind = next(found)
            return place if kind is None else f"{text.name(kind)}({place})"

        return text.expression(self.traced.results, result)

    def _entering(self) -> Callable[[tuple[Any, ...]], Any]:
        text = Text("args")
        conditions = [f"len(args) == {len(self._given)}"]
        names = iter(self._arrays())
        for i, key in enumerate(self._given):
            conditions += _of_kind(text, f"args[{i}]", names, key)
        conditions += self._conditions(text)
        missed = text.name(MISSED)
        text.line(f"try:\n    if not ({' and '.join(conditions)}):\n        return {missed}")
        text.line(f"except (AttributeError, ValueError):\n    return {missed}")  # of what is gone
        self._write_run(text, first=False)
        return text.function("enter")


def _of_kind(text: Text, argument: str, names: Iterator[str], key: Any) -> Iterator[str]:
    """Yield the conditions that an argument is of a kind, and name what is calculated with.

    For dicts and the like there is none that would be quick.
    """
    is_pair = isinstance(key, tuple) and len(key) == 2
    if is_pair and isinstance(key[1], tuple) and key[0] is not dict:
        yield f"type({argument}) is {text.name(key[0])} and len({argument}) == {len(key[1])}"
        for i, part in enumerate(key[1]):
            yield from _of_kind(text, f"{argument}[{i}]", names, part)
    elif key == "float":
        name = next(names)
        yield f"type({name} := {argument}) is float"
    elif _is_array(key):
        name, (kind, shape, dtype, layout) = next(names), key
        yield f"type({name} := {argument}) is {text.name(kind)}"
        if kind is Tensor:
            yield f"{name}.op is None and not {name}._requires_grad"
            yield f"(({name} := {name}._value) is not None)"
        yield f"{name}.shape == {shape} and {name}.dtype is {text.name(dtype)}"
        if isinstance(layout, type):
            yield f"type({name}) is {text.name(layout)}"
        else:
            yield f"{name}.strides == {layout}"
    elif isinstance(key, tuple) and len(key) == 2 and key[0] in (int, bool, str, type(None)):
        yield f"type({argument}) is {text.name(key[0])} and {argument} == {key[1]!r}"
    elif isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], Same):
        yield f"{argument} is {text.name(key[1].item)}"
    else:
        yield "False"


def _is_array(key: Any) -> bool:
    """Whether a key is that of an array, from here or elsewhere, or of a tensor."""
    if not isinstance(key, tuple) or len(key) != 4 or not isinstance(key[2], np.dtype):
        return False
    return key[0] in (np.ndarray, Tensor) or isinstance(key[3], type)


def _reread(groups: Sequence[tuple[Any, Any]], seen: SimpleNamespace, written: Written) -> bool:
    """Calculate with options as they are now, if none but the size of numbers is another."""
    if any(option_kinds(group) != kinds for group, kinds in groups):
        return False
    seen.options = [group.options for group, _ in groups]
    options = [value.source for value in written.options]
    written.set_options(*[o.read() for o in options if isinstance(o, Option)])
    return True


def _unwritten(homes: Sequence[Any], seen: SimpleNamespace) -> bool:
    """Whether nobody has written to homes that have limits, since those were looked at."""
    if any(written_at(home) > seen.time for home in homes):
        return False
    seen.time = memory.latest
    return True


def _came_late(error: BaseException, function: Any) -> bool:
    """Whether an error came after the last call of a function: a handler of signals raised it.

    What that call writes is written then, and is not to be written once more.
    """
    calls = [i for i in dis.get_instructions(function) if i.opname.startswith(_CALLS)]
    last = max(call.positions.lineno or 0 for call in calls if call.positions)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is function.__code__:
            return trace.tb_lineno >= last
        trace = trace.tb_next
    return False


def _handed_over(function: Callable[..., Any]) -> list[Any]:
    """Let a program hand over its last call, which is made with others; return where it is put."""
    found: list[Any] = [()]

    def hand_over(calls: Iterator[object], *, maxlen: int) -> None:  # noqa: ARG001
        found[0] = calls

    if "deque" not in function.__globals__:
        return []
    function.__globals__["deque"] = hand_over
    return found

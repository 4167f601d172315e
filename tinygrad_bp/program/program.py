"""A program: a listing that is ready to run, what it needs to find, and what it leaves."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_bp.program.adoption import Held
from tinygrad_bp.program.guards import Arguments, Conditions, Settings, names_of
from tinygrad_bp.program.listing import Cell, Home, Input, Option, Source, Value, mapped, values_in
from tinygrad_bp.program.planning import planned
from tinygrad_bp.program.rewriting import rewritten
from tinygrad_bp.program.tracing import Refuted, Trace
from tinygrad_bp.program.writing import Written, written
from tinygrad_bp.state import clock, memory
from tinygrad_bp.tensor import NotKept, Tensor, wrap

__all__ = ["Program"]


class Program:
    """One program of a step: for arguments and state of one kind."""

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
        if not grads:
            _drop_gradients(self._held, NotKept(getattr(function, "__name__", "step")))
        _drop_unchanged(self._held)
        self.traced.after = list(values_in([held.after for held in self._held]))
        self.listing = planned(rewritten(self.traced))
        self._written: Written = written(self.listing)
        self._given = given.key
        self._recording = recording
        self._tensors = trace.returned
        self._streams = [rng for rng, _ in trace.streams.values()]
        self._options = Options(trace.groups.values(), self._written.parameters)
        self._settings = Settings(
            list(trace.modules.values()), [h.owner for h in self._held if _is_tensor(h.owner)]
        )
        self._names = Conditions()
        names_of(function, self._names)
        self._names_unchanged = self._names.function()
        self._homes = Homes(self._held)
        self._memory = {memory.key_of(array) for array in self._written_arrays()}

    @property
    def source(self) -> str:
        """The program as Python that runs on NumPy alone."""
        return self._written.source

    def _written_arrays(self) -> Iterator[np.ndarray[Any, Any]]:
        targets = [write.target for write in self.listing.writes]
        targets += [s.out for s in self.listing.updates if s.out is not None]
        for target in targets:
            source = (target.base or target).source
            if isinstance(source, Home):
                yield source.array

    # --- whether it may run -------------------------------------------------------------------

    def fits(self, given: Arguments, *, recording: bool) -> bool:
        """Whether arguments and state are of the kind that the program is for."""
        return (
            given.key == self._given
            and recording == self._recording
            and self._names_unchanged()
            and self._settings.unchanged()
            and self._options.unchanged()
            and self._homes.found()
        )

    # --- a run --------------------------------------------------------------------------------

    def run(self, given: Arguments) -> Any:
        """Run it: all effects, or none; raises `Refuted` if a check does not hold."""
        before = [rng.bit_generator.state for rng in self._streams]
        try:
            results, after = self._written.function(*self._options.values(given.arrays))
        except (Refuted, FloatingPointError):
            for rng, was in zip(self._streams, before, strict=True):
                rng.bit_generator.state = was
            raise Refuted from None
        self._leave(after)
        return self._returned(results)

    def _leave(self, after: tuple[Any, ...]) -> None:
        """Set what objects hold after a run, and the time of what was written."""
        memory.latest = now = next(clock)
        memory.times.update(dict.fromkeys(self._memory, now))
        self._homes.leave(dict(zip(self.traced.after, after, strict=True)))

    def _returned(self, results: tuple[Any, ...]) -> Any:
        found, tensors = iter(results), iter(self._tensors)

        def rebuilt(_: Value) -> Any:
            result = next(found)
            return wrap(result) if next(tensors) else result

        return mapped(self.traced.results, rebuilt)


def _drop_unchanged(held: list[Held]) -> None:
    """Leave out moments that stay what they are: arrays are written in their place."""
    for one in held:
        moments = zip(one.after.get("moments", ()), one.before.get("moments", ()), strict=False)
        if all(new is was for new, was in moments):
            one.after.pop("moments", None)


def _is_tensor(owner: Any) -> bool:
    return isinstance(owner, Tensor)


def _drop_gradients(held: list[Held], not_kept: NotKept) -> None:
    """Leave out gradients that a step makes anew and uses up itself."""
    for one in held:
        if one.after.get("_used") and "_grad" in one.after and "_grad" not in one.before:
            one.after["_grad"] = not_kept


class Homes:
    """Where state is, and what objects hold."""

    def __init__(self, held: list[Held]) -> None:
        self._held = held
        self._left: list[Any] = []
        """The moments that were left, as tuples: whoever replaces one of them makes another."""
        conditions = Conditions()
        for one in held:
            for name, was in one.before.items():
                if name == "moments":
                    conditions.add_item(one.owner, ".moments", self._left, len(self._left))
                    self._left.append(one.owner.moments)
                elif name not in one.after:
                    conditions.add(one.owner, f".{name}", was)
        self._moments = [one for one in held if "moments" in one.before]
        self._changing = [one for one in self._moments if "moments" in one.after]
        self._others = [
            (one.owner, name, value)
            for one in held
            for name, value in one.after.items()
            if name != "moments"
        ]
        self._as_left = conditions.function()

    def found(self) -> bool:
        """Whether objects hold what they held, or what a run left."""
        if self._as_left():
            return True
        if not all(map(_found, self._held)):
            return False
        self._left[:] = [one.owner.moments for one in self._moments]
        return self._as_left()

    def leave(self, new: dict[Value, Any]) -> None:
        """Set what objects hold after a run."""
        for owner, name, value in self._others:
            if getattr(owner, name) is not value:
                setattr(owner, name, mapped(value, new))
        for one in self._changing:
            one.owner.moments = mapped(one.after["moments"], new)
        if self._changing:
            kept = all(map(_found, self._changing))
            self._left[:] = [one.owner.moments if kept else None for one in self._moments]


def _found(held: Held) -> bool:
    """Whether an object holds what it held."""
    return all(_alike(getattr(held.owner, name), was) for name, was in held.before.items())


def _alike(now: Any, was: Any) -> bool:
    if isinstance(was, tuple):
        return len(now) == len(was) and all(map(_alike, now, was))
    if isinstance(was, int | float) and not isinstance(was, bool):
        return type(now) is type(was)
    return now is was


class Options:
    """The options of optimisers, and what a program is given of them."""

    def __init__(self, groups: Any, parameters: list[Value]) -> None:
        self._groups = [(group, _kinds(group)) for group in groups]
        self._sources = [value.source for value in parameters]
        self._seen: list[Any] = []
        self._numbers: list[Any] = []
        self.unchanged()

    def unchanged(self) -> bool:
        """Whether all but the size of numbers is what it was; the numbers are read anew."""
        now = [group.options for group, _ in self._groups]
        if len(now) == len(self._seen) and all(map(operator.is_, now, self._seen)):
            return True
        if any(_kinds(group) != kinds for group, kinds in self._groups):
            return False
        self._seen = now
        return True

    def values(self, arrays: list[Any]) -> Iterator[Any]:
        """Yield the values of the parameters."""
        for source in self._sources:
            yield _read(source, arrays)


def _read(source: Source | None, arrays: list[Any]) -> Any:
    if isinstance(source, Input):
        return arrays[source.number]
    assert isinstance(source, Cell | Option)  # noqa: S101
    found = source.read()
    return found._value if isinstance(found, Tensor) else found


def _kinds(group: Any) -> list[Any]:
    """What of a group's options decides how a step goes: all but the size of numbers."""
    return [(name, _kind(value)) for name, value in group.options.values.items()]


def _kind(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_kind(part) for part in value])
    return "number" if isinstance(value, float) and value else (type(value), value)

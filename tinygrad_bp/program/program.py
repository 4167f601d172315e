"""A program: a listing that is ready to run, what it needs to find, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.program.adoption import Held
from tinygrad_bp.program.guards import Arguments, Names, Settings
from tinygrad_bp.program.listing import (
    Input,
    Value,
    mapped,
    values_in,
)
from tinygrad_bp.program.tracing import Refuted, Trace
from tinygrad_bp.program.writing import Written, written
from tinygrad_bp.state import note_write
from tinygrad_bp.tensor import Tensor, wrap

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
        self.listing = trace.listing
        self.proven = False
        self._key = given.key
        self._recording = recording
        self._held = list(trace.adopted.held())
        self._names = Names(function)
        self._settings = Settings(list(trace.modules.values()))
        self._options = [(g, g.options, _kinds(g)) for g in trace.groups.values()]
        self._tensors = trace.returned
        self._written: Written = written(self.listing, self._after())
        self._streams = [rng for rng, _ in trace.streams.values()]

    @property
    def source(self) -> str:
        """The program as Python that runs on NumPy alone."""
        return self._written.source

    def _after(self) -> list[Value]:
        """What objects hold after a run that is calculated."""
        return list(values_in([held.after for held in self._held]))

    # --- whether it may run -------------------------------------------------------------------

    def fits(self, given: Arguments, *, recording: bool) -> bool:
        """Whether arguments and state are of the kind that the program is for."""
        return (
            given.key == self._key
            and recording == self._recording
            and self._names.unchanged()
            and self._settings.unchanged()
            and self._options_unchanged()
            and all(map(_found, self._held))
        )

    def _options_unchanged(self) -> bool:
        for group, seen, kinds in self._options:
            if group.options is not seen and _kinds(group) != kinds:
                return False
        return True

    # --- a run --------------------------------------------------------------------------------

    def run(self, given: Arguments) -> Any:
        """Run it: all effects, or none; raises `Refuted` if a check does not hold."""
        before = [rng.bit_generator.state for rng in self._streams]
        values = [self._read(value.source, given) for value in self._written.parameters]
        try:
            results, after = self._written.function(*values)
        except (Refuted, FloatingPointError):
            for rng, was in zip(self._streams, before, strict=True):
                rng.bit_generator.state = was
            raise Refuted from None
        self._leave(after)
        return self._returned(results)

    def _read(self, source: Any, given: Arguments) -> Any:
        if isinstance(source, Input):
            return given.arrays[source.number]
        found = source.read()
        return found._value if isinstance(found, Tensor) else found

    def _leave(self, after: tuple[Any, ...]) -> None:
        """Set what objects hold after a run."""
        new = dict(zip(self._after(), after, strict=True))
        for write in self.listing.writes:
            note_write(write.target.source.array)  # type: ignore[union-attr]
        for held in self._held:
            for name, value in held.after.items():
                setattr(held.owner, name, mapped(value, new))

    def _returned(self, results: tuple[Any, ...]) -> Any:
        found = iter(results)
        kinds = iter(self._tensors)

        def rebuilt(_: Value) -> Any:
            result = next(found)
            return wrap(result) if next(kinds) else result

        return mapped(self.listing.results, rebuilt)


def _kinds(group: Any) -> list[Any]:
    """What of a group's options decides how a step goes: all but the size of numbers."""
    return [(name, _kind(value)) for name, value in group.options.values.items()]


def _kind(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_kind(part) for part in value])
    return "number" if isinstance(value, float) and value else (type(value), value)


def _found(held: Held) -> bool:
    """Whether an object holds what it held."""
    return all(_alike(getattr(held.owner, name), was) for name, was in held.before.items())


def _alike(now: Any, was: Any) -> bool:
    if isinstance(was, tuple):
        return len(now) == len(was) and all(map(_alike, now, was))
    if isinstance(was, np.ndarray):
        return now is was
    if isinstance(was, bool | int | float):
        return type(now) is type(was) and (not isinstance(was, bool) or now == was)
    return now is was

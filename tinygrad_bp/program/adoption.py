"""State while a step is traced: stand-ins take the places of arrays, and leave again.

A tensor's values stay in their memory (a home) and are written there, unless the step replaces the
array itself, as running means are (a cell). Moments are homes if they are arrays, and cells if they
are numbers. At the end, what an object holds is compared to what it held: that is what a run of the
program writes.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_bp.operands import is_foreign
from tinygrad_bp.program.held import OF_GRADIENTS, Held, Kind, array_in
from tinygrad_bp.program.listing import Cell, Home, Value, Write
from tinygrad_bp.program.stand_in import Traced
from tinygrad_bp.state import address_of, owner_of
from tinygrad_bp.tensor import Tensor

__all__ = ["Adoption", "Kept", "count_references", "of_programs"]

_ALONE = 2  # references to an array that only its tensor holds: that one, and the one that asks
of_programs: dict[int, int] = {}
"""How many references to an array there are in programs, which can do with another one."""

_OF_TENSORS = ("_value", "_grad", "_passes", "_used", "_requires_grad")


@dataclass(eq=False)
class Kept:
    """A tensor, or the slot of a parameter, and what it held before the trace."""

    owner: Any
    before: dict[str, Any]
    stand_ins: dict[str, Any]
    """What it held when the trace began, as the step saw it."""
    cleared: bool = False
    """Whether the step forgets the gradient before it looks at it."""


@dataclass(eq=False)
class Adoption:
    """The objects whose state a trace has read or written."""

    trace: Any
    kept: dict[int, Kept] = field(default_factory=dict)
    homes: dict[Any, Traced] = field(default_factory=dict)
    """What stands for each memory now, by where it is."""
    written: dict[Value, int] = field(default_factory=dict)
    """How often each home was written."""
    seen_at: dict[Value, tuple[Value, int]] = field(default_factory=dict)
    """Which home a value shows, and how often that had been written then."""
    replaced: set[int] = field(default_factory=set)
    references: list[tuple[Tensor, int, int]] = field(default_factory=list)
    """Tensors, the ids of their arrays, and how many references to them there were."""
    showing: dict[Value, list[Kept]] = field(default_factory=dict)
    """The tensors that show each home."""

    # --- coming in ----------------------------------------------------------------------------

    def adopt(self, owner: Any) -> None:
        """Put stand-ins in the places of what an object holds, once."""
        if id(owner) in self.kept:
            return
        if isinstance(owner, Tensor):
            if owner.op is None and not isinstance(owner._value, Traced):
                self._adopt_tensor(owner)
        elif hasattr(owner, "moments"):
            self._adopt_slot(owner)

    def has(self, owner: Any) -> bool:
        """Whether an object was there before the run."""
        return id(owner) in self.kept

    def _adopt_tensor(self, tensor: Tensor) -> None:
        count = sys.getrefcount(tensor._value)
        self.references.append((tensor, id(tensor._value), count))
        alone = count == _ALONE + of_programs.get(id(tensor._value), 0)
        before = {name: getattr(tensor, name) for name in _OF_TENSORS}
        name = tensor.name or ""
        if is_foreign(tensor._value):  # nothing is written there: another array takes its place
            self.replaced.add(id(tensor))
            value = self.trace.stand_in(tensor._value, Cell(tensor, "_value", None, name))
            value.ref.name = name
        else:
            value = self._home(tensor._value, name, alone=alone)
        stand_ins = {**before, "_value": value}
        gradient = array_in(before["_grad"])
        if isinstance(gradient, np.ndarray) or is_foreign(gradient):
            cell = Cell(tensor, "_grad", None, f"gradient of {name}".strip())
            stand_ins["_grad"] = self.trace.stand_in(gradient, cell)
            passes = Cell(tensor, "_passes", None, "")
            stand_ins["_passes"] = self.trace.stand_in(before["_passes"], passes)
        self.kept[id(tensor)] = kept = Kept(tensor, before, stand_ins)  # before all changes
        for attribute, new in stand_ins.items():
            setattr(tensor, attribute, new)
        if isinstance(value, Traced):
            self.showing.setdefault(value.ref, []).append(kept)

    def _adopt_slot(self, slot: Any) -> None:
        before = {"moments": slot.moments}
        found = []
        for i, moment in enumerate(slot.moments):
            if isinstance(moment, np.ndarray):
                found.append(self._home(moment, f"moment {i + 1} of {slot.name}", alone=True))
            elif moment is None or isinstance(moment, bool):
                found.append(moment)
            else:
                found.append(self.trace.stand_in(moment, Cell(slot, "moments", i, "")))
        moments = tuple(found)
        self.kept[id(slot)] = Kept(slot, before, {"moments": moments})
        slot.moments = moments

    def _home(self, array: Any, name: str, *, alone: bool, outside: bool = False) -> Any:
        """What stands for memory now, whoever shows it."""
        if not isinstance(array, np.ndarray):
            return array
        place = _place_of(array)
        known = self.homes.get(place)
        if known is None:
            source = Home(array, name, alone, outside)
            known = self.homes[place] = self.trace.stand_in(array, source)
            known.ref.name = name
            self.written[known.ref] = 0
            self.seen_at[known.ref] = known.ref, 0
            self.trace.concrete[known.ref] = array
        return known

    def outside(self, array: Any) -> Any:
        """What stands for memory around the step now."""
        return self._home(array, "", alone=False, outside=True)

    # --- reading and writing ------------------------------------------------------------------

    def check_current(self, value: Value) -> None:
        """Refuse to read memory that the step has written to since: eager mode would see that."""
        home, count = self.seen_at.get(value.base or value, (None, 0))
        if home is not None and self.written[home] != count:
            self.trace.refuse(
                "an array is read after the memory that it shows was written to. Copy it before "
                "the step of the optimiser, or read the tensor's data anew"
            )

    def forget_gradient(self, tensor: Any) -> None:
        """Learn that a tensor's gradient is forgotten, or set anew."""
        self.adopt(tensor)
        kept = self.kept.get(id(tensor))
        if kept is not None and all(
            getattr(tensor, name) is kept.stand_ins[name] for name in OF_GRADIENTS
        ):
            kept.cleared = True

    def write(self, tensor: Any, value: Any) -> None:
        """Assign values to a tensor, in its memory."""
        self.adopt(tensor)
        kept = self.kept.get(id(tensor))
        if kept is not None and id(tensor) not in self.replaced:
            home = kept.stand_ins["_value"].ref
            self.written[home] += 1
            place = _place_of(home.source.array)
            if self.homes.get(place) is tensor._value:
                self.homes[place] = value
            for other in self.showing[home]:
                if other.owner._value is tensor._value and other.owner is not tensor:
                    other.owner._value = value
        tensor._value = value

    def assign(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of an object that holds state."""
        self.adopt(owner)
        if name == "options":
            self.trace.refuse(
                "options of the optimiser are set within the step. Do it outside, as by "
                "scheduler.step() after the step: every run reads what they are then"
            )
        if name == "_value" and id(owner) not in self.replaced:
            self._replace(owner)
        if name == "_value" and isinstance(value, Traced):
            value = self.trace.as_array(value)
        setattr(owner, name, value)

    def _replace(self, tensor: Any) -> None:
        """Learn that a tensor is given another array: each run reads the one that it has then."""
        self.replaced.add(id(tensor))
        known = self.kept[id(tensor)].stand_ins["_value"]
        del self.homes[_place_of(known.ref.source.array)]
        known.ref.source = Cell(tensor, "_value", None, known.ref.name)

    # --- going out ----------------------------------------------------------------------------

    def writes(self) -> Iterator[Write]:
        """Yield what memory holds after the run that it did not hold before."""
        done = set()
        for was, now in self._in_memory():
            if now is not was and was.ref not in done:
                done.add(was.ref)
                yield Write(was.ref, now.ref)

    def homes_after(self) -> dict[Value, Value]:
        """Return what stands for memory by what is written to it."""
        return {now.ref: was.ref for was, now in self._in_memory()}

    def _in_memory(self) -> Iterator[tuple[Traced, Traced]]:
        """What stands for memory before and after, of all that stays where it is."""
        for kept in self.kept.values():
            if not isinstance(kept.owner, Tensor):
                moments = zip(kept.stand_ins["moments"], kept.owner.moments, strict=True)
                yield from (pair for pair in moments if _is_home(pair[0]))
            elif id(kept.owner) not in self.replaced and _is_home(kept.stand_ins["_value"]):
                yield kept.stand_ins["_value"], kept.owner._value

    def held(self) -> Iterator[Held]:
        """Yield what the objects hold after the run."""
        for kept in self.kept.values():
            after = {}
            for name, was in kept.stand_ins.items():
                now = getattr(kept.owner, name)
                changed = now is not was or (kept.cleared and name in OF_GRADIENTS)
                if changed and (name != "_value" or id(kept.owner) in self.replaced):
                    after[name] = _after(was, now) if name == "moments" else _values(now)
            yield Held(kept.owner, self._decisive(kept), after)

    def _decisive(self, kept: Kept) -> dict[str, Any]:
        """What a run needs to find as it was: not a gradient that it forgets first."""
        found = dict(kept.before)
        if id(kept.owner) in self.replaced:
            found["_value"] = Kind(found["_value"])
        if kept.cleared:
            for name in OF_GRADIENTS:
                del found[name]
        elif isinstance(kept.stand_ins.get("_grad"), Traced):
            found["_grad"] = Kind(array_in(found["_grad"]))
            del found["_passes"]
        return found

    def restore(self) -> None:
        """Put everything back in its place."""
        for kept in self.kept.values():
            for name, value in kept.before.items():
                setattr(kept.owner, name, value)

    def overlapping(self) -> tuple[str, str] | None:
        """Two homes that share memory in part, one of which is written: their names."""
        owned: dict[int, list[tuple[Value, Any]]] = {}
        for known in self.seen_at:
            if isinstance(known.source, Home):
                array = known.source.array
                owned.setdefault(id(owner_of(array)), []).append((known, array))
        for homes in owned.values():
            for (one, a), (other, b) in itertools.combinations(homes, 2):
                if (self.written[one] or self.written[other]) and np.shares_memory(a, b):
                    return one.name, other.name
        return None


def _place_of(array: Any) -> Any:
    return address_of(array), array.shape, array.strides, array.dtype


def _is_home(item: Any) -> bool:
    return isinstance(item, Traced) and isinstance(item.ref.source, Home)


def _after(before: tuple[Any, ...], now: tuple[Any, ...]) -> tuple[Any, ...]:
    """Moments after a run: those that are arrays are written where they are."""
    return tuple(
        [
            was.ref.source.array if _is_home(was) else _values(new)
            for was, new in zip(before, now, strict=True)
        ]
    )


def _values(item: Any) -> Any:
    """What an object holds, with values in the places of stand-ins."""
    item = array_in(item)
    if isinstance(item, Traced):
        return item.ref
    return tuple([_values(part) for part in item]) if isinstance(item, tuple) else item


def count_references(program: object, before: Iterable[tuple[Tensor, Any, int]]) -> None:
    """Note the references to arrays that have come with a program, for as long as it lives.

    `before` has tensors, the ids of their arrays, and how many references there were.
    """
    new = {key: sys.getrefcount(t._value) - n for t, key, n in before if id(t._value) == key}
    for key, n in new.items():
        of_programs[key] = of_programs.get(key, 0) + n
    weakref.finalize(program, _forget_references, new)


def _forget_references(counted: dict[int, int]) -> None:
    for key, n in counted.items():
        of_programs[key] = of_programs.get(key, n) - n
        if not of_programs[key]:
            del of_programs[key]

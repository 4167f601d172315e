"""The names of values: the user's own where they are known, and those of textbooks otherwise.

    x, y           arguments of the step
    W1, b1         weights and biases of layers in a row; layers_0_weight of any other parameters
    h, loss        what a line of the user's step gives a name to
    z1, a1         an affine map, and the activation of it
    dW1, da1       gradients
    t, e, s        what is read soon after it is made, and then no more

Values in one memory have one name, or several: the line that makes the memory has them all.
"""

from __future__ import annotations

import math
import operator
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

import numpy as np

from tinygrad_bp.program.listing import (
    Cell,
    Constant,
    Home,
    Input,
    Listing,
    Option,
    Room,
    Statement,
    Value,
)
from tinygrad_bp.program.writing.identifiers import identifier
from tinygrad_bp.program.writing.sources import SourceNames, of_kept_option
from tinygrad_bp.program.writing.wanted import ACTIVATIONS, wanted_names
from tinygrad_bp.state import address_of

__all__ = ["Names", "roots_of"]

_STEMS: Mapping[Any, str] = {
    np.exp: "e",
    np.sum: "s",
    np.max: "top",
    np.min: "low",
    np.greater: "mask",
    np.isfinite: "finite",
    np.dot: "t",
}
_SUMS = {np.dot, np.vdot, np.add, operator.add}
_ARE_FINITE = {np.isfinite, math.isfinite}
_SHORT = ("t", "u", "v", "w")


def roots_of(listing: Listing) -> dict[Value, Value]:
    """Return, of every value that a statement writes into other memory, what that memory is."""
    roots: dict[Value, Value] = {}
    for statement in (*listing.statements, *listing.updates):
        if statement.out is not None:
            roots[statement.output] = roots.get(statement.out, statement.out)
    return roots


class Names:
    """Which value is called what."""

    def __init__(
        self,
        listing: Listing,
        reserved: Iterable[str],
        hints: Mapping[int, str],
        inlined: Mapping[Value, Statement],
    ) -> None:
        self._listing = listing
        self._inlined = inlined
        self._roots = roots_of(listing)
        self._reserved = frozenset(reserved)
        self._taken = set(reserved)
        self._next: dict[str, int] = {}
        """The next number of a stem."""
        self._names: dict[Value, str] = {}
        self._all: dict[Value, list[str]] = defaultdict(list)
        """The names of each memory."""
        self._wanted = wanted_names(listing)
        self._homes = {
            _place_of(v.source.array): v for v in listing.sources if isinstance(v.source, Home)
        }
        self._moved = {id(move.old): move.new for move in listing.moves}
        self._seen: dict[tuple[Value, Value], Value] = {}
        self._name_sources(hints)
        self._give()

    def of(self, value: Value) -> str:
        """Return the name of a value."""
        return self._names[value]

    def get(self, value: Any) -> str | None:
        """Return the name of a value that may have none."""
        return self._names.get(self.current(value)) if isinstance(value, Value) else None

    def current(self, value: Value) -> Value:
        """Return what stands for a home that has become a part of a vector, or the value itself."""
        if value in self._names or not isinstance(value.source, Home):
            return value
        array = self._moved.get(id(value.source.array), value.source.array)
        return self._homes.get(_place_of(array), value)

    def _root(self, value: Value) -> Value:
        """The memory that a value is written into; the value itself if that is made anew."""
        return self._roots.get(value, value)

    def of_memory(self, value: Value) -> list[str]:
        """Return all names of what is made, in the order in which they come up."""
        return self._all[self._root(value)]

    def seen_by(self, view: Value, memory: Value) -> Value:
        """Return what stood in memory where the step looked at it."""
        return self._seen.get((view, memory), memory)

    def new(self, wanted: str) -> str:
        """Return a name that nothing else has."""
        name = identifier(wanted) or "t"
        if name in self._reserved:
            name = f"{name}_"
        if name not in self._taken:
            self._taken.add(name)
            return name
        return self._numbered(name, 2)

    def _numbered(self, stem: str, start: int) -> str:
        stem += "_" * stem[-1:].isdigit()
        for number in count(self._next.get(stem, start)):
            name = f"{stem}{number}"
            if name not in self._taken:
                break
        self._next[stem] = number + 1
        self._taken.add(name)
        return name

    # --- what no statement makes --------------------------------------------------------------

    def _name_sources(self, hints: Mapping[int, str]) -> None:
        read = {v for s in self._listing.statements for v in s.inputs()}
        read |= {v for s in self._listing.updates for v in (*s.inputs(), s.out) if v is not None}
        read |= {s.out for s in self._listing.statements if s.out is not None}
        read |= set(self._listing.needed())
        sources = [v for v in self._listing.sources if v in read or isinstance(v.source, Input)]
        names = SourceNames(sources, hints)
        for kind in (Input, Home, Option, Cell, Constant):
            for value in sources:
                if isinstance(value.source, kind):
                    self._set(value, self.new(names.of(value)))

    def _set(self, value: Value, name: str) -> None:
        self._names[value] = name
        names = self._all[self._root(value)]
        if name not in names:
            names.append(name)

    # --- names for all ------------------------------------------------------------------------

    def _give(self) -> None:
        for statement in self._listing.updates:
            root = self._root(statement.output)
            self._names[statement.output] = self._names.get(root, "t")
        for statement in self._listing.statements:
            for value in statement.outputs:
                if value in self._wanted:
                    self._set(value, self._new_like(self._wanted[value]))
        for statement in self._listing.statements:
            for value in statement.outputs:
                self._want_gradient(value)
        self._give_short_names()

    def _new_like(self, wanted: str) -> str:
        if wanted == "h":
            return self._numbered("h", 1)
        return self.new(wanted)

    def _want_gradient(self, value: Value) -> None:
        of = value.gradient_of
        if of is None or value in self._names:
            return
        name = self.get(of)
        if name is not None:
            self._set(value, self.new(f"d{name}"))

    def _name_views(self) -> None:
        """Name what is made once: transposes, and other views, by what they show."""
        now: dict[Value, Value] = {}
        for statement in self._listing.statements:
            if statement.when == "once" and len(statement.outputs) == 1:
                for value in statement.inputs():
                    self._seen[statement.output, value] = now.get(value, value)
                self._name_view(statement)
            for value in statement.outputs:
                now[self._root(value)] = value

    def _name_view(self, statement: Statement) -> None:
        view, first = statement.output, next(statement.inputs(), None)
        seen = self._names.get(self.seen_by(view, first)) if first is not None else None
        if view in self._inlined or self._all[view] or view in self._names or seen is None:
            return
        if statement.function in (np.transpose, np.swapaxes):
            self._set(view, self.new(f"{seen}T"))
        elif statement.function is np.reshape and len(view.shape) == 1:
            self._set(view, self.new(f"flat_{seen}"))

    def _name_vectors(self) -> None:
        """Name vectors of gradients, whose parts have names."""
        for statement in self._listing.statements:
            whole = next(statement.inputs(), None)
            if statement.when != "once" or whole is None or not isinstance(whole.source, Room):
                continue
            part = self._all.get(statement.output) or [""]
            if not self._all[whole] and part[0].startswith("d"):
                self._set(whole, self.new("dp"))

    def _name_squares(self) -> None:
        """Name the sum of squares that is finite where all new values are."""
        conditions = {check.condition for check in self._listing.checks}
        tested = {
            value
            for statement in self._listing.statements
            if statement.function in _ARE_FINITE and conditions.intersection(statement.outputs)
            for value in statement.inputs()
        }
        for statement in self._listing.statements:
            if statement.place.phase == "update" and statement.function in _SUMS:
                for value in tested.intersection(statement.outputs) - self._names.keys():
                    self._set(value, self.new("squares"))

    def _name_options(self) -> None:
        """Name the arrays that options are kept in."""
        for statement in self._listing.statements:
            option = next(statement.inputs(), None)
            if statement.when == "options" and statement.out and option is not None:
                name = of_kept_option(option)
                if not self._all[self._roots[statement.output]]:
                    self._set(statement.output, self.new(name))

    def _name_writes(self) -> None:
        for write in self._listing.writes:
            value = write.value
            if isinstance(value, Value) and value not in self._names:
                self._set(value, self.new(f"new_{self._names[write.target]}"))

    def _give_short_names(self) -> None:
        """Name what is left: by what is made of it in the same memory, or for a short time."""
        self._borrow()
        self._name_options()
        self._name_squares()
        self._name_writes()
        self._name_views()
        self._name_vectors()
        self._name_the_rest()
        self._name_rooms()
        self._in_order()

    def _name_the_rest(self) -> None:
        ends = self._ends()
        free_at: dict[int, list[str]] = defaultdict(list)
        free: list[str] = []
        shared: dict[tuple[Value, int], str] = {}
        for i, statement in enumerate(self._listing.statements):
            free += free_at.pop(i, [])
            for value in statement.outputs:
                if value not in self._names and value not in self._inlined:
                    root = self._root(value)
                    name = self._lasting(value, statement, shared)
                    if name is None:
                        name = self._short(statement, free)
                        free_at[max(ends.get(root, i), i + 1)].append(name)
                    self._set(value, name)
                self._share(shared, value, statement)

    def _lasting(
        self, value: Value, statement: Statement, shared: Mapping[tuple[Value, int], str]
    ) -> str | None:
        """A name that nothing else has later on; None if one for a short time will do."""
        root = self._root(value)
        known = shared.get((root, statement.place.number))
        if value is root and self._all[root]:
            return self._all[root][0]
        if known is not None:
            return known
        if self._all[root] or root.source is not None or statement.when != "run":
            return self.new(self._stem(statement))
        return None

    def _name_rooms(self) -> None:
        for value in self._listing.sources:
            if isinstance(value.source, Room):
                names = self._all[value] or [self.new(value.name or "t")]
                self._all[value] = names
                self._names[value] = names[0]

    def _share(
        self, shared: dict[tuple[Value, int], str], value: Value, statement: Statement
    ) -> None:
        """Note that what the rule makes in the same memory, from here on, has the same name."""
        if value in self._names:
            shared[self._root(value), statement.place.number] = self._names[value]

    def _in_order(self) -> None:
        """Put the names of each memory into the order in which they come up."""
        found: dict[Value, dict[str, None]] = defaultdict(dict)
        for statement in self._listing.statements:
            for value in (*statement.inputs(), *statement.outputs):
                if value in self._names:
                    found[self._root(value)][self._names[value]] = None
        for root, names in found.items():
            self._all[root] = [*names]
            if isinstance(root.source, Room):
                self._names[root] = self._all[root][0]

    def _borrow(self) -> None:
        """Give values the name of what the same memory comes to in the same rule."""
        groups: dict[tuple[Value, int], list[Value]] = defaultdict(list)
        for statement in self._listing.statements:
            for value in statement.outputs:
                root = self._root(value)
                groups[root, statement.place.number].append(value)
        for values in groups.values():
            name = None
            for value in reversed(values):
                name = self._names.get(value, name)
                if name is not None and value not in self._names:
                    self._names[value] = name

    def _ends(self) -> dict[Value, int]:
        """After which statement each memory is read no more."""
        ends: dict[Value, int] = {}
        statements = self._listing.statements
        for i, statement in enumerate(statements):
            for value in (*statement.inputs(), *statement.outputs):
                ends[self._root(value)] = i
        for update in self._listing.updates:
            for value in update.inputs():
                ends[self._root(value)] = len(statements) + 1
        for value in self._listing.needed():
            ends[self._root(value)] = len(statements) + 1
        for value, statement in reversed([*self._inlined.items()]):  # it is read where it stands
            for read in statement.inputs():
                root = self._root(read)
                ends[root] = max(ends[root], ends[value])
        return ends

    def _stem(self, statement: Statement) -> str:
        if statement.out in self._names and statement.place.phase == "update":
            return "move"  # by which parameters move
        if statement.place.phase == "backward" and statement.place.title in ACTIVATIONS:
            return _STEMS.get(statement.function, "slope")
        return _STEMS.get(statement.function, "t")

    def _short(self, statement: Statement, free: list[str]) -> str:
        stem = self._stem(statement)
        like = [name for name in free if name == stem or re.fullmatch(rf"{stem}\d+", name)]
        if stem == "t":
            like += [name for name in free if name in _SHORT]
        if like:
            free.remove(like[0])
            return like[0]
        if stem == "t":
            for name in _SHORT:
                if name not in self._taken:
                    self._taken.add(name)
                    return name
        return self.new(stem)


def _place_of(array: Any) -> tuple[Any, ...]:
    return address_of(array), array.shape, array.dtype

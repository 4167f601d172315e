"""A program as a list of statements: what a trace leaves, and what every pass reads and writes.

    Statement   one call of a function: z = add(a, b)
    Value       what a statement reads or makes: an array or a number that each run has anew
    Source      where a value comes from that no statement makes
    Listing     all of them, in order, with what a run checks, writes and returns

The order of a run is that of the listing: statements, then all checks, then updates and writes, and
what objects hold afterwards. So nothing is written if a check fails.

What planning adds, and what a text of the listing has to know:

- A statement with `out` writes its result there: `call` has the arguments. Its output is one more
  name for the memory of `out`, a `Room` or a part of one; several outputs may share one `out`, one
  after the other.
- A statement with `when="once"` happens when the program is made: a view of fixed memory, or part
  of one. With `when="options"`, it happens then and whenever an option has changed; where it has
  `out`, an array without axes, its result is assigned there: `out[...] = function(...)`. Only what
  has `out` is read by other statements of a run.
- `updates` are calls of ufuncs that write into homes, or into rooms for one another. They and the
  `writes` are one stroke: one call of C code, as by `deque(starmap(call, ...), maxlen=0)`, in which
  no signal is handled. A lone call of a ufunc is one already. If one of them is `quiet`, so is the
  whole stroke.
- A home may show a part of a vector, another home: that is its `base` then.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from tinygrad_bp.engine import Site
from tinygrad_bp.program.aligned import aligned
from tinygrad_bp.registry import implementation_of
from tinygrad_bp.rules.indexing import getitem

__all__ = [
    "Applied",
    "Bytes",
    "Cell",
    "Check",
    "Constant",
    "Function",
    "Home",
    "Input",
    "Listing",
    "Move",
    "Option",
    "Place",
    "Room",
    "Source",
    "Statement",
    "Value",
    "When",
    "Write",
    "mapped",
    "subscript",
    "values_in",
]

Function: TypeAlias = Callable[..., Any]


subscript: Any = implementation_of(getitem)
"""What takes a part of an array in a listing: `subscript(x, index)`."""

When: TypeAlias = Literal["run", "options", "once"]


@dataclass(frozen=True)
class Input:
    """An argument of the step, by its number among all arrays in the arguments."""

    number: int
    name: str


@dataclass(frozen=True, eq=False)
class Home:
    """An array that stays where it is, read and written there: a parameter, or a user's array."""

    array: np.ndarray[Any, Any]
    name: str
    alone: bool = False
    """Whether nobody but its tensor holds the array, so that it may be moved."""
    outside: bool = False
    """Whether it is an array around the step, to which anybody may write, and no tensor's."""


@dataclass(frozen=True, eq=False)
class Cell:
    """What an object holds in an attribute, or at a place of a tuple there: replaced, not written.

    Such are moments, running means, counts of steps.
    """

    owner: Any
    attribute: str
    index: int | None
    name: str

    def read(self) -> Any:
        """Return what is there now."""
        found = getattr(self.owner, self.attribute)
        return found if self.index is None else found[self.index]


@dataclass(frozen=True, eq=False)
class Option:
    """A number among the options of a group of parameters, such as the learning rate."""

    group: Any
    name: str
    index: int | None = None

    def read(self) -> Any:
        """Return what it is now."""
        found = self.group.options.values[self.name]
        return found if self.index is None else found[self.index]


@dataclass(frozen=True, eq=False)
class Constant:
    """An array or number that every run has in common."""

    value: Any


@dataclass(eq=False)
class Bytes:
    """A piece of memory of so many bytes, made when it is first asked for."""

    nbytes: int

    @functools.cached_property
    def array(self) -> np.ndarray[Any, Any]:
        """The bytes."""
        return aligned(self.nbytes, np.uint8)


@dataclass(eq=False)
class Room:
    """Memory of the program's own, made once, that every run writes into.

    Rooms that are not needed at the same time may lie in the same `memory`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...]
    memory: Bytes | None = None
    offset: int = 0
    lasting: bool = False
    """Whether it is written less often than it is read: it shares its memory with no other."""

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        return int(np.prod(self.shape, dtype=int)) * self.dtype.itemsize

    @functools.cached_property
    def array(self) -> np.ndarray[Any, Any]:
        """The memory as an array."""
        memory = (self.memory or Bytes(self.nbytes)).array
        return np.ndarray(self.shape, self.dtype, memory, self.offset, self.strides)

    def forget(self) -> None:
        """Let go of the array: the text of a program makes its own."""
        for owner in (self, self.memory):
            vars(owner).pop("array", None) if owner is not None else None


Source: TypeAlias = Input | Home | Cell | Option | Constant | Room


@dataclass(eq=False, slots=True)
class Value:
    """What a statement reads or makes.

    `dtype` is None for a number of Python's, which takes the dtype of what it meets. `strides` are
    those of the run that was traced. A view shows the memory of `base`, itself no view.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    strides: tuple[int, ...] = ()
    source: Source | None = None
    """Where it comes from; None for what a statement makes."""
    base: Value | None = None
    name: str = ""
    """What the user calls it, where that is known."""
    gradient_of: Value | None = None
    """What it is the gradient of, where that is known."""

    @property
    def is_number(self) -> bool:
        """Whether it is a number of Python's."""
        return self.dtype is None

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def nbytes(self) -> int:
        """How many bytes the elements take."""
        return 0 if self.dtype is None else self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        kind = "number" if self.dtype is None else f"{self.shape} {self.dtype}"
        made = "" if self.source is None else f" {type(self.source).__name__}"
        return f"<{self.name or 'value'}: {kind}{made}>"


@dataclass(frozen=True)
class Place:
    """Where a statement belongs: the rule that it is part of, and the line of the user."""

    phase: str = "forward"
    """One of "forward", "backward" and "update"."""
    title: str = ""
    """What is done there, such as "sigmoid"."""
    number: int = 0
    """Tells applications of one rule apart."""
    site: Site | None = None


@dataclass(frozen=True, eq=False)
class Applied:
    """What a rule was applied to, and what came out, at a place of some number."""

    arguments: tuple[Any, ...]
    results: tuple[Any, ...]


_OUT_BY_POSITION = {np.dot}
_OUT_BY_NAME = {np.maximum, np.minimum}


@dataclass(eq=False)
class Statement:
    """One call: `outputs = function(*args, **kwargs)`.

    Values stand in the arguments, in lists and tuples there too. `several` says that the function
    gives a tuple. `quiet` is what the statement is to ignore of floating-point errors, such as
    ("over",). `out` is where the result is written, if it is not made anew; planning decides.
    """

    function: Function
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Value, ...]
    several: bool = False
    quiet: tuple[str, ...] = ()
    draws: bool = False
    """Whether it draws from a random stream: it stays where it is, and happens once a run."""
    place: Place = Place()
    out: Value | None = None
    when: When = "run"
    """In each run; "once", when the program is made; or "options", whenever an option changes."""

    @property
    def output(self) -> Value:
        """The only output."""
        (output,) = self.outputs
        return output

    def call(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the call, with `out` in its place.

        By position is quicker than by name; but a third one of maximum is deprecated.
        """
        if self.out is None or self.when == "options":
            return self.args, self.kwargs
        if self.function is np.copyto:
            return (self.out, *self.args), self.kwargs
        if self.function in _OUT_BY_POSITION or (
            isinstance(self.function, np.ufunc) and self.function not in _OUT_BY_NAME
        ):
            return (*self.args, self.out), self.kwargs
        return self.args, {**self.kwargs, "out": self.out}

    def inputs(self) -> Iterator[Value]:
        """Yield every value that is read, as often as it is."""
        yield from values_in(self.args)
        yield from values_in(self.kwargs)

    def with_values(self, change: Mapping[Value, Any]) -> Statement:
        """Return the statement with some of the values that it reads replaced."""
        return dataclasses.replace(
            self, args=mapped(self.args, change), kwargs=mapped(self.kwargs, change)
        )

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"{self.outputs} = {name}({self.args}, {self.kwargs})"


@dataclass(frozen=True, eq=False)
class Check:
    """A condition that holds in every run: where it does not, the step is to be run eagerly."""

    condition: Value
    expected: bool = True
    place: Place = Place()


@dataclass(frozen=True, eq=False)
class Write:
    """What is assigned at the end of a run: a value, to memory that stays or to a cell."""

    target: Value
    """Its source is a Home or a Cell."""
    value: Any
    """A Value, or anything that is not calculated."""


@dataclass(frozen=True, eq=False)
class Move:
    """An array that planning has laid into a vector: who holds the old one is to hold the new."""

    old: np.ndarray[Any, Any]
    new: np.ndarray[Any, Any]


@dataclass(eq=False)
class Listing:
    """A whole program."""

    statements: list[Statement] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    updates: list[Statement] = field(default_factory=list)
    """Statements after the checks, which write into homes: all in one stroke."""
    writes: list[Write] = field(default_factory=list)
    after: list[Value] = field(default_factory=list)
    """What objects hold after a run: arrays and numbers of their own, new in each run."""
    results: Any = None
    """What the step returns: values in tuples, lists and dicts, or anything else as it is."""
    sources: list[Value] = field(default_factory=list)
    """Every value that no statement makes, constants too."""
    streams: list[tuple[Any, Any]] = field(default_factory=list)
    """Random generators that are drawn from, and their states before that."""
    limits: dict[Value, float] = field(default_factory=dict)
    """How large, in size, the numbers in homes may be before a run, for its checks to be enough."""
    applied: dict[int, Applied] = field(default_factory=dict)
    """What is known of the rules that statements are parts of, by the numbers of their places."""
    elsewhere: bool = False
    """Whether there are arrays of another library among those that a run is about."""
    moves: list[Move] = field(default_factory=list)
    """What is to be done before the first run: `new[...] = old`, and the new ones held."""

    def arrays_written(self) -> list[np.ndarray[Any, Any]]:
        """Return the arrays that a run writes into and that others may see."""
        targets = [write.target for write in self.writes]
        targets += [update.out for update in self.updates if update.out is not None]
        return self.arrays_of(targets)

    def arrays_of(self, homes: Iterable[Value]) -> list[np.ndarray[Any, Any]]:
        """Return the arrays of homes, and of all that are parts of the same vectors."""
        roots = {home.base or home for home in homes}
        return [
            value.source.array
            for value in self.sources
            if isinstance(value.source, Home) and (value in roots or value.base in roots)
        ]

    def arrays_with_limits(self) -> list[tuple[np.ndarray[Any, Any], float]]:
        """Return the arrays whose numbers have limits, with those."""
        roots: dict[Value, float] = {}
        for home, limit in self.limits.items():
            root = home.base or home
            roots[root] = min(limit, roots.get(root, limit))
        return [
            (value.source.array, roots[root])
            for value in self.sources
            for root in (value, value.base)
            if isinstance(value.source, Home) and root in roots
        ]

    def made_by(self) -> dict[Value, Statement]:
        """Return which statement makes each value."""
        return {output: s for s in self.statements for output in s.outputs}

    def needed(self) -> list[Value]:
        """Return the values that are read when all statements are done."""
        return [
            *(check.condition for check in self.checks),
            *values_in([write.value for write in self.writes]),
            *(write.target for write in self.writes),
            *self.after,
            *values_in(self.results),
        ]


def values_in(item: Any) -> Iterator[Value]:
    """Yield the values in nested tuples, lists, dicts and slices."""
    if isinstance(item, Value):
        yield item
    elif isinstance(item, list | tuple):
        for part in item:
            yield from values_in(part)
    elif isinstance(item, dict):
        for part in item.values():
            yield from values_in(part)
    elif isinstance(item, slice):
        yield from values_in((item.start, item.stop, item.step))


def mapped(item: Any, change: Mapping[Value, Any] | Callable[[Value], Any]) -> Any:
    """Return nested tuples, lists and dicts with their values replaced."""
    if isinstance(item, Value):
        return change.get(item, item) if isinstance(change, Mapping) else change(item)
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return type(item)(*[mapped(part, change) for part in item])
    if isinstance(item, list | tuple):
        return type(item)([mapped(part, change) for part in item])
    if isinstance(item, dict):
        return {key: mapped(part, change) for key, part in item.items()}
    return item

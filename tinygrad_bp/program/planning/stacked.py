"""The same arithmetic on several small arrays is one call on all of them. The same bits.

A call on 200 numbers takes as long as one on ten: what it costs is the call. So a (1 - a) of all
layers of a small net is one product, where the activations of all layers are parts of one vector.
That costs nothing where each of them can be written into its part from the start, as `flat_results`
sees to; only such arrays are taken together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

import numpy as np

from tinygrad_bp.program.listing import Listing, Statement, Value, subscript
from tinygrad_bp.program.planning.in_place import is_elementwise
from tinygrad_bp.program.planning.memory import Memory, kept
from tinygrad_bp.program.planning.out import takes_out
from tinygrad_bp.program.planning.replacing import replaced
from tinygrad_bp.program.planning.vectors import before_reshape, joined_vectors
from tinygrad_bp.program.strides import is_usual, new_value

__all__ = ["stacked"]

MOST = 2048
"""Elements of an array up to which a call takes longer than its arithmetic."""

RECENT = 8
"""Groups of one kind that a call may belong to; of all, it would take quadratic time to find it."""

DEEPEST = 4
"""Calls, each on the result of the one before, that are looked for."""


def stacked(listing: Listing) -> Listing:
    """Return a listing in which equal calls on small arrays are one."""
    for _ in range(DEEPEST):
        found = _stacked_once(listing)
        if found is listing:
            break
        listing = found  # calls on what are parts now may be one, too
    return listing


def _stacked_once(listing: Listing) -> Listing:
    stacks = _Stacks(listing)
    groups = [group for group in stacks.groups() if len(group) > 1]
    statements = []
    for i, statement in enumerate(listing.statements):
        for group in groups:
            if group[0] == i and (new := stacks.taken_together(group)):
                statements += new
        if i not in stacks.gone:
            statements.append(statement)
    if not stacks.gone:
        return listing
    return replaced(listing, statements, stacks.change)


class _Stacks:
    """Which statements are one, and which values are parts of vectors."""

    def __init__(self, listing: Listing) -> None:
        self.statements = listing.statements
        self.gone: set[int] = set()
        self.change: dict[Value, Value] = {}
        self._position = {v: i for i, s in enumerate(listing.statements) for v in s.outputs}
        self._made_by = listing.made_by()
        memory = Memory(listing)
        self._handed_out = set(map(memory.owner, kept(listing)))
        self._vectors = {**dict(self._joins()), **dict(self._cuts())}
        """The vector that some values are the parts of, in their order."""
        self._taken = {value for column in self._vectors for value in column}

    def _joins(self) -> Iterator[tuple[tuple[Value, ...], Value]]:
        """Yield what is joined already."""
        for statement in self.statements:
            if parts := joined_vectors(statement):
                whole = tuple([before_reshape(part, self._made_by) for part in parts])
                yield whole, statement.outputs[0]

    def _cuts(self) -> Iterator[tuple[tuple[Value, ...], Value]]:
        """Yield the parts of what is cut from end to end."""
        found: dict[Value, list[tuple[int, Value]]] = {}
        for statement in self.statements:
            cut = self._made_by.get(statement.args[0]) if _reshapes(statement) else None
            if cut is not None and cut.function is subscript and isinstance(cut.args[1], slice):
                start = cut.args[1].start or 0
                found.setdefault(cut.args[0], []).append((start, statement.output))
        for whole, parts in found.items():
            ordered = [part for _, part in sorted(parts, key=lambda each: each[0])]
            starts = accumulate((part.size for part in ordered), initial=0)
            if [*starts] == [*sorted(start for start, _ in parts), whole.size]:
                yield tuple(ordered), whole

    def groups(self) -> list[list[int]]:
        """Return statements that could be one, in the place of the first of them."""
        alike: dict[object, list[list[int]]] = {}
        for i, statement in enumerate(self.statements):
            key = _kind(statement)
            if key is None:
                continue
            ready = max(self._position.get(v, -1) for v in _arrays(statement))
            found = alike.setdefault(key, [])
            group = next((group for group in found[-RECENT:] if ready < group[0]), None)
            if group is None:
                found.append([i])
            else:
                group.append(i)
        return [group for found in alike.values() for group in found]

    def taken_together(self, group: Sequence[int]) -> list[Statement]:
        """Return one statement for several, with its arguments and parts; nothing if that costs."""
        members = [self.statements[i] for i in group]
        columns = list(zip(*[s.args for s in members], strict=True))
        vectors = [c for c in columns if _is_array(c[0])]
        if not all(self._is_free(column, group[0]) for column in vectors):
            return []
        first = members[0]
        new: list[Statement] = []
        args = [self._joined(c, first, new) if _is_array(c[0]) else c[0] for c in columns]
        size = sum(s.output.size for s in members)
        whole = new_value((size,), first.output.dtype)
        new.append(dataclasses.replace(first, args=tuple(args), outputs=(whole,)))
        new += self._parts(whole, [s.output for s in members], first)
        self._vectors[tuple(s.output for s in members)] = whole
        self.gone.update(group)
        return new

    def _is_free(self, column: tuple[Value, ...], at: int) -> bool:
        """Whether values are the parts of one vector by then, or can be written into one."""
        if column in self._vectors:
            return self._position.get(self._vectors[column], -1) < at
        return len(set(column)) == len(column) and all(map(self._can_be_written, column))

    def _can_be_written(self, value: Value) -> bool:
        made = self._position.get(value)
        if made is None or made in self.gone or value in self._taken or value in self._handed_out:
            return False
        return takes_out(self._made_by[value]) and is_usual(value)

    def _joined(self, column: tuple[Value, ...], like: Statement, new: list[Statement]) -> Value:
        if column in self._vectors:
            return self._vectors[column]
        flat = [_flat(value, like, new) for value in column]
        whole = new_value((sum(value.size for value in column),), column[0].dtype)
        whole.name = "a"  # the activations of all layers, most often
        new.append(Statement(np.concatenate, (flat,), {}, (whole,), place=like.place))
        self._vectors[column] = whole
        self._taken.update(column)
        return whole

    def _parts(self, whole: Value, like: Sequence[Value], of: Statement) -> Iterator[Statement]:
        """Cut a vector into the values that it stands for."""
        ends = accumulate((value.size for value in like), initial=0)
        for old, (start, end) in zip(like, pairwise(ends), strict=True):
            piece = Value((end - start,), whole.dtype, whole.strides, base=whole)
            part = dataclasses.replace(old, base=whole)
            self.change[old] = part
            yield Statement(subscript, (whole, slice(start, end)), {}, (piece,), place=of.place)
            yield Statement(np.reshape, (piece, old.shape), {}, (part,), place=of.place)


def _reshapes(statement: Statement) -> bool:
    return statement.function is np.reshape and isinstance(statement.args[0], Value)


def _kind(statement: Statement) -> object:
    """What statements have in common that can be one, None for those that cannot."""
    if statement.when != "run" or statement.quiet or statement.kwargs or statement.draws:
        return None
    if statement.several or not is_elementwise(statement):
        return None
    output = statement.output
    if output.dtype is None or not 0 < output.size <= MOST or not is_usual(output):
        return None
    arrays = list(_arrays(statement))
    if not arrays or not all(
        a.shape == output.shape and a.dtype == output.dtype and a.strides == output.strides
        for a in arrays
    ):
        return None
    others = tuple([None if _is_array(a) else _other(a) for a in statement.args])
    return statement.function, output.dtype, others


def _other(item: object) -> object:
    """What an argument without axes must be alike in: a value by identity, a number by itself."""
    return item if isinstance(item, Value) else (type(item), item)


def _is_array(item: object) -> bool:
    return isinstance(item, Value) and item.shape != ()


def _arrays(statement: Statement) -> Iterable[Value]:
    return [a for a in statement.args if _is_array(a)]


def _flat(value: Value, like: Statement, new: list[Statement]) -> Value:
    """A value laid flat, by a statement unless it is so already."""
    if len(value.shape) == 1:
        return value
    flat = new_value((value.size,), value.dtype, base=value)
    new.append(Statement(np.reshape, (value, -1), {}, (flat,), place=like.place))
    return flat

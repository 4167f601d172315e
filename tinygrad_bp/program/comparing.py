"""Two traces of a step: whether they are one program, and if not, which line differs."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.calls import name_of
from tinygrad_bp.errors import ProgramError
from tinygrad_bp.operands import is_foreign
from tinygrad_bp.program.listing import Constant, Home, Listing, Place, Statement, Value
from tinygrad_bp.state import address_of

__all__ = ["decide_otherwise", "difference", "same"]


def difference(one: Listing, other: Listing) -> ProgramError | None:
    """Return the error that names the line where two traces differ, None if they do not."""
    for (rng, before), (another, its) in zip(one.streams, other.streams, strict=False):
        if rng is not another and same(before, its):
            return ProgramError(
                "the step makes a random generator with a seed, and draws the same in every call; "
                "a program would go on with one. Make it outside of the step."
            )
    pairs = _Pairs()
    for a, b in zip(one.statements, other.statements, strict=False):
        if not pairs.alike(a, b):
            return _unlike(a, b)
    if len(one.statements) != len(other.statements):
        longer = max(one.statements, other.statements, key=len)
        extra = longer[min(len(one.statements), len(other.statements))]
        return _error("calls", extra.place, f"{name_of(extra.function)} was called in one of them")
    if not pairs.same([c.condition for c in one.checks], [c.condition for c in other.checks]):
        return _error("conditions", Place(), "")
    if not pairs.same(one.results, other.results):
        return _error("results", Place(), "")
    return None


def decide_otherwise(one: Listing, other: Listing) -> bool:
    """Return whether traces part because a check of the library's own went the other way.

    Labels that are ignored, or padding, are in some batches and not in others: both are right.
    """
    pairs = _Pairs()
    for a, b in zip(one.statements, other.statements, strict=False):
        if not pairs.alike(a, b):
            break
    for mine, its in zip(one.checks, other.checks, strict=False):
        if not pairs.same(mine.condition, its.condition):
            return False
        if mine.expected != its.expected:
            return True
    return False


def same(a: Any, b: Any) -> bool:
    """Return whether nested items are the same, to the bit.

    >>> same({"key": np.ones(2)}, {"key": np.ones(2)})
    True
    """
    return _Pairs().same(a, b)


class _Pairs:
    """Which value of one trace is which of the other."""

    def __init__(self) -> None:
        self._twin: dict[Value, Value] = {}

    def alike(self, a: Statement, b: Statement) -> bool:
        """Whether two statements do the same, and note what they make."""
        if a.function != b.function and not _draw_alike(a, b):
            return False
        if not self.same(a.args, b.args) or not self.same(a.kwargs, b.kwargs):
            return False
        if len(a.outputs) != len(b.outputs):
            return False
        self._twin.update(zip(a.outputs, b.outputs, strict=True))
        return all(
            x.shape == y.shape and x.dtype == y.dtype
            for x, y in zip(a.outputs, b.outputs, strict=True)
        )

    def same(self, a: Any, b: Any) -> bool:
        """Whether arguments are the same: constants to the bit."""
        if isinstance(a, Value):
            return isinstance(b, Value) and self._same_value(a, b)
        if type(a) is not type(b):
            return False
        if isinstance(a, list | tuple):
            return len(a) == len(b) and all(map(self.same, a, b))
        if isinstance(a, dict):
            return a.keys() == b.keys() and all(self.same(a[k], b[k]) for k in a)
        if isinstance(a, slice):
            return self.same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
        return a is b or _same_item(a, b)

    def _same_value(self, a: Value, b: Value) -> bool:
        if a.source is None:
            return self._twin.get(a) is b
        if type(a.source) is not type(b.source):
            return False
        if isinstance(a.source, Constant) and isinstance(b.source, Constant):
            return _same_bits(a.source.value, b.source.value)
        if isinstance(a.source, Home) and isinstance(b.source, Home) and a.source.outside:
            return _same_place(a.source.array, b.source.array)
        return self._twin.setdefault(a, b) is b


def _draw_alike(a: Statement, b: Statement) -> bool:
    """Whether both draw by one method, though perhaps from generators that the step makes."""
    return a.draws and b.draws and a.function.__name__ == b.function.__name__


def _same_place(a: Any, b: Any) -> bool:
    kinds = ((x.shape, x.strides, x.dtype) for x in (a, b))
    return address_of(a) == address_of(b) and next(kinds) == next(kinds)


def _same_item(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray | np.generic):
        return _same_bits(a, b)
    return bool(a == b) or (a != a and b != b)  # noqa: PLR0124  (nan)


def _same_bits(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if is_foreign(a) or is_foreign(b):  # nobody looks
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())


def _unlike(a: Statement, b: Statement) -> ProgramError:
    if a.function != b.function:
        told = (
            f"{name_of(a.function)} was called in one of them, {name_of(b.function)} in the other"
        )
        return _error("calls", b.place, told)
    return _error("values", b.place, f"{name_of(b.function)} was given others")


def _error(what: str, place: Place, told: str) -> ProgramError:
    where = f" At {place.site}." if place.site else ""
    return ProgramError(
        f"the first two calls of the step differ in their {what}, with arguments of the same "
        f"shapes{': ' + told if told else ''}.{where} A program would repeat the first. Pass what "
        "varies as an argument, as an array; draw random numbers from an np.random.Generator that "
        "is an attribute of a module which the step calls, or an argument of the step."
    )
